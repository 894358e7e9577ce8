"""Prints what reading and decoding the mini benchmark's pictures costs from each kind of place, against plain files.

Run by hand: `python -m tests.datasets.speed_of_sources`. All places take turns in one process, after one round that
does not count; medians of processor time and of time by the clock.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.datasets import find_test_sets
from benchmarks.mini.dataset import scan as scan_mini
from benchmarks.pictures import open_member
from registry import TestSet, load_plugins
from tests.datasets import packing, stores

ROUNDS = 7


def main() -> None:
    """Print one line per kind of place."""
    import boto3

    sets = scan_mini()
    catalogs = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""})
    with tempfile.TemporaryDirectory() as scratch, stores.s3() as server:
        os.environ |= {
            "D3QE_BENCH_DATA": f"{scratch}/indexes", "AWS_ENDPOINT_URL": server.address, "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        folder = packing.shards(sets, Path(scratch, "tars"), each=500)
        packing.parquet(sets, Path(scratch, "rows.parquet"), group=100)
        client = boto3.client("s3")
        client.create_bucket(Bucket="bkt")
        for shard in folder.iterdir():
            client.put_object(Bucket="bkt", Key=f"tars/{shard.name}", Body=shard.read_bytes())
        places = {
            "tar": folder,
            "Parquet": f"{scratch}/rows.parquet",
            "tar in S3 on this machine": "s3://bkt/tars",
        }
        found = {"files": sets} | {
            name: find_test_sets(catalogs.datasets, [str(place)]) for name, place in places.items()
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
        for _ in range(ROUNDS + 1):
            for name, test_sets in found.items():
                taken[name].append(_time(test_sets))
    count = sum(len(one.pictures) for one in sets)
    plain = statistics.median(cpu for cpu, _ in taken["files"][1:])
    print(f"{count} pictures of 64×64 px, median of {ROUNDS} rounds")
    print(f"{'from':<26}  ms of processor / picture  × files  ms by the clock / picture")
    for name, rounds in taken.items():
        cpu, clock = (statistics.median(values) for values in zip(*rounds[1:], strict=True))
        print(f"{name:<26}  {1000 * cpu / count:<25.3f}  {cpu / plain:<7.2f}  {1000 * clock / count:.3f}")


def _time(test_sets: list[TestSet]) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    for test_set in test_sets:
        for picture in test_set.pictures:
            open_member(test_set, picture)
    return time.process_time() - cpu, time.perf_counter() - clock


if __name__ == "__main__":
    main()
