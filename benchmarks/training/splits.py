"""The pictures that a training learns from and is judged by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.console import Console

from benchmarks.training.inventory import Inventory, require_both_classes, take_inventory, write_unreadable
from benchmarks.training.processes import Processes
from benchmarks.training.settings import TrainSettings
from registry import TestSet, UserError


@dataclass(frozen=True)
class Splits:
    """The pictures of a training."""

    training: Inventory
    validation: Inventory | None

    @property
    def fingerprints(self) -> dict[str, str]:
        found = {"training": self.training.fingerprint}
        return found if self.validation is None else {**found, "validation": self.validation.fingerprint}


def take_splits(
    settings: TrainSettings,
    training: Sequence[TestSet],
    validation: Sequence[TestSet],
    processes: Processes,
    console: Console,
) -> Splits:
    """The usable pictures; each process takes its own inventory, so that none needs another's files."""

    def take(test_sets: Sequence[TestSet]) -> Inventory:
        return take_inventory(
            test_sets,
            check=settings.check_pictures,
            workers=default_workers(settings.workers, processes.device),
            max_pixels=settings.max_pixels,
        )

    splits = Splits(take(training), take(validation) if validation else None)
    found = [("training", splits.training)]
    if splits.validation is not None:
        found.append(("validation", splits.validation))
    unreadable = [bad for _, inventory in found for bad in inventory.unreadable]
    if unreadable:
        listed = settings.out / "unreadable.csv"
        if processes.first:
            write_unreadable(listed, unreadable)
        first = f"{unreadable[0].path}: {unreadable[0].reason}"
        what = f"{len(unreadable)} unreadable pictures, listed in {listed} (first: {first})"
        if settings.unreadable == "stop":
            raise UserError(f"{what}; mend them or set unreadable to leave_out")
        console.print(f"left out {what}", highlight=False)
    for split, inventory in found:
        require_both_classes(inventory, split)
    return splits


def default_workers(asked: int | None, device: torch.device) -> int:
    """Decoding processes: as asked, else none beside a CPU and up to 8 beside a GPU."""
    if asked is not None:
        return asked
    return 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)
