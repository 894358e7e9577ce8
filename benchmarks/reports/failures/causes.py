"""Everything that is known of a run's failures, from its score files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.metrics.bootstrap import RESAMPLES
from benchmarks.metrics.tally import Undefined
from benchmarks.metrics.thresholds import best_threshold
from benchmarks.reports.failures.agreement import Agreement, Pair, agreements, pairs, picture_table
from benchmarks.reports.failures.at_hand import PicturesAtHand, find_again
from benchmarks.reports.failures.fusion import measure_fusions, split_validation
from benchmarks.reports.failures.gallery import Shown, gallery
from benchmarks.reports.failures.own_traits import read as read_own
from benchmarks.reports.failures.scored import Scored, read_scored
from benchmarks.reports.failures.slices import Slice, slices
from benchmarks.runfolder.metrics_file import METRICS
from benchmarks.runfolder.record import read_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import CLEAN
from registry.errors import UserError


@dataclass(frozen=True)
class Failures:
    """label: of the run. validation: the set that thresholds and fusions are from, empty for none.

    pictures: the table of `picture_table`; fusion: the table of `measure_fusions`, or None. notes: what was left out,
    and why.
    """

    label: str
    scored: Scored
    agreements: Sequence[Agreement]
    pairs: Sequence[Pair]
    pictures: pd.DataFrame
    slices: Sequence[Slice]
    validation: str = ""
    fusion: pd.DataFrame | None = None
    shown: Sequence[Shown] = ()
    notes: list[str] = field(default_factory=list)


def study_failures(
    run: Path,
    detectors: Sequence[str] = (),
    condition: str = CLEAN,
    validation: str = "",
    data: Sequence[str] = (),
    show: bool = False,
    bootstrap: int = RESAMPLES,
    own: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Failures:
    """Study one condition of a run.

    detectors: those compared, by default as `read_scored` chooses. validation: a test set on whose clean pictures
    thresholds are chosen and fusions fitted; it is then not among those studied. data: where the pictures lie now, by
    default where they lay then. show: put the worst pictures on the page. own: CSV file of further traits, as
    `own_traits.read` takes it.

    Raises:
        UserError: an unknown name, too few detectors or pictures, or no pictures at `data`.
    """
    record = read_record(run)
    scored = read_scored(run, record, detectors, condition)
    fusion = None
    if validation:
        scored, fusion = _with_validation(run, scored, validation, bootstrap, record.seed or 0)
    notes = list(scored.left_out)
    at_hand = _at_hand(run, data, notes, needed=bool(data) or show)
    traits = {}
    if at_hand:
        for one in scored.sets:
            found = at_hand.traits(one.dataset, list(one.paths), progress)
            if len(found):
                traits[one.dataset] = found
            if lost := len(one.paths) - len(found):
                notes.append(
                    f"{one.dataset}: {lost} pictures are not in slices, they cannot be read as scored"
                )
    for name, known in (read_own(own, record.datasets) if own else {}).items():
        traits[name] = traits[name].join(known, how="outer") if name in traits else known
    pictures = picture_table(scored)
    shown: list[Shown] = []
    if show and at_hand:
        shown, lines = gallery(pictures, at_hand)
        notes += lines
    for name, found in traits.items():
        mine = pictures["dataset"] == name
        for column in found.columns:
            values = found[column].reindex(pictures.loc[mine, "path"])
            pictures.loc[mine, column] = values.to_numpy()
    return Failures(
        run.resolve().name,
        scored,
        agreements(scored),
        pairs(scored),
        pictures,
        slices(scored, traits),
        validation,
        fusion,
        shown,
        notes,
    )


def _with_validation(
    run: Path, scored: Scored, name: str, bootstrap: int, seed: int
) -> tuple[Scored, pd.DataFrame]:
    record = read_record(run)
    clean = scored if scored.condition == CLEAN else read_scored(run, record, scored.detectors, CLEAN)
    validation, _ = split_validation(run, clean, name)
    try:
        limits = np.array([best_threshold(validation.labels, row) for row in validation.logits])
    except Undefined as reason:
        raise UserError(
            f"no thresholds from {name}, without pictures that other test sets hold: {reason}; choose another --validation"
        ) from None
    tested = [replace(one, thresholds=limits) for one in scored.sets if one.dataset != name]
    catalog = recorded_metrics(record).catalog
    metrics = {entry.name: entry.load() for entry in catalog if entry.name in METRICS}
    fusion = measure_fusions(run, scored.detectors, validation, tested, metrics, bootstrap, seed)
    return replace(scored, sets=tested), fusion


def _at_hand(run: Path, data: Sequence[str], notes: list[str], needed: bool) -> PicturesAtHand | None:
    try:
        return find_again(run, read_record(run), data)
    except UserError as error:
        if needed:
            raise
        notes.append(f"no slices, the pictures are not at hand: {error}")
        return None
