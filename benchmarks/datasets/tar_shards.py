"""Tar shards in webdataset's layout: `<key>.<picture suffix>` beside `<key>.cls` or `<key>.json`, which hold the label.

A picture is read by its offset and size; nothing is unpacked, so names of members only ever name pictures. A
link or a device in a picture's place is a picture that cannot be read, and is listed as such.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

from benchmarks.datasets.labelled import FACTS, parse_label
from benchmarks.datasets.shards import NO_BYTES, UNLABELLED, ShardKind, ShardRow, test_sets
from benchmarks.pictures import is_picture
from benchmarks.storage import Folder, Matched, Place, Version, open_file, read_part
from registry.dataset import TestSet
from registry.errors import UserError

SUFFIX = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
LONGEST_FACTS = 1 << 20
"""Bytes of a .cls or .json member; a larger one is no label."""
LARGEST = 1 << 31
"""Bytes of a picture; a larger one is listed as one that cannot be read, and never loaded."""
_CHUNK = 1 << 20
_LABEL, _FACTS = ("cls", "json")

logger = logging.getLogger(__name__)


def scan(root: Place) -> list[TestSet]:
    """Test sets of the shards in `root`, or of `root` itself, by the fields that stand beside the pictures, as a manifest's.

    Raises:
        LayoutMismatch: no tar file.
        UserError: a shard is compressed or damaged, or a picture has no label.
    """
    if not isinstance(root, Matched) and root.is_file() and root.name.lower().endswith(COMPRESSED):
        raise UserError(f"{root} is compressed, so that no picture can be read by itself: give it as .tar")
    return test_sets(root, kind())


def kind(*, labelled: bool = True) -> ShardKind:
    """How tar shards are read; unlabelled, nothing beside the pictures is looked at."""
    return ShardKind("tar", (SUFFIX,), partial(_rows, labelled=labelled), _read, {"labelled": str(labelled)})


def _read(shard: Folder, version: Version, place: int, size: int) -> bytes:
    return read_part(shard, place, size)


@dataclass
class _Sample:
    """What a shard holds under one key. facts: of its .cls and .json."""

    pictures: list[tuple[str, int, int, bytes, str]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def _rows(shard: Folder, version: Version, *, labelled: bool) -> Iterator[ShardRow]:
    samples: dict[str, _Sample] = {}
    others: Counter[str] = Counter()
    seen: set[str] = set()
    try:
        with open_file(shard, version) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # it would keep all of them
                if member.isdir():
                    continue
                name = _clean(member.name, shard)
                if name in seen:
                    raise UserError(f"{shard} holds {name} twice")
                seen.add(name)
                _take(samples, others, shard, name, member, archive, labelled)
            _check_end(stream, archive.offset, shard)
    except tarfile.TarError as error:
        raise UserError(f"{shard} is damaged or not complete: {error}") from error
    if others:
        found = ", ".join(f"{count} × {suffix}" for suffix, count in sorted(others.items()))
        logger.warning("%s: left out members that are no pictures by their suffix (%s)", shard, found)
    for key, sample in samples.items():
        label, facts = _told(sample.facts, f"{shard}: {key}")
        for name, place, size, digest, problem in sample.pictures:
            yield ShardRow(name, label, *facts, place, size, digest, problem)


def _clean(name: str, shard: Folder) -> str:
    """The name of a member, normalised; one that no picture can have is refused."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in name:
        raise UserError(f"{shard}: the member {name!r} leaves the shard: refused")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"{shard}: the member {name!a} is not Unicode: refused") from None
    return "/".join(parts)


def _take(
    samples: dict[str, _Sample],
    others: Counter[str],
    shard: Folder,
    name: str,
    member: tarfile.TarInfo,
    archive: tarfile.TarFile,
    labelled: bool,
) -> None:
    """Put what one member says into its sample, by webdataset's rule: the key ends at the first dot of the last part."""
    folder, slash, last = name.rpartition("/")
    stem, _, kind = last.partition(".")
    if not stem:
        return  # hidden
    kind = kind.lower()
    sample = samples.setdefault(f"{folder}{slash}{stem}", _Sample())
    if kind in (_LABEL, _FACTS):
        if labelled:
            where = f"{shard}: {name}"
            _add_facts(sample.facts, kind, _content(member, archive, where), where)
    elif "." not in kind and is_picture(PurePosixPath(last)):
        digest, problem = _digest(member, archive)
        sample.pictures.append((name, member.offset_data, 0 if problem else member.size, digest, problem))
    elif is_picture(PurePosixPath(last)):
        others[f".{kind}"] += 1


def _content(member: tarfile.TarInfo, archive: tarfile.TarFile, where: str) -> bytes:
    if not member.isreg() or member.size > LONGEST_FACTS:
        what = f"has {member.size:,} bytes" if member.isreg() else "is a link or a device"
        raise UserError(f"{where} {what}, and cannot be the label of a picture")
    return _opened(member, archive).read()


def _opened(member: tarfile.TarInfo, archive: tarfile.TarFile) -> IO[bytes]:
    stream = archive.extractfile(member)
    assert stream is not None, "only links and devices have none"
    return stream


def _digest(member: tarfile.TarInfo, archive: tarfile.TarFile) -> tuple[bytes, str]:
    """SHA-256 of a picture's bytes, or why it is not read."""
    if member.issparse() or not member.isreg():
        what = "a link" if member.islnk() or member.issym() else "no plain file"
        return NO_BYTES, f"{what} in the shard, which is not followed"
    if member.size > LARGEST:
        return NO_BYTES, f"{member.size:,} bytes are more than the {LARGEST:,} allowed"
    digest, stream = hashlib.sha256(), _opened(member, archive)
    while piece := stream.read(_CHUNK):
        digest.update(piece)
    return digest.digest(), ""


def _check_end(stream: IO[bytes], end: int, shard: Folder) -> None:
    """Nothing but zeros may follow the last member: tarfile takes a damaged header for the end, and would lose the rest."""
    stream.seek(end)
    first = True
    while piece := stream.read(_CHUNK):
        if piece.strip(b"\0"):
            raise UserError(f"{shard} is damaged: what follows byte {end:,} is no member of a tar file")
        first = False
    if first:
        logger.warning("%s has no mark at its end: it may have been cut short", shard)


def _add_facts(facts: dict[str, str], kind: str, content: bytes, where: str) -> None:
    try:
        text = content.decode("utf-8-sig")
        told: Any = {"label": text.strip()} if kind == _LABEL else json.loads(text)
    except ValueError as error:
        raise UserError(f"{where} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise UserError(f"{where} must hold keys and values, got {type(told).__name__}")
    for key in ("label", *FACTS):
        if told.get(key) is None:
            continue
        if not isinstance(told[key], str | int | float):
            raise UserError(f"{where}: {key} must be text or a number, got {told[key]!r}")
        value = str(told[key]).strip()
        if facts.get(key, value) != value:
            raise UserError(f"{where}: {key} is {value!r}, {facts[key]!r} beside it")
        facts[key] = value


def _told(facts: dict[str, str], where: str) -> tuple[int, tuple[str, str, str]]:
    label = parse_label(facts["label"], where) if facts.get("label") else UNLABELLED
    dataset, generator, paradigm = (facts.get(name, "") for name in FACTS)
    return label, (dataset, generator, paradigm)
