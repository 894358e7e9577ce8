"""Frozen features of a training's pictures, from the feature store: computed once, whoever asks and in whatever epoch.

    FOLDER/tables/<key>.safetensors     which rows of the store the versions of some pictures have

A table saves the decoding of pictures whose features are all there. Its key is a digest of everything that decides how a
picture becomes a view; the rows themselves are found by the views' own digests (`benchmarks.loading.feature_store`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.loading.feature_store import FeatureStore, Shelf, digest_of
from benchmarks.loading.source_code import code_digest
from benchmarks.ranks import Processes, decoding_processes
from benchmarks.training.batches import FeatureTable, TrainingPictures, collate
from benchmarks.training.inventory import Inventory, Splits
from benchmarks.training.settings import AugmentationSettings, TrainSettings, validation_augmentation
from registry import Feature, UserError, View
from registry.files import atomic
from registry.inputs import InputReader

_BATCH = 32
_DECIDING = ("torch", "torchvision", "numpy", "pillow", "opencv-python")
"""Distributions whose versions decide what a view of a file is."""


def cached_features(
    settings: TrainSettings, splits: Splits, reader: InputReader, processes: Processes
) -> tuple[FeatureTable, FeatureTable]:
    """Frozen features of the training and the validation pictures; both empty without a feature store.

    Raises:
        UserError: the detector reads no encoder, an encoder has no weights, or the folder cannot be written to.
    """
    if settings.features is None:
        return {}, {}
    if not reader.groups():
        raise UserError(
            f"features: detector {settings.detector.name!r} reads no frozen encoder, so there is "
            "nothing to keep; leave the key out"
        )
    filled = FeatureTables(
        FeatureStore(settings.features, settings.features_size),
        reader,
        seed=settings.seed_of_frozen,
        max_pixels=settings.max_pixels,
        workers=decoding_processes(settings.workers, processes.device),
    )

    def both() -> tuple[FeatureTable, FeatureTable]:
        training = filled.features(splits.training, settings.augmentation)
        if splits.validation is None:
            return training, {}
        return training, filled.features(splits.validation, validation_augmentation(settings))

    # the first process computes what is missing; the others open the store afterwards
    found = both() if processes.first else None
    processes.wait()
    return found or both()


@dataclass(frozen=True)
class StoredRows:
    """One output of an encoder for all versions of some pictures. digests: uint8 (rows, 32)."""

    shelf: Shelf
    digests: np.ndarray

    def __deepcopy__(self, memo: object) -> StoredRows:
        return self  # mmengine's Runner copies all that it is given

    def __getitem__(self, row: int) -> Tensor:
        found = self.shelf.find(self.digests[row].tobytes())
        if found is None:
            raise UserError(
                f"features in {self.shelf.folder} were lost while training: the same command computes them again"
            )
        return found.value


@dataclass(frozen=True)
class FeatureTables:
    """Features of what a detector reads. seed: random seed of the augmentation."""

    store: FeatureStore
    reader: InputReader
    seed: int
    max_pixels: int
    workers: int = 0

    def features(self, inventory: Inventory, augmentation: AugmentationSettings) -> FeatureTable:
        """Every feature that the detector reads, from the store where it is there and computed where not.

        augmentation: must be `fixed`.
        """
        pictures = TrainingPictures(
            inventory.items, self.reader.views(), augmentation, seed=self.seed, max_pixels=self.max_pixels
        )
        path = self._path(inventory, augmentation)
        digests = _read(path, self.reader.views())
        if digests is None or not self._has_all(digests):
            digests = self._fill(pictures)
            with atomic(path) as draft:
                save_file({str(number): of for number, of in enumerate(digests.values())}, draft)
        return {
            Feature(encoder, view, output): StoredRows(shelf, digests[view])
            for (encoder, view), outputs in self.reader.groups().items()
            for output, shelf in self.store.shelves(self.reader.encoders, encoder, outputs).items()
        }

    def _has_all(self, digests: Mapping[View, np.ndarray]) -> bool:
        """Whether every row is in the store, and as it was written."""
        return all(
            shelf.find(key.tobytes()) is not None
            for (encoder, view), outputs in self.reader.groups().items()
            for shelf in self.store.shelves(self.reader.encoders, encoder, outputs).values()
            for key in digests[view]
        )

    def _fill(self, pictures: TrainingPictures) -> dict[View, np.ndarray]:
        """Bring every version of every picture into the store; the digests of its views."""
        keys = [(v, i) for v in range(pictures.augmentation.versions) for i in range(len(pictures))]
        batches = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
        loader = DataLoader(pictures, batch_sampler=batches, num_workers=self.workers, collate_fn=collate)
        encoders = self.reader.encoders
        digests: dict[View, list[bytes]] = {view: [] for view in self.reader.views()}
        try:
            for batch in loader:
                for view, known in digests.items():
                    known += map(digest_of, batch.tensors[view])
                for (encoder, view), outputs in self.reader.groups().items():
                    images = batch.tensors[view].to(encoders.device)
                    with torch.inference_mode():
                        self.store.encode(encoders, encoder, images, outputs)
        finally:
            self.store.flush()
        return {
            view: np.frombuffer(b"".join(known), np.uint8).reshape(-1, 32) for view, known in digests.items()
        }

    def _path(self, inventory: Inventory, augmentation: AugmentationSettings) -> Path:
        """Where the table lies, by everything that decides the views of the pictures."""
        views = self.reader.views()
        facts: dict[str, Any] = {
            "schema": 1,
            # a crop is cut from a window that all views of a detector share
            "views": [repr(view) for view in views],
            "pictures": inventory.fingerprint,
            "unreadable": [bad.path.name for bad in inventory.unreadable],
            "augmentation": augmentation.model_dump(mode="json"),
            "seed": self.seed,
            "versions": {name: metadata.version(name) for name in _DECIDING},
            "code": code_digest(
                TrainingPictures,
                *map(type, views),
                *(item.prepare for item in inventory.items if item.prepare),
            ),
        }
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        return self.store.folder / "tables" / f"{key}.safetensors"


def _read(path: Path, views: list[View]) -> dict[View, np.ndarray] | None:
    try:
        found = load_file(path)
        return {view: found[str(number)] for number, view in enumerate(views)}
    except (OSError, SafetensorError, KeyError):
        return None
