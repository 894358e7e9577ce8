"""`d3qe-bench failures`: why detectors fail, from the score files of one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from benchmarks.commands.from_settings import takes
from benchmarks.config import Bootstrap, Option, Settings, StrictBool, parse_settings
from benchmarks.text import plain

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.reports.failures.causes import Failures


class FailuresSettings(Settings):
    """What `d3qe-bench failures` looks at."""

    run: Annotated[Path, Option(metavar="RUN", positional=True)] = Field(description="run folder")
    detectors: list[str] = Field(
        [], description="detectors to compare; if not given, all that are trained and have learned something"
    )
    condition: str = Field(
        "none", description="which pictures: none for clean ones, or a perturbation of the run"
    )
    validation: Annotated[str, Option(metavar="NAME")] = Field(
        "",
        description="test set on whose clean pictures thresholds are chosen and fusions fitted; it is not studied itself",
    )
    data: Annotated[list[str], Option(metavar="DATA", commas=False)] = Field(
        [], description="where the run's pictures lie now, if they were moved"
    )
    traits: Annotated[Path | None, Option(metavar="FILE")] = Field(
        None,
        description="CSV file of what you know of the pictures, for slices: columns path, dataset where paths repeat, and one for each trait",
    )
    gallery: StrictBool = Field(
        False, description="show the most missed pictures on the page, which then holds pictures"
    )
    bootstrap: Bootstrap = 1000
    out: Path | None = Field(
        None, description="folder for the page and the tables; the run folder if not given"
    )


@takes(FailuresSettings)
def failures(given: dict[str, Any]) -> None:
    """Show what detectors miss together, where each loses, and what they would find if joined.

    From the score files: no network is run. Slices by size, format, JPEG quality and saturation need the pictures, once."""
    from rich.console import Console

    from benchmarks.reports.failures.causes import study_failures
    from benchmarks.reports.failures.writing import write

    settings = parse_settings(FailuresSettings, given, options=given)
    found = study_failures(
        settings.run,
        settings.detectors,
        settings.condition,
        settings.validation,
        settings.data,
        settings.gallery,
        settings.bootstrap,
        settings.traits,
    )
    console = Console()
    _show(found, console)
    for file in write(found, settings.out or settings.run):
        console.print(plain(f"written: {file}"), markup=False, soft_wrap=True, highlight=False)


def _show(found: Failures, console: Console) -> None:
    from benchmarks.reports.failures.fusion import ALL
    from benchmarks.reports.failures.slices import losing
    from benchmarks.reports.failures.writing import fusion_rows, totals
    from benchmarks.runfolder.metrics_file import METRICS
    from benchmarks.tables import print_table

    def say(text: str = "") -> None:
        console.print(*map(plain, text.split("\n")), sep="\n", markup=False, highlight=False, soft_wrap=True)

    detectors = found.scored.detectors
    for note in found.notes:
        say(f"left out: {note}")
    head = [
        "class",
        "pictures",
        "all right",
        "all miss",
        "by chance",
        *(f"only {name}" for name in detectors),
    ]
    rows = [
        [
            row["class"],
            *(str(row[key]) for key in ("pictures", "all_right", "all_wrong")),
            f"{row['by_chance']:.1f}",
            *(str(row["only"][name]) for name in detectors),
        ]
        for row in totals(found)
    ]
    print_table(rows, head=head, console=console)
    say()
    print_table(
        [
            [f"{one.first}, {one.second}", _number(one.errors), _number(one.ranks)]
            for one in sorted(found.pairs, key=lambda one: -(one.ranks or 0))
        ],
        head=["pair", "φ of errors", "ρ of ranks"],
        console=console,
    )
    if found.fusion is not None:
        names = [one.dataset for one in found.scored.sets]
        over = names[0] if len(names) == 1 else f"mean over {len(names)} other test sets"
        say(f"\n⊕: fusion, fitted on {found.validation}; {over}")
        print_table(
            [
                [
                    f"{'⊕ ' if row['fusion'] else ''}{row['name']}",
                    *(_number(row["numbers"].get((ALL, metric), (None,))[0], 3) for metric in METRICS),
                ]
                for row in fusion_rows(found)
            ],
            head=["", *METRICS],
            console=console,
        )
    if found.slices:
        worst = losing(list(found.slices))
        say(
            "\nerrs more than elsewhere in the same test sets:"
            if worst
            else "\nno slice is significantly worse"
        )
        for one in worst[:10]:
            kind = "generated" if one.label else "real"
            say(f"  {one.detector}: {kind}, {one.trait} {one.value}: {one.more:+.2f} (p = {one.p_holm:.2g})")
    say()


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
