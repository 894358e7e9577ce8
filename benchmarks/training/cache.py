"""Frozen features on disk: computed once, verified, memory-mapped by every later epoch and training.

    CACHE/<key>/<output>.npy    (versions × pictures, …), row `version × pictures + picture`
    CACHE/<key>/meta.json       what the key was made of, and the SHA-256 of every array

The key is a digest of everything that decides the values, so a changed picture, weights file, view,
augmentation or seed makes another entry and never a wrong one. Entries appear whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.files import write_json
from benchmarks.training.batches import FeatureTable, TrainingPictures, collate
from benchmarks.training.cache_entries import is_whole, move_into_place
from benchmarks.training.cache_keys import digest, entry_facts
from benchmarks.training.inventory import Inventory
from benchmarks.training.reader import InputReader
from benchmarks.training.recipe import AugmentationSettings
from registry import EncoderSpec, Feature, View
from registry.weights import sha256


class FeatureCache:
    """The frozen features of one set of pictures.

    augmentation: must be `fixed`. seed: of the augmentation. progress: called with the number of
    pictures encoded so far and in all.
    """

    def __init__(
        self,
        folder: Path,
        reader: InputReader,
        *,
        seed: int,
        max_pixels: int,
        batch_size: int = 32,
        workers: int = 0,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.folder = folder
        self.reader = reader
        self.seed = seed
        self.max_pixels = max_pixels
        self.batch_size = batch_size
        self.workers = workers
        self.progress = progress

    def features(self, inventory: Inventory, augmentation: AugmentationSettings) -> FeatureTable:
        """Every feature that the detector reads, from disk where it is there and computed where not."""
        table: dict[Feature, np.ndarray] = {}
        for (encoder, view), outputs in self.reader.groups().items():
            facts = entry_facts(self.reader, encoder, view, outputs, inventory, augmentation, self.seed)
            entry = self.folder / digest(facts)
            if not is_whole(entry):
                self._fill(entry, facts, encoder, view, outputs, inventory, augmentation)
            for output in outputs:
                table[Feature(encoder, view, output)] = np.load(entry / f"{output}.npy", mmap_mode="r")
        return table

    def _fill(
        self,
        entry: Path,
        facts: dict[str, Any],
        encoder: EncoderSpec,
        view: View,
        outputs: Collection[str],
        inventory: Inventory,
        augmentation: AugmentationSettings,
    ) -> None:
        draft = self.folder / f".{entry.name}.{os.getpid()}.tmp"
        draft.mkdir(parents=True)
        try:
            arrays: dict[str, np.ndarray] = {}
            pictures = TrainingPictures(
                inventory.items,
                self.reader.views(),
                augmentation,
                seed=self.seed,
                max_pixels=self.max_pixels,
            )
            keys = [(v, i) for v in range(augmentation.versions) for i in range(len(inventory.items))]
            for start, values in self._encoded(pictures, keys, encoder, view, set(outputs)):
                for output, value in values.items():
                    if output not in arrays:
                        arrays[output] = np.lib.format.open_memmap(
                            draft / f"{output}.npy", "w+", value.dtype, (len(keys), *value.shape[1:])
                        )
                    arrays[output][start : start + len(value)] = value
                self.progress(start + len(value), len(keys))
            for array in arrays.values():
                array.flush()  # type: ignore[attr-defined]
            digests = {path.name: sha256(path) for path in sorted(draft.glob("*.npy"))}
            write_json(draft / "meta.json", {**facts, "sha256": digests})
            move_into_place(draft, entry)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _encoded(
        self,
        pictures: TrainingPictures,
        keys: list[tuple[int, int]],
        encoder: EncoderSpec,
        view: View,
        outputs: set[str],
    ) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        batches = [keys[start : start + self.batch_size] for start in range(0, len(keys), self.batch_size)]
        loader = DataLoader(pictures, batch_sampler=batches, num_workers=self.workers, collate_fn=collate)
        device = self.reader.encoders.device
        with torch.inference_mode():
            for number, batch in enumerate(loader):
                values = self.reader.encode(encoder, batch.tensors[view].to(device), outputs)
                yield (
                    number * self.batch_size,
                    {name: _array(value) for name, value in values.items() if name in outputs},
                )


def _array(value: torch.Tensor) -> np.ndarray:
    if value.dtype == torch.bfloat16:  # numpy has no such type
        value = value.float()
    return value.cpu().numpy()
