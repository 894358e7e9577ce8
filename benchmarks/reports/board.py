"""A leaderboard: detectors × (test sets and means) for one metric under one perturbation.

A column is a test set *and its pictures* (the data fingerprint), or the mean over certain such sets.
Two runs over different pictures therefore never share a column, and nothing is ranked across columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.metrics.cell import COMPLETE, FAILED, PARTIAL
from benchmarks.metrics.means import ALL
from benchmarks.reports.load import Pictures, Run, directions, perturbations
from benchmarks.runfolder.metrics_file import Mean, MetricCell, MetricFacts, Spread, recorded_interval
from benchmarks.runfolder.scores import CLEAN
from benchmarks.runfolder.sharing import find_sharing
from registry.dataset import PARADIGMS

DIGITS = 4
"""Decimals shown; values that look the same share a rank."""

Key = tuple[str, str]
"""(run label, detector)."""

OVER_SEEDS = "Student's t over seeds and pictures"


@dataclass(frozen=True)
class Verdict:
    """What a paired test says of two detectors. test: its name; alike: there is no significant difference."""

    test: str
    alike: bool


Judge = Callable[[str, str, Pictures, Key, Key], Verdict | None]
"""(metric, perturbation, pictures, first, second) → what the test says, None where none was made."""


@dataclass(frozen=True)
class Column:
    """One column. group: paradigm or `all`; pictures: the (test set, fingerprint) pairs it covers."""

    group: str
    label: str
    is_mean: bool
    pictures: Pictures

    def __hash__(self) -> int:
        return hash((self.group, self.label, self.pictures))

    @property
    def repeats(self) -> bool:
        """Whether it is the mean over a single test set, whose own column says the same."""
        return self.is_mean and len(self.pictures) == 1


@dataclass(frozen=True)
class BoardRow:
    """One detector of one run.

    parts: what of it is untrained, empty for a trained detector. white_box_for: generators whose own parts it reads.
    trained_on: what its weights were trained on, in words.
    seeds: of its trainings, where it stands for several of one group; its label names them.
    """

    run: str
    detector: str
    label: str
    untrained: bool
    parts: tuple[str, ...] = ()
    white_box_for: tuple[str, ...] = ()
    trained_on: str = "unknown"
    seeds: tuple[int, ...] = ()

    def __hash__(self) -> int:
        return hash((self.run, self.detector))

    @property
    def key(self) -> Key:
        return self.run, self.detector


@dataclass(frozen=True)
class BoardEntry:
    """One number with what is known of it, straight from metrics.json.

    rank: 1 for the best of its column and all that do not differ from it significantly, 2 for the best of
    the rest and all like it, and so on; None for what is not ranked. tied: it is not itself the best of
    its rank, but not significantly different from it. test: the paired test between it and the best of its rank
    and of every better one, empty where one is missing: its rank is then its value's and carries no mark. own: a
    white box on pictures of its own generator. spread: of several trainings, of which the value is the mean. way: how
    its interval was made, measured: whether the coverage of that is known. no_interval: why it has none.
    """

    value: float | None
    low: float | None
    high: float | None
    status: str
    reason: str
    rank: int | None = None
    tied: bool = False
    test: str = ""
    own: bool = False
    way: str = ""
    measured: bool = True
    no_interval: str = ""
    spread: Spread | None = None

    @property
    def failed(self) -> bool:
        return self.status == FAILED

    @property
    def partial(self) -> bool:
        return self.status == PARTIAL

    @property
    def place(self) -> int:
        """The rank that tables mark, 0 where no test decided it."""
        return self.rank if self.rank and self.test else 0


@dataclass
class Board:
    """The table of one metric under one perturbation. entries: by (row, column).

    columns: all that there are, means over a single test set, too; tables for people show `shown`. sharing: the test sets that hold pictures which others hold, too.
    """

    metric: str
    perturbation: str
    higher_is_better: bool
    columns: list[Column]
    rows: list[BoardRow]
    entries: dict[tuple[BoardRow, Column], BoardEntry] = field(default_factory=dict)
    sharing: frozenset[str] = frozenset()

    @property
    def shown(self) -> list[Column]:
        """The columns without those that repeat another."""
        return [column for column in self.columns if not column.repeats]

    @property
    def summary(self) -> list[Column]:
        """Of each paradigm and of all test sets the mean; of a paradigm with a single test set that set."""
        single = {(column.group, column.pictures) for column in self.columns if column.repeats}
        return [c for c in self.shown if c.is_mean or (c.group, c.pictures) in single]

    def blocks(self, width: int) -> Iterator[list[Column]]:
        """The columns to show in tables of at most `width`, whole groups together where they fit."""
        block: list[Column] = []
        for group in dict.fromkeys(column.group for column in self.shown):
            members = [column for column in self.shown if column.group == group]
            if block and len(block) + len(members) > width:
                yield block
                block = []
            block = [*block, *members]
            while len(block) > width:
                yield block[:width]
                block = block[width:]
        if block:
            yield block


def grouped(columns: Iterable[Column]) -> list[tuple[str, list[Column]]]:
    """Neighbouring columns of one group together."""
    found: list[tuple[str, list[Column]]] = []
    for column in columns:
        if not found or found[-1][0] != column.group:
            found.append((column.group, []))
        found[-1][1].append(column)
    return found


def boards(runs: Sequence[Run], metrics: Sequence[str], judge: Judge | None = None) -> list[Board]:
    """One board per metric and perturbation, in the order in which they were asked for.

    judge: tells which pairs of a column were tested, and which of them are not significantly different; without
    it only equal values share a rank.
    """
    rows, known = _rows(runs), directions(runs)
    sharing = frozenset(name for run in runs if run.folder for name in find_sharing(run.folder).datasets)
    placed = _Placed(runs, rows)
    return [
        _board(placed, metric, perturbation, known[metric], judge or _no_test, sharing)
        for metric in metrics
        for perturbation in perturbations(runs)
    ]


def warnings(runs: Sequence[Run]) -> list[str]:
    """What a reader must know before comparing rows."""
    fingerprints: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for dataset in dict.fromkeys(cell["dataset"] for cell in run.cells()):
            fingerprints.setdefault(dataset, {}).setdefault(run.fingerprint(dataset), []).append(run.label)
    found = [
        f"{dataset} held different pictures in "
        + " and in ".join(f"{', '.join(labels)} ({_short(mark)})" for mark, labels in by_fingerprint.items())
        + ": these columns cannot be compared, and neither can means that include them."
        for dataset, by_fingerprint in fingerprints.items()
        if len(by_fingerprint) > 1
    ]
    found += [line for run in runs if (line := _left_out(run))]
    seeds: dict[Any, list[str]] = {}
    for run in runs:
        seeds.setdefault(run.record.seed, []).append(run.label)
    if len(seeds) > 1 and any(kind != CLEAN for kind in perturbations(runs)):
        listed = " and ".join(f"{seed} in {', '.join(labels)}" for seed, labels in seeds.items())
        found.append(f"The seed was {listed}: random perturbations changed the pictures in other ways.")
    return found


def _left_out(run: Run) -> str:
    """That detectors were fed in other ways, too, where their rows are not shown."""
    shown = set(run.detectors)
    fed = {name: facts for name, facts in run.record.detectors.items() if facts.feed and name not in shown}
    ways = Counter(name for name, _ in dict.fromkeys((one.feed_of, one.feed) for one in fed.values()))
    if not ways:
        return ""
    listed = ", ".join(f"{name} in {number}" for name, number in ways.items())
    return (
        f"{run.label} was fed in other ways, too ({listed}), which are left out here, as the best of several ways is no "
        "result: `d3qe-bench sensitivity` compares them, `d3qe-bench report --ways` shows them as rows."
    )


def _rows(runs: Sequence[Run]) -> list[BoardRow]:
    names = [detector for run in runs for detector in run.table_detectors]
    rows = []
    for run in runs:
        untrained = {cell["detector"] for cell in run.table_cells() if cell["untrained"]}
        for detector in run.table_detectors:
            label = detector if names.count(detector) == 1 else f"{detector} ({run.label})"
            seeds = tuple(map(int, run.groups.get(detector, {})))
            if seeds:
                label += f" (seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})"
            facts = run.facts(detector)
            parts, own = tuple(facts.untrained_parts), tuple(facts.card.white_box_for)
            rows.append(
                BoardRow(
                    run.label, detector, label, detector in untrained, parts, own, facts.trained_on, seeds
                )
            )
    return rows


def _board(
    placed: _Placed,
    metric: str,
    perturbation: str,
    higher_is_better: bool,
    judge: Judge,
    sharing: frozenset[str],
) -> Board:
    found = {
        (row, column): _entry(item, metric, about, own)
        for about, row, column, item, own in placed.under(metric, perturbation)
    }
    columns = sorted(dict.fromkeys(column for _, column in found), key=position)
    board = Board(metric, perturbation, higher_is_better, columns, placed.rows, found, sharing)
    for column in columns:
        _rank(board, column, judge)
    return board


class _Placed:
    """Cells and means of runs with the row and column that each belongs to, found once for all boards."""

    def __init__(self, runs: Sequence[Run], rows: Sequence[BoardRow]) -> None:
        self.runs = runs
        self.rows = list(rows)
        self._by_name = {row.key: row for row in rows}
        self._several = {name for name, marks in _fingerprints(runs).items() if len(marks) > 1}
        self._items: dict[tuple[str, str], tuple[list[MetricCell], list[Mean]]] = {}
        for run in runs:
            for cell in run.table_cells():
                self._of(run, cell["perturbation"])[0].append(cell)
            for mean in run.table_means():
                self._of(run, mean["perturbation"])[1].append(mean)
        self._set_columns = {run.label: dict(_set_columns(run, self._several)) for run in runs}
        self._mean_columns: dict[tuple[str, str | None], dict[str, Column]] = {}

    def _of(self, run: Run, perturbation: str) -> tuple[list[MetricCell], list[Mean]]:
        return self._items.setdefault((run.label, perturbation), ([], []))

    def under(
        self, metric: str, perturbation: str
    ) -> Iterator[tuple[MetricFacts | None, BoardRow, Column, Mapping[str, Any], bool]]:
        """What each run says of a metric, the row, the column, the cell or mean, whether it is a white box's own."""
        for run in self.runs:
            about = run.metrics["metrics"].get(metric)
            cells, means = self._of(run, perturbation)
            columns = self._set_columns[run.label]
            for cell in cells:
                row = self._by_name[run.label, cell["detector"]]
                yield about, row, columns[cell["dataset"]], cell, cell["generator"] in row.white_box_for
            left_out = about.get("left_out") if about else None
            if (run.label, left_out) not in self._mean_columns:
                found = dict(_mean_columns(run, metric, self._several))
                self._mean_columns[run.label, left_out] = found
            columns = self._mean_columns[run.label, left_out]
            for mean in means:
                if mean["scope"] in columns:
                    row = self._by_name[run.label, mean["detector"]]
                    yield about, row, columns[mean["scope"]], mean, False


