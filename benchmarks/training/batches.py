"""Pictures on their way to the network: which one is seen when, one sample of each, stacked to batches.

The order of training pictures is a function of (seed, epoch) alone, shared out over processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.pictures import PictureError
from benchmarks.ranks import Processes, decoding_processes
from benchmarks.training.augmentation import augmented_views, draw
from benchmarks.training.inventory import Inventory, Item, Splits
from benchmarks.training.settings import AugmentationSettings, TrainSettings, validation_augmentation
from registry import Feature, UserError, View
from registry.inputs import view_of

Key = tuple[int, int]
"""(epoch, picture): workers need no state of their own to know which version to make."""


class TrainingBatches(Sampler[list[Key]]):
    """Batches of one process: every epoch a permutation, cut into whole batches, each cut into parts.

    All processes together see the same batches whatever their number; the pictures that do not
    fill a batch are left out of that epoch, others every time.

    pictures: how many there are. batch_size: pictures per optimiser step over all processes.
    parts: how many parts a process cuts its share into (gradient accumulation).

    Raises:
        UserError: too few pictures for one batch, or a batch that cannot be shared out evenly.
    """

    def __init__(
        self, pictures: int, batch_size: int, *, seed: int, parts: int = 1, rank: int = 0, processes: int = 1
    ) -> None:
        if batch_size % (parts * processes):
            raise UserError(
                f"batch_size {batch_size} cannot be shared out evenly over {processes} processes "
                f"× accumulate {parts}"
            )
        if pictures < batch_size:
            raise UserError(
                f"{pictures} training pictures do not fill one batch of {batch_size}: set batch_size lower"
            )
        self.pictures = pictures
        self.batch_size = batch_size
        self.seed = seed
        self.parts = parts
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    @property
    def part_size(self) -> int:
        """Pictures of one forward pass of one process."""
        return self.batch_size // (self.parts * self.processes)

    def __len__(self) -> int:
        return self.pictures // self.batch_size * self.parts

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.pictures)
        for start in range(0, self.pictures - self.batch_size + 1, self.batch_size):
            batch = order[start : start + self.batch_size].reshape(self.parts, self.processes, self.part_size)
            for part in batch[:, self.rank]:
                yield [(self.epoch, int(index)) for index in part]


class ValidationBatches(Sampler[list[Key]]):
    """Every `processes`-th picture from `rank` on, in order, without repeats or padding."""

    def __init__(self, pictures: int, batch_size: int, *, rank: int = 0, processes: int = 1) -> None:
        self.indices = range(rank, pictures, processes)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(0, len(self.indices), self.batch_size):
            yield [(0, index) for index in self.indices[start : start + self.batch_size]]


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


class Rows(Protocol):
    """One tensor per version and picture: row `version × pictures + picture`."""

    def __getitem__(self, row: int) -> Tensor: ...


FeatureTable = Mapping[Feature, Rows]
"""Stored features."""


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
        tensors: dict[View | Feature, Tensor] = {feature: rows[row] for feature, rows in self.cached.items()}
        if self.views:
            chosen = draw(self.augmentation, np.random.default_rng((self.seed, version, index)))
            try:
                picture = item.opened(self.max_pixels)
            except PictureError as error:
                raise PictureError(f"{item.path}: {error}") from error
            for view, tensor in augmented_views(picture, self.views, chosen).items():
                tensors[view] = tensor
        return Sample(index, item.label, tensors)


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


Loader = DataLoader[Any]
"""Its data set holds samples, and it gives `Batch`es."""


def build_loaders(
    settings: TrainSettings,
    splits: Splits,
    sources: Sequence[View | Feature],
    cached: tuple[FeatureTable, FeatureTable],
    processes: Processes,
) -> tuple[Loader, Loader | None]:
    """The loaders of the training and the validation pictures.

    sources: what the detector reads. cached: of the two splits, as `TrainingPictures` takes it.

    Raises:
        UserError: as `TrainingBatches`.
    """
    workers = decoding_processes(settings.workers, processes.device)
    common: dict[str, Any] = {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "collate_fn": collate,
        "pin_memory": processes.device.type == "cuda",
        # a loader seeds its workers from the global generator, which dropout draws from, too
        "generator": torch.Generator(),
    }
    pictures = _pictures(settings, splits.training, sources, settings.augmentation, cached[0])
    batches = TrainingBatches(
        len(pictures),
        settings.batch_size,
        seed=settings.seed,
        parts=settings.accumulate,
        rank=processes.rank,
        processes=processes.count,
    )
    training = DataLoader(pictures, batch_sampler=batches, **common)
    if splits.validation is None:
        return training, None
    held_out = _pictures(settings, splits.validation, sources, validation_augmentation(settings), cached[1])
    shared = ValidationBatches(
        len(held_out), batches.part_size, rank=processes.rank, processes=processes.count
    )
    return training, DataLoader(held_out, batch_sampler=shared, **common)


def _pictures(
    settings: TrainSettings,
    split: Inventory,
    sources: Sequence[View | Feature],
    augmentation: AugmentationSettings,
    cached: FeatureTable,
) -> TrainingPictures:
    return TrainingPictures(
        split.items,
        sources,
        augmentation,
        seed=settings.seed_of_pictures(augmentation),
        max_pixels=settings.max_pixels,
        cached=cached,
    )


def end_workers(loader: Loader) -> None:
    """End the decoding processes that a loader keeps from epoch to epoch.

    Left to the garbage collector, torch waits 5 s for each of them.
    """
    loader._iterator = None  # torch has no public way
