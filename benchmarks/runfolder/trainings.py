"""Trainings of one detector by several random seeds: which of a run's detectors they are, and their figures together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.metrics.means import Replicates
from benchmarks.metrics.over_seeds import over_seeds
from benchmarks.runfolder.record import RunRecord


def groups_of(record: RunRecord) -> dict[str, dict[int, str]]:
    """The groups of a run: name → seed → label of the training, by seed."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for label, facts in record.detectors.items():
        if facts.group and facts.seed is not None:
            found[facts.group][facts.seed] = label
    return {group: dict(sorted(members.items())) for group, members in found.items()}


class Trainings:
    """Takes the cells and means of every training and gives those of each group.

    A group is done with as soon as its last training is there: the replicates of one at a time are in memory.
    """

    def __init__(self, record: RunRecord) -> None:
        self.groups = groups_of(record)
        self.cells: list[dict[str, Any]] = []
        self.means: list[dict[str, Any]] = []
        self._group = {label: group for group, of_seed in self.groups.items() for label in of_seed.values()}
        self._waiting: dict[tuple[str, str], dict[str, _Figures]] = defaultdict(dict)

    def add(
        self,
        detector: str,
        perturbation: str,
        cells: Sequence[tuple[Mapping[str, Any], Replicates]],
        means: Sequence[tuple[Mapping[str, Any], Replicates]],
    ) -> None:
        """The figures of a detector under a perturbation, each with its replicates; of one without a group, nothing."""
        group = self._group.get(detector)
        if group is None:
            return
        waiting = self._waiting[group, perturbation]
        waiting[detector] = (cells, means)
        if len(waiting) < len(self.groups[group]):
            return
        members = self.groups[group]
        for place, found in enumerate((self.cells, self.means)):
            for alike in zip(*(waiting[label][place] for label in members.values()), strict=True):
                items, replicates = zip(*alike, strict=True)
                found.append(over_seeds(group, list(members), items, replicates))
        del self._waiting[group, perturbation]

    def as_written(self) -> dict[str, Any]:
        """What metrics.json says of them; nothing where there are none."""
        if not self.groups:
            return {}
        groups = {
            group: {str(seed): label for seed, label in members.items()}
            for group, members in self.groups.items()
        }
        return {"over_seeds": {"groups": groups, "cells": self.cells, "means": self.means}}


_Figures = tuple[
    Sequence[tuple[Mapping[str, Any], Replicates]], Sequence[tuple[Mapping[str, Any], Replicates]]
]
