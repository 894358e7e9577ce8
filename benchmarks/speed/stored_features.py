"""What the feature store costs and saves: the same pictures without it, filling it and out of it, in turn, in one process.

    python -m benchmarks.speed.stored_features --detector d3qe_mini --pictures 256 --rounds 3

Decoding and views are in all three; building the networks is in none. Also prints what a picture takes of disk.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

import torch

from benchmarks.loading import open_session
from benchmarks.loading.feature_store import FeatureStore
from benchmarks.runfolder.provenance import device_name
from benchmarks.speed.alternation import now
from benchmarks.speed.run_overhead import make_pictures


def main() -> None:
    """Print seconds per picture of each way, and what a picture takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--detector", default="d3qe_mini")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    session = open_session(detectors=[asked.detector], device=asked.device, allow_untrained=True)
    encoders = session.encoders
    taken: dict[str, list[float]] = {"without": [], "filling": [], "from the store": []}
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder, "data"), asked.pictures)
        files = sorted(Path(folder, "data").rglob("*.png"))
        session.score(files[:16])  # warm up
        for _ in range(asked.rounds):
            store = Path(folder, "store")
            shutil.rmtree(store, ignore_errors=True)
            for way, of_way in taken.items():
                encoders.store = None if way == "without" else FeatureStore(store, 100)
                began = now(session.device)
                session.score(files)
                of_way.append((now(session.device) - began) / len(files))
        size = sum(path.stat().st_size for path in store.rglob("*.safetensors"))
    print(
        f"{asked.detector}, {len(files)} pictures, {asked.rounds} rounds, {device_name(session.device)}, torch {torch.__version__}"
    )
    whole = statistics.median(taken["without"])
    for way, seconds in taken.items():
        print(
            f"{way:<16}{statistics.median(seconds) * 1000:9.2f} ms / picture{statistics.median(seconds) / whole:7.2f}"
        )
    print(f"on disk {size / len(files) / 1000:.1f} kB / picture")


if __name__ == "__main__":
    main()
