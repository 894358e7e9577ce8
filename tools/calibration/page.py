"""`calibration.md` and its figure, made of the numbers in `calibration.json` alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import scipy.stats
from matplotlib.figure import Figure

from benchmarks.files import write_json_by_line
from benchmarks.reports.statistics.verdicts import ALPHA
from registry.files import atomic
from tools.calibration.scenarios import INTERVAL, SCENARIOS, TEST

DOCS = Path(__file__).parents[2] / "benchmarks" / "docs"
NUMBERS, PAGE, FIGURE = (DOCS / f"calibration.{kind}" for kind in ("json", "md", "png"))

LEAST, MOST = 0.90, 0.07
"""Coverage of every interval that is shown, and false positives of tests of means over sets with common real pictures."""

Row = Mapping[str, Any]
Parts = dict[str, dict[str, Any]]

HEAD = """# Calibration

How often each 95 % interval holds the true value, and how often each test at 5 % finds a difference where there is none, of every
interval and test that the project shows. Simulated with the functions that fill its tables, by

    python -m tools.calibration

in a checkout, {seconds} s of processor time in all. `calibration.json` beside this page has the numbers; naming scenarios
({scenarios}) simulates only those anew.

Logits of both classes are normal with standard deviation 1, `apart` is the distance of their means, which lie symmetrically about 0;
`per class` is the number of real pictures of a set, and of generated ones. Half of the variance is the picture's own and the same for all
detectors, trainings and conditions. Intervals and tests have {resamples} resamples here and 1,000 in a run: the few cost up to half a
percentage point of coverage, never more. Shares are of {simulations} simulations: one of 0.95 has a standard error of 0.01. – stands where the
pictures are too few for an interval. Near the end of a metric's range intervals of few pictures are wider than they need be.

![Coverage of intervals and false positives of tests](calibration.png)

"""


TESTS = """Detectors are as good as each other, trainings too; slices have the error rate of what is outside of them, cues
say nothing of the classes. *After Holm* is the share of simulations in which any of the tests rejects. `audit` is the permutation test of
all cues of a set, `attribution` the p-value of a real picture; Friedman's test is that of ranks over independent sets (it is withheld
where sets share pictures), Cochran–Mantel–Haenszel's that of `failures`. Tests are not withheld where they are made of few pictures.
"""


def read() -> Parts:
    """The parts of `calibration.json` by scenario; none where it is not there."""
    return json.loads(NUMBERS.read_text(encoding="utf-8")) if NUMBERS.is_file() else {}


def write(parts: Parts) -> None:
    """Write the numbers; page and figure, too, once every scenario has some."""
    write_json_by_line(NUMBERS, parts)
    if SCENARIOS.keys() - parts.keys():
        return
    with atomic(PAGE) as draft:
        draft.write_text(render(parts), encoding="utf-8")
    draw(parts)


def rows_of(parts: Parts, kind: str) -> list[Row]:
    """All rows of one kind of outcome."""
    return [row for part in parts.values() for row in part["rows"] if row["kind"] == kind]


def render(parts: Parts) -> str:
    """The page."""
    first = next(iter(parts.values()))["grid"]
    text = HEAD.format(
        seconds=sum(part["seconds"] for part in parts.values()),
        scenarios=", ".join(f"`{name}`" for name in SCENARIOS),
        resamples=first["resamples"],
        simulations=first["simulations"],
    )
    return text + "\n".join([*_intervals(parts), *_tests(parts)])


def _intervals(parts: Parts) -> Iterator[str]:
    rows = rows_of(parts, INTERVAL)
    low = [row for row in rows if row["share"] < LEAST]
    yield "## Coverage of intervals\n"
    yield f"Lowest of all {len(rows)}: {min(row['share'] for row in rows):.3f}; under {LEAST:.2f}: {len(low)}.\n"
    for name, part in parts.items():
        own = [row for row in part["rows"] if row["kind"] == INTERVAL]
        for number, where in enumerate(dict.fromkeys(row["where"] for row in own)):
            yield f"### {where[0].upper()}{where[1:]}\n"
            if not number:
                yield f"{SCENARIOS[name].says}\n"
            here = [row for row in own if row["where"] == where]
            yield from _table(here, ["name"], ["interval of"], lambda share: share < LEAST)


def _tests(parts: Parts) -> Iterator[str]:
    rows = rows_of(parts, TEST)
    yield "## False positives of tests\n"
    size = min(row["simulations"] for row in rows)
    # the median of the highest of as many independent shares
    chance = scipy.stats.binom.ppf(0.5 ** (1 / len(rows)), size, ALPHA) / size
    yield (
        f"Highest of all {len(rows)}: {max(row['share'] for row in rows):.3f}; if every one of these tests rejected in exactly "
        f"{ALPHA:.2f}, the highest share of {size} simulations would be about {chance:.3f} by chance. Bold: over {MOST:.2f}.\n"
    )
    yield TESTS
    yield from _table(rows, ["name", "where"], ["test", "of"], lambda share: share > MOST)


def _table(
    rows: Sequence[Row], keys: list[str], heads: list[str], bold: Callable[[float], bool]
) -> Iterator[str]:
    columns = sorted({(row["signal"], row["pictures"]) for row in rows})
    yield "| " + " | ".join([*heads, *(f"{signal:g} apart, {n} per class" for signal, n in columns)]) + " |"
    yield "|:--" * len(heads) + "|--:" * len(columns) + "|"
    shares = {(*(row[key] for key in keys), row["signal"], row["pictures"]): row["share"] for row in rows}
    for names in dict.fromkeys(tuple(row[key] for key in keys) for row in rows):
        cells = [shares.get((*names, *column)) for column in columns]
        shown = ["–" if one is None else f"**{one:.3f}**" if bold(one) else f"{one:.3f}" for one in cells]
        yield f"| {' | '.join(names)} | " + " | ".join(shown) + " |"
    yield ""


def draw(parts: Parts) -> None:
    """Every number as a point: coverage by what the interval is of, false positives by test."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    for axes, kind, key, lines in (
        (above, INTERVAL, "where", {0.95: "-", LEAST: ":"}),
        (below, TEST, "name", {0.05: "-", MOST: ":"}),
    ):
        rows = rows_of(parts, kind)
        names = list(dict.fromkeys(row[key].partition(": ")[0] for row in rows))
        sizes = sorted({row["pictures"] for row in rows})
        for number, n in enumerate(sizes):
            here = [row for row in rows if row["pictures"] == n]
            y = [
                names.index(row[key].partition(": ")[0]) + (number - (len(sizes) - 1) / 2) * 0.18
                for row in here
            ]
            axes.plot(
                [row["share"] for row in here],
                y,
                "o",
                markersize=3,
                alpha=0.5,
                markeredgewidth=0,
                label=f"{n} per class",
            )
        for place, style in lines.items():
            axes.axvline(place, color="#808890", linestyle=style, linewidth=1)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="x", linewidth=0.3)
    above.set_xlabel("coverage of 95 % intervals")
    below.set_xlabel("false positives of tests at 5 %")
    above.legend(frameon=False, fontsize=8, loc="lower left")
    with atomic(FIGURE) as draft:
        figure.savefig(draft, format="png", dpi=110)
