"""Runs the fault suite and writes its page: how often what was broken on purpose, and what came of it.

Run in a checkout: `python -m tools.faults`. The page is written only where every test of the suite passed: each of its counts is of
faults after which the test found no row lost or twice, and no wrong number.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.files import write_json
from registry.files import atomic
from tests.datasets.test_bad_servers import disturbed
from tests.faults.conftest import FOLDER_VARIABLE
from tests.faults.counts import Counts

ROOT = Path(__file__).parents[1]
NUMBERS, PAGE = (ROOT / "benchmarks" / "docs" / f"faults.{kind}" for kind in ("json", "md"))

Found = Mapping[str, Mapping[str, int]]

SAYS = {
    "kills": "SIGKILL at a random moment, up to three times before the same command may end. Afterwards: every row once, the same "
    "metrics, the same weights to the byte, the same index; no draft left behind.",
    "full disks, injected": "The n-th time that something is opened for writing, a folder made or a file renamed, the disk is full, for every "
    "n or every few. One line that names the file, what was written before stays, and the same command ends as if undisturbed.",
    "full disks, small file systems": "The same on real file systems that are too small, of several sizes.",
    "damaged pictures": "JPEG, PNG, WebP, GIF, BMP and TIFF with bytes changed, cut, doubled or zeroed. Each is scored or named with the reason; "
    "none that was cut stands for a whole one; the audit goes through all of them.",
    "damaged files, refused in one line": "Bytes of files changed, cut, doubled or zeroed; exit code 2 or a row that says why.",
    "damaged files, read as what is left of them or made anew": "The change was in what nobody reads or still is a valid file of "
    "other content, or what was damaged is computed again.",
    "downloads": "Servers that cut connections, send something else, redirect in circles, ask to wait, drip, lie about the length or "
    "ignore ranges.",
}

HEAD = """# Faults

What was broken on purpose, and how often. Written by

    python -m tools.faults

in a checkout ({seconds} s by the clock, two processes), which runs `make faults` and writes this page only if every test
passes: after each fault that is counted here a test found **0 rows lost, 0 rows twice, 0 wrong numbers, 0 tracebacks**.
`faults.json` has the counts. CI runs the suite.

"""

BESIDE = """## Elsewhere

Faults that are no matter of numbers have tests in `make test`: too little memory on a device halves the batch of that network and says so; no
logit that is not a number (NaN, infinite, of another shape or type) becomes a score; a killed decoding process is one line;
class folders, manifests and settings of any content (Hypothesis). A real graphics card has not run out of memory here: the error is injected.
A clock that is ten days wrong, or set right, between a run, a kill and a report is in `make faults` but is not counted above: a
report never shows metrics of before.

What cannot be noticed: a bit that changes in a plain manifest or in run.json and leaves it valid.
"""


def collect(folder: Path) -> dict[str, dict[str, int]]:
    """The counts that the tests' processes left in a folder, summed, in the order of `SAYS`."""
    total = Counts(None)
    for path in sorted(folder.glob("*.json")):
        for kind, counted in json.loads(path.read_text(encoding="utf-8")).items():
            for what, number in counted.items():
                total.add(kind, what, number)
    return {kind: dict(sorted(total.found[kind].items())) for kind in SAYS if kind in total.found}


def render(seconds: float, found: Found) -> str:
    """The page."""
    text = HEAD.format(seconds=round(seconds))
    for kind, counted in found.items():
        text += f"## {kind[0].upper()}{kind[1:]}\n\n{SAYS[kind]}\n\n| | |\n|:--|--:|\n"
        text += "".join(f"| {what} | {number:,} |\n" for what, number in counted.items()) + "\n"
    return text + BESIDE


def main() -> None:
    """Run the suite; write `faults.json` and `faults.md` in benchmarks/docs."""
    with tempfile.TemporaryDirectory() as made:
        counts = Path(made) / "counts"
        counts.mkdir()
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "faults",
            "--numprocesses",
            "2",
            "--dist",
            "loadfile",
        ]
        ended = subprocess.run(
            command, cwd=ROOT, env={**os.environ, FOLDER_VARIABLE: str(counts)}, check=False
        )
        if ended.returncode:
            sys.exit(f"the fault suite failed, so that {PAGE.name} stays as it was")
        seconds = time.monotonic() - began
        found = collect(counts)
        servers = disturbed(Path(made) / "servers")
    found["downloads"] = servers
    write_json(NUMBERS, {"seconds": round(seconds), "found": found})
    with atomic(PAGE) as draft:
        draft.write_text(render(seconds, found), encoding="utf-8")


if __name__ == "__main__":
    main()
