"""The tests marked `gpu` run where there is no GPU, too, so that they do not rot: some of them in every `make test`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.gpu.conftest import REHEARSAL


def test_some_of_them_pass_on_the_cpu() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "gpu and not slow",
        "-k",
        "level or halved",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(Path(__file__).parent)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), REHEARSAL: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b7 passed, \d+ deselected in", done.stdout), done.stdout
