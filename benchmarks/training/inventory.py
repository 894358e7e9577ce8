"""Which pictures a training really has: found, decoded once, counted, fingerprinted."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import DataLoader, Dataset

from benchmarks.files import atomic
from benchmarks.pictures import PictureError, open_picture
from registry import TestSet, UserError
from registry.dataset import FAKE, REAL
from registry.weights import sha256


@dataclass(frozen=True)
class Item:
    """One labelled picture file. digest: SHA-256 of its bytes, or of path and size if unchecked."""

    path: Path
    label: int
    digest: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A picture file that cannot be decoded, and why."""

    path: Path
    label: int
    reason: str


@dataclass(frozen=True)
class Inventory:
    """The usable pictures of one split, in a fixed order, and those that are not."""

    items: tuple[Item, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def fingerprint(self) -> str:
        """Hex digest over labels and contents in order: equal data, equal fingerprint."""
        lines = "".join(f"{item.label} {item.digest}\n" for item in self.items)
        return hashlib.sha256(lines.encode()).hexdigest()

    def count(self, label: int) -> int:
        return sum(item.label == label for item in self.items)


class _Check(Dataset[tuple[str, str]]):
    """Decodes each picture: (digest of the bytes, reason why it is unreadable or empty)."""

    def __init__(self, items: Sequence[Item], max_pixels: int) -> None:
        self.items = items
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[str, str]:
        path = self.items[index].path
        try:
            open_picture(path, self.max_pixels)
        except PictureError as error:
            return "", str(error)
        return sha256(path), ""


def take_inventory(
    test_sets: Sequence[TestSet],
    *,
    limit: int | None = None,
    check: bool = True,
    workers: int = 0,
    max_pixels: int,
) -> Inventory:
    """All pictures of the test sets; `check` decodes each one once.

    limit: at most this many pictures per class and test set, the first by name.
    """
    items = [item for test_set in test_sets for item in _listed(test_set, limit)]
    if not check:
        sized = [Item(i.path, i.label, f"{i.path.name} {i.path.stat().st_size}") for i in items]
        return Inventory(tuple(sized), ())
    checked = DataLoader(_Check(items, max_pixels), batch_size=None, num_workers=workers)
    usable, unreadable = [], []
    for item, (digest, reason) in zip(items, checked, strict=True):
        if reason:
            unreadable.append(Unreadable(item.path, item.label, reason))
        else:
            usable.append(Item(item.path, item.label, digest))
    return Inventory(tuple(usable), tuple(unreadable))


def _listed(test_set: TestSet, limit: int | None) -> list[Item]:
    return [
        Item(Path(test_set.root, picture.path), picture.label)
        for label in (REAL, FAKE)
        for picture in [p for p in test_set.pictures if p.label == label][:limit]
    ]


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
