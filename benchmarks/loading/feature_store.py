"""The feature store: outputs of frozen encoders on disk, for every later run, prediction and training.

    FOLDER/encoders/<key>/encoder.json                    everything besides its input that decides an encoder's outputs
    FOLDER/encoders/<key>/<output>/<name>.safetensors     one row per input

An input is known by the SHA-256 of the very tensor that the encoder reads: another picture, fair view, perturbation, crop,
augmentation or decoder is another tensor, so that no entry can stand for what it is not, and copies of a picture share one.
Files appear whole or not at all, rows are checked before they are used, and any number of processes may share a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from benchmarks.files import write_json
from benchmarks.loading.source_code import code_digest
from registry import EncoderPool, EncoderSpec, UserError
from registry.files import atomic

logger = logging.getLogger(__name__)

_SCHEMA = 1
_DECIDING = ("torch", "torchvision", "open_clip_torch", "timm")
"""Distributions whose versions decide what an encoder gives."""
SEGMENT_BYTES = 32_000_000
"""A file that has grown to this size is finished; the rows of one that has not are held in memory."""
FLUSH_SECONDS = 60.0
"""At most this much encoding is lost by a kill."""
_LATER = 10**9
"""Nanoseconds, what the times of files differ by at least on every disk."""
_SUFFIX = ".safetensors"


def digest_of(tensor: Tensor) -> bytes:
    """SHA-256 of a tensor's type, shape and values."""
    array = tensor.detach().cpu().contiguous().numpy()
    return hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + array.tobytes()).digest()


class FeatureStore:
    """What encoders gave, kept in a folder of at most `gigabytes`; the files that were not used for longest go first.

    Raises:
        UserError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, gigabytes: float) -> None:
        self.folder = folder
        self.most_bytes = gigabytes * 1e9
        self._shelves: dict[tuple[EncoderSpec, str], Shelf] = {}
        self._flushed = time.monotonic()
        self._full = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to the feature store {folder}: {error.strerror}") from error
        if not os.access(folder, os.W_OK):
            raise UserError(f"cannot write to the feature store {folder}")

    def encode(
        self, pool: EncoderPool, spec: EncoderSpec, images: Tensor, outputs: Collection[str]
    ) -> dict[str, Tensor]:
        """As `EncoderPool.encode`; only what is not in the store is computed, and then it is."""
        shelves = self.shelves(pool, spec, outputs)
        digests = [digest_of(image) for image in images.cpu()]
        known = {index: row for index, digest in enumerate(digests) if (row := _row(shelves, digest))}
        missing = [index for index in range(len(images)) if index not in known]
        computed: dict[str, Tensor] = {}
        if missing:
            pool.get(spec)  # building it is no part of what a row costs
            start = time.perf_counter()
            computed = pool.compute(spec, images if not known else images[missing], outputs)
            arrays = {name: computed[name].cpu().numpy() for name in outputs}
            seconds = (time.perf_counter() - start) / len(missing)
            for place, index in enumerate(missing):
                for name, shelf in shelves.items():
                    shelf.add(digests[index], arrays[name][place], seconds)
            if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                self.flush()
        pool.count_recalled(spec, len(known), sum(_seconds(row) for row in known.values()))
        if not known:
            return computed
        places = {index: place for place, index in enumerate(missing)}
        return {
            name: torch.stack(
                [
                    known[index][name].value.to(images.device)
                    if index in known
                    else computed[name][places[index]]
                    for index in range(len(images))
                ]
            )
            for name in outputs
        }

    def shelves(self, pool: EncoderPool, spec: EncoderSpec, outputs: Collection[str]) -> dict[str, Shelf]:
        """Where these outputs of an encoder stand."""
        for name in outputs:
            if (spec, name) not in self._shelves:
                facts = _facts(pool, spec)
                key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
                folder = self.folder / "encoders" / key
                if not (folder / "encoder.json").is_file():
                    write_json(folder / "encoder.json", facts)
                self._shelves[spec, name] = Shelf(folder / name, f"{key} {name} ".encode())
        return {name: self._shelves[spec, name] for name in outputs}

    def flush(self) -> None:
        """Write what is new, and remove what is too much."""
        for shelf in self._shelves.values():
            shelf.flush()
        self._flushed = time.monotonic()
        files = []
        for path in self.folder.rglob(f"[!.]*{_SUFFIX}"):
            try:
                files.append((path.stat().st_mtime_ns, path.stat().st_size, path))
            except FileNotFoundError:  # another process was faster
                continue
        files = self._in_order_of_use(files)
        total = sum(size for _, size, _ in files)
        removed = 0
        for _, size, path in files:
            if total <= self.most_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
            removed += 1
        if removed and not self._full:
            self._full = True
            logger.warning(
                "the feature store %s is full (%g GB): %d files that were not used for longest are removed",
                self.folder, self.most_bytes / 1e9, removed,
            )  # fmt: skip

    def _in_order_of_use(self, files: Collection[tuple[int, int, Path]]) -> list[tuple[int, int, Path]]:
        """Files by time, those first that were not used for longest; what this process uses is later than all else.

        Times are made so where the clock went back since others were written: the newest files would be the first to go.
        """
        own = {path for shelf in self._shelves.values() for path in shelf.used}
        latest = max((used for used, _, path in files if path not in own), default=0)
        found = []
        for used, size, path in files:
            if path in own and used <= latest:
                used = latest + _LATER
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path, ns=(used, used))
            found.append((used, size, path))
        return sorted(found)


@dataclass(frozen=True)
class Row:
    """One output for one input. seconds: what the encoder took for it when it was computed."""

    value: Tensor
    seconds: float


def _row(shelves: Mapping[str, Shelf], digest: bytes) -> dict[str, Row] | None:
    """What stands on all shelves for an input; None where one of them lacks it."""
    found = {name: shelf.find(digest) for name, shelf in shelves.items()}
    return {name: row for name, row in found.items() if row} if all(found.values()) else None


def _seconds(row: Mapping[str, Row]) -> float:
    """What an input's pass took: all outputs came of one, as far as is known."""
    return max(one.seconds for one in row.values())