def _fingerprints(runs: Sequence[Run]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for run in runs:
        for cell in run.cells():
            found.setdefault(cell["dataset"], set()).add(run.fingerprint(cell["dataset"]))
    return found


def _set_columns(run: Run, several: set[str]) -> Iterator[tuple[str, Column]]:
    """The column of each test set of a run. several: test sets that held other pictures in another run."""
    sets = run.set_pictures()
    for dataset, paradigm in dict.fromkeys((cell["dataset"], cell["paradigm"]) for cell in run.cells()):
        label = dataset.removeprefix(f"{paradigm}/")
        if seen := run.view(dataset):
            label = label.partition("@")[0] + seen
        if dataset in several:
            label += f" #{_short(run.fingerprint(dataset))}"
        yield dataset, Column(paradigm, label, False, sets[dataset])


def _mean_columns(run: Run, metric: str, several: set[str]) -> Iterator[tuple[str, Column]]:
    """The column of each scope of a run's means; none for one of which a metric leaves out all sets."""
    for scope, pictures in run.mean_pictures(metric).items():
        if pictures:
            label = f"mean of {len(pictures)}"
            if marks := sorted(f"#{_short(mark)}" for name, mark in pictures if name in several):
                label += f" with {', '.join(marks)}"
            yield scope, Column(scope, label, True, pictures)


def _short(fingerprint: str) -> str:
    return fingerprint[:8] or "unknown"


def position(column: Column) -> tuple[int, str, bool]:
    """Sorts columns by paradigm, the means of each last, and those over all at the end."""
    order = [*PARADIGMS, ALL]
    if column.group == ALL:
        return len(order), "", column.is_mean
    known = order.index(column.group) if column.group in order else len(PARADIGMS)
    return known, column.group, column.is_mean


def _entry(item: Mapping[str, Any], metric: str, about: MetricFacts | None, own: bool) -> BoardEntry:
    value = item["metrics"].get(metric)
    low, high = item["ci"].get(metric) or (None, None)
    status = item["status"]
    undefined = item.get("undefined", {}).get(metric, "" if metric in item["metrics"] else "not computed")
    reason = item["reason"] or "" if status != COMPLETE else undefined
    spread = item.get("spread", {}).get(metric)
    interval = recorded_interval(about)
    way, measured = (interval["method"], interval["measured"]) if low is not None else ("", True)
    if way and spread:
        way, measured = OVER_SEEDS, True
    no_interval = item.get("no_interval", {}).get(metric, "")
    return BoardEntry(
        value,
        low,
        high,
        status,
        reason,
        own=own,
        way=way,
        measured=measured,
        no_interval=no_interval,
        spread=spread,
    )


def _no_test(metric: str, perturbation: str, pictures: Pictures, first: Key, second: Key) -> None:
    return None


def _rank(board: Board, column: Column, judge: Judge) -> None:
    """Rank what can be compared: trained detectors with complete cells, in means without white boxes."""
    values: dict[BoardRow, float] = {}
    for row in board.rows:
        entry = board.entries.get((row, column))
        if column.is_mean and row.white_box_for:
            continue
        if entry and not row.untrained and entry.status == COMPLETE and entry.value is not None:
            values[row] = entry.value
    if len(values) < 2:
        return
    left = sorted(values, key=lambda row: values[row], reverse=board.higher_is_better)
    shown = {row: round(value, DIGITS) for row, value in values.items()}
    # of each detector, against the best of its rank and of every better one
    verdicts: dict[BoardRow, list[Verdict | None]] = {row: [] for row in left}
    rank = 0
    while left:
        rank += 1
        leader, *others = left
        for row in others:
            verdict = judge(board.metric, board.perturbation, column.pictures, leader.key, row.key)
            verdicts[row].append(verdict)
        if rank == 1:  # it has none above itself: any test of the others against it makes it the best
            verdicts[leader].append(next(filter(None, (verdicts[row][0] for row in others)), None))
        for row in [leader, *others]:
            equal = shown[row] == shown[leader]
            last = verdicts[row][-1]
            if equal or (last is not None and last.alike):
                known = [verdict.test for verdict in verdicts[row] if verdict is not None]
                test = known[0] if len(known) == len(verdicts[row]) else ""
                entry = board.entries[row, column]
                board.entries[row, column] = replace(entry, rank=rank, tied=not equal, test=test)
                left.remove(row)
