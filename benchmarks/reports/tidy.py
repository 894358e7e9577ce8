"""`leaderboard.csv`: one line per number, at full precision; published figures in a file of their own."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.reports.board import BoardEntry
from benchmarks.reports.differences import differences
from benchmarks.reports.operating import ABOVE, BELOW
from benchmarks.reports.report import Report
from benchmarks.reports.reported import ReportedFigure, verdict
from benchmarks.runfolder.record import CostRecord
from benchmarks.text import csv_text

COLUMNS = [
    "run",
    "detector",
    "untrained",
    "seeds",
    "metric",
    "perturbation",
    "paradigm",
    "column",
    "is_mean",
    "pictures",
    "value",
    "low",
    "high",
    "interval",
    "standard_deviation",
    "lowest",
    "highest",
    "status",
    "reason",
    "rank",
    "tied",
    "test",
    "trained_on",
    "warning",
]

COMPARISON = [
    "metric",
    "perturbation",
    "paradigm",
    "column",
    "test",
    "first_run",
    "first",
    "second_run",
    "second",
    "difference",
    "low",
    "high",
    "holds",
    "p",
    "p_holm",
]

STANDING = [
    "metric",
    "perturbation",
    "run",
    "detector",
    "untrained",
    "column",
    "left_out",
    "n_sets",
    "mean",
    "rank",
    "worst",
    "worst_on",
    "rank_by_worst",
    "next",
    "ahead_of_next",
]


OPERATING = [
    "run",
    "detector",
    "untrained",
    "perturbation",
    "paradigm",
    "column",
    "validation",
    "asked",
    "threshold",
    "fpr",
    "fpr_low",
    "fpr_high",
    "mark",
    "tpr",
    "tpr_low",
    "tpr_high",
    "status",
    "reason",
]


def tidy(report: Report) -> str:
    """Every entry of every board.

    pictures: the test sets that the number covers, `name@fingerprint`, separated by spaces: lines with
    equal `pictures` can be compared. rank: among trained detectors with complete cells; tied: not itself
    the best of its rank, but not significantly different from it; test: which one decided that, empty where none
    did, and the rank is the value's alone. interval: how it was made, or why there is none. seeds: of several trainings,
    of which value is the mean and standard_deviation, lowest and highest the spread.
    """
    alarm = " ".join(report.warnings)
    return csv_text(
        COLUMNS,
        (
            {
                "run": row.run,
                "detector": row.detector,
                "untrained": str(row.untrained).lower(),
                "seeds": " ".join(map(str, row.seeds)),
                "metric": board.metric,
                "perturbation": board.perturbation,
                "paradigm": column.group,
                "column": column.label,
                "is_mean": str(column.is_mean).lower(),
                "pictures": " ".join(sorted(f"{name}@{mark}" for name, mark in column.pictures)),
                "value": entry.value,
                "low": entry.low,
                "high": entry.high,
                "interval": _interval(entry),
                **(entry.spread or {}),
                "status": entry.status,
                "reason": entry.reason,
                "rank": entry.rank,
                "tied": str(entry.tied).lower(),
                "test": entry.test,
                "trained_on": row.trained_on,
                "warning": alarm,
            }
            for board in report.boards
            for row in board.rows
            for column in board.columns
            if (entry := board.entries.get((row, column)))
        ),
    )


def _interval(entry: BoardEntry) -> str:
    if entry.no_interval:
        return f"none: {entry.no_interval}"
    return entry.way if entry.measured else f"{entry.way}; coverage not measured"


def tidy_standings(report: Report) -> str:
    """Every detector over all test sets, and over all but `left_out`, of every board.

    column: as in `leaderboard.csv`, which says what pictures it covers. worst_on: the sets of the worst value, separated by semicolons. ahead_of_next: share of the resamples in which the
    order of the detector and the one with the `next` best mean holds.
    """
    return csv_text(
        STANDING,
        (
            {
                "metric": board.metric,
                "perturbation": board.perturbation,
                "run": overall.row.run,
                "detector": overall.row.detector,
                "untrained": str(overall.row.untrained).lower(),
                "column": found.column.label,
                "left_out": left_out,
                "n_sets": found.n_sets - bool(left_out),
                "mean": one.mean,
                "rank": one.rank,
                "worst": one.worst,
                "worst_on": "; ".join(one.worst_on),
                "rank_by_worst": one.rank_by_worst,
                "next": "" if left_out else overall.next_label,
                "ahead_of_next": "" if left_out else overall.ahead,
            }
            for board, of_board in zip(report.boards, report.standings, strict=True)
            for found in of_board
            for overall in found.rows
            for left_out, one in (("", overall.whole), *overall.without)
        ),
    )


def tidy_operating(report: Report) -> str:
    """Operating points. mark: `above` or `below` where the rate asked for lies outside of the interval of `fpr`."""
    words = {ABOVE: "above", BELOW: "below"}
    return csv_text(
        OPERATING,
        (
            {
                "run": point.row.run,
                "detector": point.row.detector,
                "untrained": str(point.row.untrained).lower(),
                "perturbation": point.perturbation,
                "paradigm": point.column.group,
                "column": point.column.label,
                "validation": point.on,
                "asked": point.asked,
                "threshold": point.threshold,
                "fpr": point.fpr.value,
                "fpr_low": point.fpr.low,
                "fpr_high": point.fpr.high,
                "mark": words.get(point.mark, ""),
                "tpr": point.tpr.value,
                "tpr_low": point.tpr.low,
                "tpr_high": point.tpr.high,
                "status": point.fpr.status,
                "reason": point.fpr.reason or point.tpr.reason,
            }
            for operating in report.operating
            for point in operating.points
        ),
    )


def tidy_reported(report: Report) -> str:
    """The published figures of the runs' detectors."""
    return csv_text(list(ReportedFigure.__dataclass_fields__), map(asdict, report.reported))