def _facts(pool: EncoderPool, spec: EncoderSpec) -> dict[str, Any]:
    cpu = pool.device.type == "cpu"
    return {
        "schema": _SCHEMA,
        "encoder": spec.name,
        "options": [list(map(str, option)) for option in spec.options],
        "weights": pool.identity(spec),
        "precision": pool.precision,
        "device": torch.backends.cpu.get_cpu_capability() if cpu else torch.cuda.get_device_name(pool.device),
        "versions": {name: metadata.version(name) for name in _DECIDING},
        "code": code_digest(pool.catalog.entry(spec.name).load()),
        **({"at_once": at_once} if (at_once := pool.get(spec).at_once) else {}),
        **({"compiled": compiled} if (compiled := pool.compiled_in(spec)) else {}),
    }


@dataclass
class _Draft:
    """Rows of a file that still grows; all of them have equally many dimensions."""

    path: Path
    keys: list[bytes] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    size: int = 0
    written: bool = False


class Shelf:
    """One output of one encoder, by the digest of the input.

    folder: of its files. name: goes into the check sum of every row, so that a file at another place is a damaged one.
    used: the files that this process wrote or took rows from.
    """

    def __init__(self, folder: Path, name: bytes) -> None:
        self.folder = folder
        self.name = name
        self.used: set[Path] = set()
        self._places: dict[bytes, tuple[_Draft | _Segment, int]] = {}
        self._drafts: dict[tuple[str, int], _Draft] = {}
        for path in sorted(folder.glob(f"[!.]*{_SUFFIX}")):
            self._open(path)

    def find(self, digest: bytes) -> Row | None:
        """The row of an input, None where there is none; a damaged file is named and removed."""
        if digest not in self._places:
            return None
        source, index = self._places[digest]
        if isinstance(source, _Draft):
            return Row(torch.from_numpy(source.values[index]), source.seconds[index])
        if (row := source.row(digest, index)) is None:
            self._remove(source.path, "a row's check sum is not that of its values")
            self._places = {key: place for key, place in self._places.items() if place[0] is not source}
        else:
            self.used.add(source.path)
        return row

    def add(self, digest: bytes, value: np.ndarray, seconds: float) -> None:
        """Keep a row."""
        if digest in self._places:
            return
        kind = str(value.dtype), value.ndim
        if kind not in self._drafts:
            self._drafts[kind] = _Draft(self.folder / f"{uuid.uuid4().hex}{_SUFFIX}")
        draft = self._drafts[kind]
        self._places[digest] = draft, len(draft.keys)
        draft.keys.append(digest)
        draft.values.append(value.copy())
        draft.seconds.append(seconds)
        draft.size += value.nbytes
        draft.written = False
        if draft.size >= SEGMENT_BYTES:
            self._write(draft)
            del self._drafts[kind]
            self._open(draft.path)

    def flush(self) -> None:
        """Write the rows that are in memory alone; a file that is not yet full is replaced by a longer one."""
        for draft in self._drafts.values():
            if not draft.written:
                self._write(draft)

    def _write(self, draft: _Draft) -> None:
        values = draft.values
        rows = {
            "keys": np.frombuffer(b"".join(draft.keys), np.uint8).reshape(len(values), -1),
            "sums": np.stack([_sum(self.name, *one) for one in zip(draft.keys, values, strict=True)]),
            "shapes": np.array([value.shape for value in values], np.int64).reshape(len(values), -1),
            "ends": np.cumsum([value.nbytes for value in values], dtype=np.int64),
            "seconds": np.array(draft.seconds, np.float32),
            "values": np.frombuffer(b"".join(value.tobytes() for value in values), np.uint8),
        }
        with atomic(draft.path) as path:
            save_file(rows, path, {"dtype": str(values[0].dtype)})
        draft.written = True
        self.used.add(draft.path)

    def _open(self, path: Path) -> None:
        try:
            segment = _Segment(path, self.name)
        except FileNotFoundError:  # another process removed it
            return
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            self._remove(path, " ".join(str(error).split()))
            return
        self._places |= {key: (segment, index) for index, key in enumerate(segment.keys)}

    def _remove(self, path: Path, why: str) -> None:
        logger.warning("damaged file of the feature store, its rows are computed again: %s (%s)", path, why)
        path.unlink(missing_ok=True)


