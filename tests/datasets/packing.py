"""Packs test sets into tar shards, as webdataset does, and into Parquet, as the `datasets` library does."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from registry import Picture, TestSet
from registry.dataset import FAKE

Member = tuple[str, bytes] | tarfile.TarInfo


def tar(path: Path, members: Iterable[Member]) -> Path:
    """A tar file of these members: names with content, or headers as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def facts(test_set: TestSet, picture: Picture) -> dict[str, object]:
    return {
        "label": picture.label,
        "dataset": test_set.name,
        "generator": test_set.generator if picture.label == FAKE else "",
        "paradigm": test_set.paradigm if picture.label == FAKE else "",
    }


def shards(test_sets: Sequence[TestSet], folder: Path, each: int) -> Path:
    """Tar shards of `each` pictures, each beside a .json; names are the pictures' own."""
    samples = [(one, picture) for one in test_sets for picture in one.pictures]
    for number, start in enumerate(range(0, len(samples), each)):
        members: list[Member] = []
        for test_set, picture in samples[start : start + each]:
            key = picture.path.rpartition(".")[0]
            members.append((picture.path, (test_set.root / picture.path).read_bytes()))
            members.append((f"{key}.json", json.dumps(facts(test_set, picture)).encode()))
        tar(folder / f"test-{number:06d}.tar", members)
    return folder


def parquet(test_sets: Sequence[TestSet], path: Path, group: int, *, struct: bool = True) -> Path:
    """One Parquet file with `group` rows in a row group. struct: bytes and path together, else a column of bytes."""
    samples = [(one, picture) for one in test_sets for picture in one.pictures]
    content = [(one.root / picture.path).read_bytes() for one, picture in samples]
    names = [picture.path for _, picture in samples]
    told = [facts(one, picture) for one, picture in samples]
    columns: dict[str, object] = {key: [one[key] for one in told] for key in told[0]}
    if struct:
        columns["image"] = [{"bytes": data, "path": name} for data, name in zip(content, names, strict=True)]
    else:
        columns |= {"image": pa.array(content, pa.binary()), "path": names}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path