def tidy_beside_reported(report: Report) -> str:
    """Measured numbers beside published ones, in columns of their own.

    difference: measured minus reported; in_interval: whether low to high holds it; both empty where not every
    picture was scored.
    """
    columns = [
        "run",
        "detector",
        "untrained",
        "on",
        "perturbation",
        "metric",
        "measured",
        "low",
        "high",
        "status",
        "reported",
        "difference",
        "in_interval",
        "source",
        "differs",
    ]
    return csv_text(
        columns,
        (
            {
                "run": one.row.run,
                "detector": one.row.detector,
                "untrained": str(one.row.untrained).lower(),
                "on": one.on,
                "perturbation": one.perturbation,
                "metric": one.metric,
                "measured": one.measured.value if one.measured else None,
                "low": one.measured.low if one.measured else None,
                "high": one.measured.high if one.measured else None,
                "status": one.measured.status if one.measured else one.mark,
                "reported": one.reported,
                "difference": one.difference,
                "in_interval": verdict(one),
                "source": one.source,
                "differs": one.differs,
            }
            for one in report.beside_reported
        ),
    )


def tidy_suites(report: Report) -> str:
    """Suites, one line for each condition of each detector and metric, and one `suite mean` with its interval."""
    columns = [
        "run",
        "suite",
        "metric",
        "detector",
        "untrained",
        "condition",
        "weight",
        "value",
        "low",
        "high",
    ]
    lines = []
    for table in report.robustness.suites:
        for one in table.rows:
            head = {
                "run": table.run,
                "suite": table.suite,
                "metric": table.metric,
                "detector": one.row.detector,
                "untrained": str(one.row.untrained).lower(),
            }
            lines += [
                {**head, "condition": name, "weight": weight, "value": one.values[name]}
                for name, weight in table.weights.items()
            ]
            lines.append(
                {**head, "condition": "suite mean", "value": one.mean, "low": one.low, "high": one.high}
            )
    return csv_text(columns, lines)


def tidy_curves(report: Report) -> str:
    """Robustness curves, one line per point; area: of the whole curve."""
    columns = ["run", "detector", "untrained", "metric", "perturbation", "strength", "value", "area"]
    return csv_text(
        columns,
        (
            {
                "run": curve.row.run,
                "detector": curve.row.detector,
                "untrained": str(curve.row.untrained).lower(),
                "metric": curve.metric,
                "perturbation": curve.perturbation,
                "strength": strength,
                "value": value,
                "area": curve.area,
            }
            for curve in report.robustness.curves
            for strength, value in curve.points
        ),
    )


def tidy_cost(report: Report) -> str:
    """What each detector costs on the device that it was measured on."""
    facts = list(CostRecord.model_fields)
    return csv_text(
        ["run", "detector", "untrained", "metric", "value", "front", *facts],
        (
            {
                "run": table.run,
                "detector": one.row.detector,
                "untrained": str(one.row.untrained).lower(),
                "metric": table.metric,
                "value": one.value,
                "front": str(one.front).lower(),
                **{key: getattr(one.cost, key) for key in facts},
            }
            for table in report.costs
            for one in table.rows
        ),
    )


def tidy_differences(report: Report) -> str:
    """What not all of several runs agree in, one line for each run of each fact."""
    return csv_text(
        ["about", "what", "run", "value"],
        (
            {"about": one.kind, "what": one.what, "run": run.label, "value": value}
            for one in differences(report.runs)
            for run, value in zip(report.runs, one.values, strict=True)
        ),
    )


def tidy_losses(report: Report) -> str:
    """Threshold or signal, for every test set and mean."""
    return csv_text(
        [
            "run",
            "detector",
            "untrained",
            "perturbation",
            "paradigm",
            "column",
            "acc",
            "threshold",
            "by_chance",
            "signal",
            "auroc",
        ],
        (
            {
                "run": loss.row.run,
                "detector": loss.row.detector,
                "untrained": str(loss.row.untrained).lower(),
                "perturbation": loss.perturbation,
                "paradigm": loss.column.group,
                "column": loss.column.label,
                "acc": loss.acc,
                "threshold": loss.threshold,
                "by_chance": loss.chance,
                "signal": loss.signal,
                "auroc": loss.auroc,
            }
            for loss in report.losses
        ),
    )


def tidy_comparisons(report: Report) -> str:
    """Every pair of detectors, as `compare` gives them; columns named as in the tables."""
    names = {
        column.pictures: (column.group, column.label)
        # a paradigm of one set has a mean over the same pictures: the set's own name wins
        for board in report.boards
        for column in sorted(board.columns, key=lambda column: not column.is_mean)
    }
    table = report.comparisons
    places = [names[pictures] for pictures in table["pictures"]]
    named = table.assign(
        paradigm=[group for group, _ in places],
        column=[label for _, label in places],
        first_run=[run for run, _ in table["first"]],
        first=[detector for _, detector in table["first"]],
        second_run=[run for run, _ in table["second"]],
        second=[detector for _, detector in table["second"]],
    )
    lines = zip(*(named[column].tolist() for column in COMPARISON), strict=True)
    return csv_text(COMPARISON, (dict(zip(COMPARISON, line, strict=True)) for line in lines))
