"""Reads every picture of some test sets and looks for what gives the label away."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.audits.cues import CUES, FEWEST_PICTURES, Cue, design, summary
from benchmarks.audits.duplicates import Member, find_twins
from benchmarks.audits.facts import Facts, read_facts
from benchmarks.audits.report import CONTENT, NOTHING, SHORTCUT, UNTESTED, AuditReport, Finding, SetAudit
from benchmarks.audits.separability import Separation, separate
from benchmarks.pictures import MAX_PIXELS, PictureError
from registry.dataset import FAKE, REAL, Picture, TestSet

LEVEL = 0.05
FEWEST_PER_CLASS = 5
_PERMUTATIONS = 999


@dataclass(frozen=True)
class _Read:
    """A picture and its facts, or why there are none."""

    member: Member
    facts: Facts | None
    error: str = ""


def audit(
    test_sets: Sequence[TestSet],
    train_sets: Sequence[TestSet] = (),
    *,
    seed: int = 0,
    permutations: int | None = None,
    max_pixels: int = MAX_PIXELS,
    on_picture: Callable[[], None] = lambda: None,
) -> AuditReport:
    """Look for cues that tell the classes of each test set apart, and for duplicates.

    train_sets: what detectors were trained on; searched for shortcuts as well, and for pictures that
        are in the test sets too.
    permutations: per test set; by default enough for the smallest p-value to survive the correction
        for the number of sets with room to spare.
    on_picture: called after each picture, for a progress bar.

    A cue is called a shortcut where its p-value, adjusted for the cues by permutation and multiplied by
    the number of test sets, is below 5 %.
    """
    count = len(test_sets) + len(train_sets)
    permutations = permutations or max(_PERMUTATIONS, 100 * count - 1)
    read = {
        (part, test_set.name): _read_all(part, test_set, max_pixels, on_picture)
        for part, sets in (("data", test_sets), ("train", train_sets))
        for test_set in sets
    }
    audits = []
    for (part, name), pictures in read.items():
        shown = name if part == "data" else f"train: {name}"
        readable = [one for one in pictures if one.facts]
        audits.append(audit_set(shown, *_columns(readable), permutations, seed, count))
    everything = [one for pictures in read.values() for one in pictures]
    members, facts = [one.member for one in everything if one.facts], [o.facts for o in everything if o.facts]
    return AuditReport(
        level=LEVEL,
        permutations=permutations,
        seed=seed,
        sets=tuple(audits),
        twins=tuple(find_twins(members, facts)),
        unreadable=tuple((one.member.path, one.error) for one in everything if not one.facts),
        notes=tuple(_between_sets({key: _columns([o for o in v if o.facts])[0] for key, v in read.items()})),
    )


def _read_all(part: str, test_set: TestSet, max_pixels: int, on_picture: Callable[[], None]) -> list[_Read]:
    def work(picture: Picture) -> _Read:
        member = Member(part, test_set.name, picture.path, picture.label)
        try:
            return _Read(member, read_facts(test_set.file(picture), max_pixels, test_set.prepare))
        except PictureError as error:
            return _Read(member, None, str(error))

    result = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(work, test_set.pictures):
            result.append(one)
            on_picture()
    return result


def _columns(readable: Sequence[_Read]) -> tuple[list[Facts], np.ndarray]:
    facts = [one.facts for one in readable if one.facts]
    return facts, np.array([one.member.label for one in readable], int)


def audit_set(
    name: str,
    facts: Sequence[Facts],
    labels: np.ndarray,
    permutations: int,
    seed: int,
    sets: int = 1,
) -> SetAudit:
    """The findings on one test set; p-values are multiplied by `sets`, the number of sets in the audit.

    labels: (n,) of 0 real and 1 generated, one per picture of `facts`.
    """
    real, fake = (int((labels == label).sum()) for label in (REAL, FAKE))
    designs = {}
    if min(real, fake) >= FEWEST_PER_CLASS:
        for cue in CUES:
            index = np.array([i for i, one in enumerate(facts) if cue.applies(one)], int)
            if len(index) >= min(FEWEST_PICTURES, len(facts)):
                designs[cue.name] = (design(cue, [facts[i] for i in index]), index)
    # every set has its own random numbers, whatever else is audited with it
    found = separate(designs, labels, permutations, seed ^ zlib.crc32(name.encode())) if designs else {}
    findings = (_finding(cue, found.get(cue.name), facts, labels, designs, sets) for cue in CUES)
    return SetAudit(name, real, fake, tuple(findings))


def _finding(
    cue: Cue,
    separation: Separation | None,
    facts: Sequence[Facts],
    labels: np.ndarray,
    designs: dict[str, tuple[np.ndarray, np.ndarray]],
    sets: int,
) -> Finding:
    by_class = [
        summary(cue, [one for one, own in zip(facts, labels, strict=True) if own == label])
        for label in (REAL, FAKE)
    ]
    make = partial(Finding, cue.name, real=by_class[0], fake=by_class[1])
    if separation is None:
        return make(UNTESTED, auroc=None, p_value=None, pictures=sum(map(cue.applies, facts)))
    p_value = min(1.0, separation.p_value * sets)
    verdict = NOTHING if p_value >= LEVEL else CONTENT if cue.content else SHORTCUT
    return make(verdict, auroc=separation.auroc, p_value=p_value, pictures=len(designs[cue.name][1]))


def _between_sets(facts: dict[tuple[str, str], list[Facts]]) -> list[str]:
    """Format and size that most pictures of each set have, where the sets differ in it."""
    notes = []
    for cue in CUES[:2]:
        groups: dict[str, list[str]] = {}
        for (_, name), pictures in facts.items():
            if pictures:
                values = [cue.show(one) for one in pictures]
                groups.setdefault(max(sorted(set(values)), key=values.count), []).append(name)
        if len(groups) > 1:
            shown = "; ".join(f"{value} in {', '.join(names)}" for value, names in groups.items())
            notes.append(
                f"test sets differ among themselves in {cue.name}, so comparing them or their paradigms "
                f"compares {cue.name}s too: mostly {shown}"
            )
    return notes