class _Segment:
    """A finished file, memory-mapped: it can be read even after another process removed it."""

    def __init__(self, path: Path, name: bytes) -> None:
        self.path = path
        self.name = name
        file = safe_open(path, framework="pt")
        self.dtype = getattr(torch, file.metadata()["dtype"])
        self.keys = [bytes(key) for key in file.get_tensor("keys").numpy()]
        self.sums, self.shapes = file.get_tensor("sums").numpy(), file.get_tensor("shapes").tolist()
        self.ends, self.seconds = file.get_tensor("ends").tolist(), file.get_tensor("seconds").tolist()
        self.values = file.get_slice("values")
        self.used = False

    def __reduce__(self) -> tuple[type[_Segment], tuple[Path, bytes]]:
        return _Segment, (self.path, self.name)  # another process maps the file anew

    def row(self, key: bytes, index: int) -> Row | None:
        """One row; None where it is not what was written."""
        start = self.ends[index - 1] if index else 0
        try:
            # a copy of its own: what is mapped could change below a tensor
            value = self.values[start : self.ends[index]].view(self.dtype).reshape(self.shapes[index])
        except (SafetensorError, RuntimeError):
            return None
        if not np.array_equal(_sum(self.name, key, value.numpy()), self.sums[index]):
            return None
        if not self.used:
            self.used = True
            if self.path.exists():
                os.utime(self.path)  # the file is in use: it is not the next to go
        return Row(value, self.seconds[index])


def _sum(name: bytes, key: bytes, value: np.ndarray) -> np.ndarray:
    """Check sum of a row: uint8 (16,)."""
    return np.frombuffer(hashlib.sha256(name + key + value.tobytes()).digest()[:16], np.uint8)
