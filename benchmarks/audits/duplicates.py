"""Pictures that are the same, or nearly so, within and between test sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.audits.facts import Facts

NEAR_BITS = 4
"""Perceptual hashes (64 bits) that differ in at most this many bits make a pair a candidate."""
NEAR_CORRELATION = 0.98
"""Correlation of the candidates' 16×16 grey thumbnails from which on they are called near duplicates."""


@dataclass(frozen=True)
class Member:
    """A picture as the search sees it. part: `data`, or `train` for the set it must not overlap with."""

    part: str
    test_set: str
    path: str
    label: int


@dataclass(frozen=True)
class Twin:
    """Two pictures that are the same (`exact`: equal pixels) or nearly so. where: how they are related."""

    exact: bool
    where: str
    first: Member
    second: Member


KINDS = ("train and test", "real and generated", "within a class", "between test sets")


def find_twins(members: Sequence[Member], facts: Sequence[Facts]) -> list[Twin]:
    """All exact and near duplicates, each pair once, ordered by kind and path.

    Of pictures with equal pixels each is paired with the first of them, so that n copies are n − 1
    pairs. Near duplicates: same picture rescaled, recompressed or lightly edited; mirrored, rotated and
    cropped copies are not found.
    """
    exact = list(_equal_pixels(facts))
    copies = {second for _, second in exact}
    unique = [index for index in range(len(facts)) if index not in copies]
    near = [(unique[a], unique[b]) for a, b in _near([facts[index] for index in unique])]
    twins = [
        Twin(kind, _relation(members[a], members[b]), members[a], members[b])
        for kind, pairs in ((True, exact), (False, near))
        for a, b in pairs
    ]
    return sorted(twins, key=lambda t: (KINDS.index(t.where), not t.exact, t.first.path, t.second.path))


def _relation(first: Member, second: Member) -> str:
    if first.part != second.part:
        return "train and test"
    if first.label != second.label:
        return "real and generated"
    return "within a class" if first.test_set == second.test_set else "between test sets"


def _equal_pixels(facts: Sequence[Facts]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for index, found in enumerate(facts):
        earlier = first.setdefault(found.pixels, index)
        if earlier != index:
            yield earlier, index


def _near(facts: Sequence[Facts]) -> list[tuple[int, int]]:
    """Pairs whose hashes differ in at most `NEAR_BITS` bits and whose thumbnails agree."""
    pairs = set()
    for group in _sharing_a_band([found.phash for found in facts]):
        for position, a in enumerate(group):
            for b in group[position + 1 :]:
                if (facts[a].phash ^ facts[b].phash).bit_count() <= NEAR_BITS:
                    pairs.add((a, b))
    return sorted(pair for pair in pairs if _alike(facts[pair[0]], facts[pair[1]]))


def _sharing_a_band(hashes: Sequence[int]) -> Iterator[list[int]]:
    """Groups that agree in one of `NEAR_BITS` + 1 bands of bits: any pair close enough shares one of them."""
    edges = np.linspace(0, 64, NEAR_BITS + 2).astype(int).tolist()
    for low, high in pairwise(edges):
        groups = defaultdict(list)
        for index, value in enumerate(hashes):
            groups[(value >> low) & ((1 << (high - low)) - 1)].append(index)
        yield from (group for group in groups.values() if len(group) > 1)


def _alike(one: Facts, other: Facts) -> bool:
    a, b = (facts.thumbnail.astype(float).ravel() for facts in (one, other))
    if min(a.std(), b.std()) < 1:
        # plain areas have no structure to compare
        return False
    return float(np.corrcoef(a, b)[0, 1]) >= NEAR_CORRELATION
