"""Which pictures a training really has: found, decoded once, counted, fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image
from rich.console import Console
from torch.utils.data import DataLoader, Dataset

from benchmarks.datasets import fingerprint
from benchmarks.pictures import PictureError, open_picture
from benchmarks.ranks import Processes, decoding_processes
from benchmarks.text import csv_text, plain
from benchmarks.training.settings import TrainSettings
from registry import PictureFile, TestSet, UserError
from registry.dataset import FAKE, REAL
from registry.files import atomic


@dataclass(frozen=True)
class Item:
    """One labelled picture file. prepare: done to it when it is decoded, as its test set says."""

    path: PictureFile
    label: int
    prepare: Callable[[Image], Image] | None = None

    def opened(self, max_pixels: int) -> Image:
        """The decoded and prepared RGB picture. Raises `PictureError` where there is none."""
        return open_picture(self.path, max_pixels, self.prepare)


@dataclass(frozen=True)
class Unreadable:
    """A picture file that cannot be decoded, and why."""

    path: PictureFile
    label: int
    reason: str


@dataclass(frozen=True)
class Source:
    """One set of a split, as it is recorded. real, fake: usable pictures; prepare: a fair view, or nothing.

    fingerprint: hex digest over paths, labels and contents (sizes if unchecked) of all of its pictures.
    """

    name: str
    paradigm: str
    generator: str
    real: int
    fake: int
    prepare: str
    fingerprint: str


@dataclass(frozen=True)
class Inventory:
    """The usable pictures of one split, in a fixed order, those that are not, and the sets they are from."""

    items: tuple[Item, ...]
    unreadable: tuple[Unreadable, ...]
    sources: tuple[Source, ...]

    @property
    def fingerprint(self) -> str:
        """Hex digest over the pictures of all sets and what is done to them when they are decoded."""
        parts = [f"{source.fingerprint} {source.prepare}" for source in self.sources]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def count(self, label: int) -> int:
        """Usable pictures with this label."""
        return sum(item.label == label for item in self.items)

    def facts(self) -> dict[str, Any]:
        """What a training and its best weights say of the split; plain values."""
        return {
            "fingerprint": self.fingerprint,
            "real": self.count(REAL),
            "fake": self.count(FAKE),
            "sets": [asdict(source) for source in self.sources],
        }


class _Check(Dataset[str]):
    """Decodes each picture and gives the reason why it is unreadable, or nothing."""

    def __init__(self, items: Sequence[Item], max_pixels: int) -> None:
        self.items = items
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> str:
        try:
            self.items[index].opened(self.max_pixels)
        except PictureError as error:
            return str(error)
        return ""


def take_inventory(
    test_sets: Sequence[TestSet], *, check: bool = True, workers: int = 0, max_pixels: int
) -> Inventory:
    """All pictures of the test sets; `check` decodes each one once."""
    items: list[Item] = []
    unreadable: list[Unreadable] = []
    sources: list[Source] = []
    for test_set in test_sets:
        found = [Item(test_set.file(p), p.label, test_set.prepare) for p in test_set.pictures]
        reasons = [""] * len(found)
        if check:
            reasons = list(DataLoader(_Check(found, max_pixels), batch_size=None, num_workers=workers))
        usable = [item for item, reason in zip(found, reasons, strict=True) if not reason]
        items += usable
        unreadable += [Unreadable(i.path, i.label, why) for i, why in zip(found, reasons, strict=True) if why]
        real = sum(item.label == REAL for item in usable)
        source = Source(
            name=test_set.name,
            paradigm=test_set.paradigm,
            generator=test_set.generator,
            real=real,
            fake=len(usable) - real,
            prepare="" if test_set.prepare is None else str(test_set.prepare),
            fingerprint=fingerprint(test_set, "content" if check else "names").digest,
        )
        sources.append(source)
    return Inventory(tuple(items), tuple(unreadable), tuple(sources))


@dataclass(frozen=True)
class Splits:
    """The pictures that a training learns from and is judged by."""

    training: Inventory
    validation: Inventory | None

    def named(self) -> dict[str, Inventory]:
        """The splits that there are."""
        found = {"training": self.training}
        return found if self.validation is None else {**found, "validation": self.validation}


def take_splits(
    settings: TrainSettings,
    training: Sequence[TestSet],
    validation: Sequence[TestSet],
    processes: Processes,
    console: Console,
) -> Splits:
    """The usable pictures; each process takes its own inventory, so that none needs another's files.

    Raises:
        UserError: unreadable pictures that `settings` does not leave out, or a split of one class.
    """

    def take(test_sets: Sequence[TestSet]) -> Inventory:
        return take_inventory(
            test_sets,
            check=settings.check_pictures,
            workers=decoding_processes(settings.workers, processes.device),
            max_pixels=settings.max_pixels,
        )

    splits = Splits(take(training), take(validation) if validation else None)
    unreadable = [bad for inventory in splits.named().values() for bad in inventory.unreadable]
    if unreadable:
        listed = settings.out / "unreadable.csv"
        if processes.first:
            _list_unreadable(listed, unreadable)
        first = f"{unreadable[0].path}: {unreadable[0].reason}"
        what = f"{len(unreadable)} unreadable pictures, listed in {listed} (first: {first})"
        if settings.unreadable == "stop":
            raise UserError(f"{what}; mend them or set unreadable to leave_out")
        console.print(plain(f"left out {what}"), markup=False, highlight=False)
    for split, inventory in splits.named().items():
        real, fake = inventory.count(REAL), inventory.count(FAKE)
        if not real or not fake:
            raise UserError(
                f"the {split} pictures are of one class ({real} real, {fake} generated): "
                "a detector needs both to learn from or to be judged by"
            )
    return splits


def _list_unreadable(path: Path, unreadable: Sequence[Unreadable]) -> None:
    """As CSV: path, label, reason."""
    text = csv_text(["path", "label", "reason"], map(asdict, unreadable))
    with atomic(path) as draft:
        draft.write_text(text, encoding="utf-8")
