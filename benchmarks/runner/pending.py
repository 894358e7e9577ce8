"""What of a run is still to be scored, from the score files alone."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.runfolder.picture_digests import byte_strings, digests_by_set
from benchmarks.runfolder.scores import Cell, scored_paths
from registry import Picture, TestSet

Place = tuple[str, str]
"""The name of a test set and the path of a picture in it."""

Block = tuple[tuple[str, ...], tuple[str, ...]]
"""Detectors and perturbations."""

Copies = list[tuple[TestSet, Picture]]


@dataclass(frozen=True)
class Job:
    """Pictures of one test set that the same detectors have to score under the same perturbations.

    copies: path of a picture → where else it stands, in other test sets or in this one; rows are written there, too.
    """

    test_set: TestSet
    pictures: tuple[Picture, ...]
    detectors: tuple[str, ...]
    perturbations: tuple[str, ...]
    copies: Mapping[str, Copies] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The same for the same work: a rank where a detector could not be built has other jobs than the rest."""
        facts = self.test_set.name, self.detectors, self.perturbations, [one.path for one in self.pictures]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def pending_jobs(
    run: Path,
    test_sets: Iterable[TestSet],
    detectors: Sequence[str],
    perturbations: Sequence[str],
    repeats: Mapping[Place, Place] | None = None,
    *,
    part: int = 0,
    parts: int = 1,
    block: int = 1,
) -> list[Job]:
    """What is still to be done, or the part of it with number `part` of `parts`. Pictures that failed before are tried again.

    Every `block` successive pictures of a test set belong to one part, part after part, whatever is done already, so parts need
    not agree on what is on the disk, and nothing is padded or scored twice. Where blocks are batches, batches are the same for
    any number of parts.

    repeats: as `same_pictures` finds them. A repeated picture belongs to the part of the first place, and is scored
        once for all places that lack the same.
    """
    first_of = repeats or {}
    repeated = {*first_of.values()}
    # most of a million pictures lack the same
    missing = cache(partial(_missing_blocks, detectors=tuple(detectors), perturbations=tuple(perturbations)))
    owners: dict[Place, int] = {}
    copies_of: dict[tuple[Place, Block], Copies] = {}
    jobs = []
    for test_set in test_sets:
        done = {
            (detector, perturbation): paths
            for detector in detectors
            for perturbation in perturbations
            if (paths := scored_paths(run, Cell(detector, test_set.name, perturbation)))
        }
        groups: dict[Block, list[Picture]] = defaultdict(list)
        copies: dict[Block, dict[str, Copies]] = defaultdict(dict)
        position = 0
        for picture in test_set.pictures:
            place = test_set.name, picture.path
            first = first_of.get(place, place)
            if first in owners:
                owner = owners[first]
            else:
                owner = position // block % parts
                position += 1
                if first in repeated:
                    owners[first] = owner
            if owner != part:
                continue
            for lack in missing(frozenset(key for key, paths in done.items() if picture.path in paths)):
                if first not in repeated:
                    groups[lack].append(picture)
                elif (first, lack) in copies_of:
                    copies_of[first, lack].append((test_set, picture))
                else:
                    groups[lack].append(picture)
                    copies[lack][picture.path] = copies_of[first, lack] = []
        jobs += [Job(test_set, tuple(pictures), *lack, copies[lack]) for lack, pictures in groups.items()]
    return jobs


def same_pictures(run: Path, test_sets: Iterable[TestSet]) -> dict[Place, Place]:
    """Where a picture stands again, in another test set or the same one → the first place, in the order of the sets.

    By the digests of their files, so nothing where a run has none, and only among sets in the same fair view.
    """
    sets = list(test_sets)
    tables = digests_by_set(run)
    views: dict[str, dict[str, pa.Table]] = defaultdict(dict)
    for test_set in sets:
        if test_set.name in tables:
            views[str(test_set.prepare or "")][test_set.name] = tables[test_set.name]
    contents: dict[Place, tuple[bytes, str]] = {}
    for view, of_view in views.items():
        names = np.repeat(list(of_view), [len(table) for table in of_view.values()])
        paths, digests = pa.concat_tables(of_view.values()).combine_chunks().columns
        # numpy's, because arrow's own comparisons load pandas before the first score
        _, number, count = np.unique(byte_strings(digests), return_inverse=True, return_counts=True)
        for row in np.flatnonzero(count[number] > 1).tolist():
            contents[str(names[row]), paths[row].as_py()] = digests[row].as_py(), view
    found: dict[tuple[bytes, str], Place] = {}
    repeats = {}
    for test_set in sets if contents else ():
        for picture in test_set.pictures:
            place = test_set.name, picture.path
            if place in contents and (first := found.setdefault(contents[place], place)) != place:
                repeats[place] = first
    return repeats


def _missing_blocks(
    done: frozenset[tuple[str, str]], detectors: Sequence[str], perturbations: Sequence[str]
) -> list[Block]:
    """What a picture lacks, as (detectors, perturbations) that are all missing: one block for a fresh one.

    done: the (detector, perturbation) that it has a score of.
    """
    by_detectors: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for perturbation in perturbations:
        missing = tuple(name for name in detectors if (name, perturbation) not in done)
        if missing:
            by_detectors[missing].append(perturbation)
    return [(names, tuple(conditions)) for names, conditions in by_detectors.items()]
