"""Which pictures a training really has: found, decoded once, counted, fingerprinted."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.datasets import fingerprint
from benchmarks.pictures import PictureError, open_picture
from registry import TestSet, UserError
from registry.dataset import FAKE, REAL
from registry.files import atomic


@dataclass(frozen=True)
class Item:
    """One labelled picture file. prepare: done to it when it is decoded, as its test set says."""

    path: Path
    label: int
    prepare: Callable[[Image], Image] | None = None

    def opened(self, max_pixels: int) -> Image:
        """The decoded and prepared RGB picture. Raises `PictureError` where there is none."""
        return open_picture(self.path, max_pixels, self.prepare)


@dataclass(frozen=True)
class Unreadable:
    """A picture file that cannot be decoded, and why."""

    path: Path
    label: int
    reason: str


@dataclass(frozen=True)
class Inventory:
    """The usable pictures of one split, in a fixed order, and those that are not.

    fingerprint: hex digest over paths, labels and contents (sizes if unchecked) of all of them, and
        over what is done to them when they are decoded.
    """

    items: tuple[Item, ...]
    unreadable: tuple[Unreadable, ...]
    fingerprint: str

    def count(self, label: int) -> int:
        return sum(item.label == label for item in self.items)


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
    items = [Item(Path(s.root, p.path), p.label, s.prepare) for s in test_sets for p in s.pictures]
    prints = [fingerprint(test_set, "content" if check else "names").digest for test_set in test_sets]
    prints += [str(test_set.prepare) for test_set in test_sets if test_set.prepare is not None]
    reasons: list[str] = [""] * len(items)
    if check:
        reasons = list(DataLoader(_Check(items, max_pixels), batch_size=None, num_workers=workers))
    checked = list(zip(items, reasons, strict=True))
    return Inventory(
        tuple(item for item, reason in checked if not reason),
        tuple(Unreadable(item.path, item.label, reason) for item, reason in checked if reason),
        hashlib.sha256(" ".join(prints).encode()).hexdigest(),
    )


def require_both_classes(inventory: Inventory, split: str) -> None:
    """Raise `UserError` unless there are real and generated pictures to learn from."""
    real, fake = inventory.count(REAL), inventory.count(FAKE)
    if not real or not fake:
        raise UserError(
            f"the {split} pictures are of one class ({real} real, {fake} generated): "
            "a detector needs both to learn from or to be judged by"
        )


def write_unreadable(path: Path, unreadable: Sequence[Unreadable]) -> None:
    """List unreadable pictures as CSV: path, label, reason."""
    with atomic(path) as draft, open(draft, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "reason"])
        writer.writerows([found.path, found.label, found.reason] for found in unreadable)
