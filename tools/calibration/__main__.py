"""Simulates scenarios anew, all or those that are named, and writes the page of all.

Run in a checkout: `python -m tools.calibration [SCENARIO …]`.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tools.calibration.page import read, write
from tools.calibration.scenarios import SCENARIOS
from tools.calibration.simulate import run


def main() -> None:
    """Write `calibration.json`, `.md` and `.png` in benchmarks/docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    if unknown := set(asked.scenarios) - SCENARIOS.keys():
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    parts = read() if asked.scenarios else {}
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        for name in asked.scenarios or SCENARIOS:
            parts[name] = run(SCENARIOS[name], pool)
            write({one: parts[one] for one in SCENARIOS if one in parts})
            print(f"{name}: {parts[name]['seconds']} s of processor time", flush=True)


if __name__ == "__main__":
    main()
