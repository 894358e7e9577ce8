"""What of a run is still to be scored, from the score files alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runfolder.scores import Cell, read_cell
from registry import Picture, TestSet


@dataclass(frozen=True)
class Job:
    """Pictures of one test set that the same detectors have to score under the same perturbations."""

    test_set: TestSet
    pictures: tuple[Picture, ...]
    detectors: tuple[str, ...]
    perturbations: tuple[str, ...]


def pending_jobs(
    run: Path,
    test_sets: Iterable[TestSet],
    detectors: Sequence[str],
    perturbations: Sequence[str],
    rank: int = 0,
    world_size: int = 1,
) -> list[Job]:
    """The jobs of one rank. Pictures that failed before are tried again.

    Picture number i of a test set always belongs to rank i mod `world_size`, whatever is done
    already, so ranks need not agree on what is on the disk, and nothing is padded or scored twice.
    """
    jobs = []
    for test_set in test_sets:
        done = {
            (detector, perturbation): _scored(run, Cell(detector, test_set.name, perturbation))
            for detector in detectors
            for perturbation in perturbations
        }
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Picture]] = defaultdict(list)
        for picture in test_set.pictures[rank::world_size]:
            for block in _missing_blocks(picture, done, detectors, perturbations):
                groups[block].append(picture)
        jobs += [Job(test_set, tuple(pictures), *block) for block, pictures in groups.items()]
    return jobs


def _missing_blocks(
    picture: Picture,
    done: Mapping[tuple[str, str], frozenset[str]],
    detectors: Sequence[str],
    perturbations: Sequence[str],
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What a picture lacks, as (detectors, perturbations) that are all missing: one block for a fresh one."""
    by_detectors: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for perturbation in perturbations:
        missing = tuple(name for name in detectors if picture.path not in done[name, perturbation])
        if missing:
            by_detectors[missing].append(perturbation)
    for names, conditions in by_detectors.items():
        yield names, tuple(conditions)


def _scored(run: Path, cell: Cell) -> frozenset[str]:
    frame = read_cell(run, cell)
    return frozenset(frame.loc[frame["error"].isna(), "path"])
