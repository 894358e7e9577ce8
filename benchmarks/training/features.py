"""Frozen features on disk: computed once, verified, memory-mapped by every later epoch and training.

    CACHE/<key>/<output>.npy    (versions × pictures, …), row `version × pictures + picture`
    CACHE/<key>/meta.json       what the key was made of, and the SHA-256 of every array

The key is a digest of everything that decides the values, so a changed picture, weights file, view,
augmentation or seed makes another entry and never a wrong one. Entries appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.files import write_json
from benchmarks.ranks import Processes, decoding_processes
from benchmarks.training.batches import FeatureTable, TrainingPictures, collate
from benchmarks.training.inventory import Inventory, Splits
from benchmarks.training.settings import AugmentationSettings, TrainSettings, validation_augmentation
from registry import EncoderSpec, Feature, UserError, View
from registry.inputs import InputReader
from registry.weights import sha256

logger = logging.getLogger(__name__)

# 1 took every network of an encoder for one: its entries can hold the features of another weights file;
# 2 ran lower precisions under autocast
_SCHEMA = 3


def cached_features(
    settings: TrainSettings, splits: Splits, reader: InputReader, processes: Processes
) -> tuple[FeatureTable, FeatureTable]:
    """Frozen features of the training and the validation pictures; both empty without a cache folder.

    Raises:
        UserError: the detector reads no encoder, or an encoder has no weights.
    """
    if settings.feature_cache is None:
        return {}, {}
    if not reader.groups():
        raise UserError(
            f"feature_cache: detector {settings.detector.name!r} reads no frozen encoder, so there is "
            "nothing to cache; leave the key out"
        )
    cache = FeatureCache(
        settings.feature_cache,
        reader,
        seed=settings.seed_of_frozen,
        max_pixels=settings.max_pixels,
        workers=decoding_processes(settings.workers, processes.device),
    )

    def both() -> tuple[FeatureTable, FeatureTable]:
        training = cache.features(splits.training, settings.augmentation)
        if splits.validation is None:
            return training, {}
        return training, cache.features(splits.validation, validation_augmentation(settings))

    if processes.first:
        both()
    processes.wait()
    return both()


@dataclass(frozen=True)
class FeatureCache:
    """The cached features of what a detector reads. seed: random seed of the augmentation."""

    folder: Path
    reader: InputReader
    seed: int
    max_pixels: int
    batch_size: int = 32
    workers: int = 0

    def features(self, inventory: Inventory, augmentation: AugmentationSettings) -> FeatureTable:
        """Every feature that the detector reads, from disk where it is there and computed where not.

        augmentation: must be `fixed`.
        """
        pictures = TrainingPictures(
            inventory.items, self.reader.views(), augmentation, seed=self.seed, max_pixels=self.max_pixels
        )
        table: dict[Feature, np.ndarray] = {}
        for (encoder, view), outputs in self.reader.groups().items():
            facts = self._facts(encoder, view, outputs, inventory, augmentation)
            key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
            entry = self.folder / key
            if not _is_whole(entry):
                with _draft(entry) as draft:
                    digests = self._write(draft, encoder, view, outputs, pictures)
                    write_json(draft / "meta.json", {**facts, "sha256": digests})
            for output in outputs:
                table[Feature(encoder, view, output)] = np.load(entry / f"{output}.npy", mmap_mode="r")
        return table

    def _facts(
        self,
        encoder: EncoderSpec,
        view: View,
        outputs: set[str],
        inventory: Inventory,
        augmentation: AugmentationSettings,
    ) -> dict[str, Any]:
        """Everything that decides the values of an entry; plain values."""
        return {
            "schema": _SCHEMA,
            "version": version("d3qe-bench"),
            "encoder": encoder.name,
            "options": [list(map(str, option)) for option in encoder.options],
            "weights": self.reader.encoders.identity(encoder),
            "precision": self.reader.encoders.precision,
            "view": repr(view),
            # a crop is cut from a window that all views of a detector share
            "views_together": sorted(repr(v) for v in self.reader.views()),
            "outputs": sorted(outputs),
            "pictures": inventory.fingerprint,
            "unreadable": [bad.path.name for bad in inventory.unreadable],
            "augmentation": augmentation.model_dump(mode="json"),
            "seed": self.seed,
        }

    def _write(
        self, folder: Path, encoder: EncoderSpec, view: View, outputs: set[str], pictures: TrainingPictures
    ) -> dict[str, str]:
        """Encode every version of every picture into arrays in `folder`; file → SHA-256."""
        keys = [(v, i) for v in range(pictures.augmentation.versions) for i in range(len(pictures))]
        batches = [keys[start : start + self.batch_size] for start in range(0, len(keys), self.batch_size)]
        loader = DataLoader(pictures, batch_sampler=batches, num_workers=self.workers, collate_fn=collate)
        device = self.reader.encoders.device
        arrays: dict[str, np.memmap[Any, Any]] = {}
        row = 0
        for batch in loader:
            with torch.inference_mode():
                values = self.reader.encoders.encode(encoder, batch.tensors[view].to(device), outputs)
            for output in outputs:
                value = _array(values[output])
                if output not in arrays:
                    arrays[output] = _array_file(
                        folder / f"{output}.npy", value.dtype, (len(keys), *value.shape[1:])
                    )
                arrays[output][row : row + len(value)] = value
            row += len(batch.indices)
        for array in arrays.values():
            array.flush()
        return {path.name: sha256(path) for path in sorted(folder.glob("*.npy"))}


def _array(value: torch.Tensor) -> np.ndarray:
    if value.dtype == torch.bfloat16:  # numpy has no such type
        value = value.float()
    return value.cpu().numpy()


def _array_file(path: Path, kind: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """An array in a new file, all of its bytes on the disk. Raises `OSError` where they do not fit."""
    array = np.lib.format.open_memmap(path, "w+", kind, shape)
    if hasattr(os, "posix_fallocate"):
        # a page that the disk has no room for ends the process when it is written to (SIGBUS)
        with open(path, "r+b") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
            except OSError as error:
                error.filename = str(path)
                raise
    return array


def _is_whole(entry: Path) -> bool:
    """Whether an entry is there with the bytes that were written; a damaged one is named and removed."""
    if not entry.exists():
        return False
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        damaged = [name for name, digest in meta["sha256"].items() if sha256(entry / name) != digest]
    except (OSError, ValueError, KeyError) as error:
        damaged = [f"meta.json ({error})"]
    if damaged:
        logger.warning("damaged feature cache %s (%s): computed again", entry, ", ".join(damaged))
        shutil.rmtree(entry)
    return not damaged


@contextlib.contextmanager
def _draft(entry: Path) -> Iterator[Path]:
    """A folder that becomes the entry when the block has filled it, and is gone otherwise."""
    draft = entry.with_name(f".{entry.name}.{os.getpid()}.tmp")
    draft.mkdir(parents=True)
    try:
        yield draft
        # another process may have been faster with the same values
        with contextlib.suppress(OSError):
            os.rename(draft, entry)
        if not entry.exists():
            raise UserError(f"cannot write the feature cache {entry}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
