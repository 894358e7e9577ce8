"""Pictures on their way to the network: one sample per picture, stacked to batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.pictures import PictureError
from benchmarks.training.augmentation import augmented_views, draw
from benchmarks.training.inventory import Item
from benchmarks.training.recipe import AugmentationSettings
from benchmarks.training.sampling import Key
from registry import Feature, UserError, View
from registry.pipeline import view_of


@dataclass(frozen=True)
class Sample:
    """One version of one picture: its views, and features that need not be computed any more."""

    index: int
    label: int
    tensors: Mapping[View | Feature, Tensor]


@dataclass(frozen=True)
class Batch:
    """Stacked samples. indices, labels: int64 (N,); tensors: batch first."""

    indices: Tensor
    labels: Tensor
    tensors: Mapping[View | Feature, Tensor]

    def to(self, device: torch.device) -> Batch:
        moved = {source: tensor.to(device, non_blocking=True) for source, tensor in self.tensors.items()}
        return Batch(self.indices, self.labels.to(device), moved)

    def pin_memory(self) -> Batch:
        """Called by a DataLoader that feeds a GPU."""
        pinned = {source: tensor.pin_memory() for source, tensor in self.tensors.items()}
        return Batch(self.indices, self.labels.pin_memory(), pinned)


FeatureTable = Mapping[Feature, np.ndarray]
"""Cached features: (versions × pictures, …), row `version × pictures + picture`."""


class TrainingPictures(Dataset[Sample]):
    """Samples by (epoch, picture), the same whoever asks and in whatever order.

    sources: what the detector reads. Cached features are taken from `cached`; pictures are decoded
    only for what is not there.
    """

    metainfo: Mapping[str, object] = {}  # mmengine warns about data sets without

    def __init__(
        self,
        items: Sequence[Item],
        sources: Sequence[View | Feature],
        augmentation: AugmentationSettings,
        *,
        seed: int,
        max_pixels: int,
        cached: FeatureTable | None = None,
    ) -> None:
        self.items = items
        self.augmentation = augmentation
        self.seed = seed
        self.max_pixels = max_pixels
        self.cached = cached or {}
        self.views = list(dict.fromkeys(view_of(s) for s in sources if s not in self.cached))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        item, version = self.items[index], self.augmentation.version(epoch)
        row = version * len(self.items) + index
        tensors: dict[View | Feature, Tensor] = {
            feature: torch.from_numpy(np.array(table[row])) for feature, table in self.cached.items()
        }
        if self.views:
            chosen = draw(self.augmentation, np.random.default_rng((self.seed, version, index)))
            picture = _opened(item, self.max_pixels)
            for view, tensor in augmented_views(picture, self.views, chosen).items():
                tensors[view] = tensor
        return Sample(index, item.label, tensors)


def _opened(item: Item, max_pixels: int) -> Image:
    try:
        return item.opened(max_pixels)
    except PictureError as error:
        raise PictureError(f"{item.path}: {error}") from error


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples; pictures of different sizes are refused, because a batch has one shape."""
    for source in samples[0].tensors:
        shapes = {tuple(sample.tensors[source].shape) for sample in samples}
        if len(shapes) > 1:
            raise UserError(
                f"pictures of a batch have different shapes {sorted(shapes)} because the detector reads "
                f"{view_of(source)}, which has no crop: set its option protocol to uniform"
            )
    return Batch(
        indices=torch.tensor([sample.index for sample in samples]),
        labels=torch.tensor([sample.label for sample in samples]),
        tensors={source: torch.stack([s.tensors[source] for s in samples]) for source in samples[0].tensors},
    )
