"""Operating points: the false-positive rate asked for, and what the threshold for it does on every test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.metrics.validation import Validation
from benchmarks.reports.board import BoardEntry, BoardRow, Column, boards
from benchmarks.reports.load import Run
from benchmarks.reports.notes import UNDEFINED

HEADINGS = ("test set", "threshold", "false positives", "true positives")
"""What `OperatingPoint.shown` gives."""

ABOVE, BELOW = "↑", "↓"
MEANING = {
    ABOVE: "more false positives than asked for: the rate asked for lies below the interval",
    BELOW: "fewer false positives than asked for: the rate asked for lies above the interval",
}


@dataclass(frozen=True)
class OperatingPoint:
    """One detector on one test set at the threshold that the validation set `on` gave for the rate `asked`.

    threshold: the logit above which a picture is called generated, or why there is none. fpr, tpr: rates reached,
    with exact binomial 95 % intervals.
    """

    row: BoardRow
    column: Column
    perturbation: str
    on: str
    asked: float
    threshold: float | str
    fpr: BoardEntry
    tpr: BoardEntry

    @property
    def mark(self) -> str:
        """Whether more (`ABOVE`) or fewer (`BELOW`) false positives than asked for are more than chance."""
        if self.fpr.low is None or self.fpr.high is None:
            return ""
        return ABOVE if self.fpr.low > self.asked else BELOW if self.fpr.high < self.asked else ""

    def shown(self, digits: int) -> list[str]:
        """What a table says of it, in the order of `HEADINGS`."""
        threshold = self.threshold if isinstance(self.threshold, str) else f"{self.threshold:.{digits}f}"
        place = f"{self.column.group} {self.column.label}"
        return [place, threshold, _rate(self.fpr, digits, self.mark), _rate(self.tpr, digits)]


def _rate(entry: BoardEntry, digits: int, sign: str = "") -> str:
    if entry.value is None:
        return UNDEFINED
    interval = f" [{entry.low:.{digits}f}, {entry.high:.{digits}f}]" if entry.low is not None else ""
    return f"{entry.value:.{digits}f}{sign}{interval}"


@dataclass(frozen=True)
class Operating:
    """All points of one choice of rate and validation set under one perturbation."""

    on: str
    asked: float
    perturbation: str
    points: tuple[OperatingPoint, ...]

    @property
    def title(self) -> str:
        kind = "clean pictures" if self.perturbation == "none" else self.perturbation
        return f"Operating points: {self.asked:g} false positives asked for, thresholds from clean {self.on}; {kind}"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(mark, meaning) of the marks that points carry."""
        used = {point.mark for point in self.points}
        return [(sign, meaning) for sign, meaning in MEANING.items() if sign in used]


def operating_points(runs: Sequence[Run]) -> list[Operating]:
    """The points of every detector on every test set but the validation set; none where no rate was asked for."""
    asked = dict.fromkeys(run.validation for run in runs if run.validation)
    return [
        Operating(validation.on, validation.fpr, perturbation, points)
        for validation in asked
        if validation.fpr is not None
        for perturbation, points in _by_perturbation(runs, validation, validation.fpr)
        if points
    ]


def _by_perturbation(
    runs: Sequence[Run], validation: Validation, asked: float
) -> Iterator[tuple[str, tuple[OperatingPoint, ...]]]:
    found = boards(runs, list(validation.rates))
    half = len(found) // 2
    chosen = {run.label: run.metrics.get("calibrated") for run in runs if run.validation == validation}
    for fpr, tpr in zip(found[:half], found[half:], strict=True):
        points = []
        for row in fpr.rows:
            if (calibrated := chosen.get(row.run)) is None:
                continue
            for column in fpr.columns:
                false, true = (board.entries.get((row, column)) for board in (fpr, tpr))
                here = {name for name, _ in column.pictures}
                if false is None or true is None or column.is_mean or validation.on in here:
                    continue
                threshold = calibrated["at_fpr"][row.detector]
                points.append(
                    OperatingPoint(
                        row, column, fpr.perturbation, validation.on, asked, threshold, false, true
                    )
                )
        yield fpr.perturbation, tuple(points)
