"""`python -m tests.parity NAME --seed N --out FILE.npz`: our arrays, as a golden file of that seed has them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tests.parity import NAMES, compare, compute
from tests.parity.filling import GOLDEN_SEED


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seed", type=int, default=GOLDEN_SEED)
    parser.add_argument("--out", type=Path, help="write the arrays to this .npz file")
    parser.add_argument(
        "--compare", type=Path, metavar="GOLDEN", help="print how far a golden file is from them"
    )
    arguments = parser.parse_args()
    arrays = compute(arguments.name, arguments.seed)
    if arguments.out:
        with open(arguments.out, "wb") as stream:
            np.savez(stream, **arrays)
    if arguments.compare:
        with np.load(arguments.compare) as golden:
            for difference in compare(arrays, dict(golden)):
                print(difference)


if __name__ == "__main__":
    main()
