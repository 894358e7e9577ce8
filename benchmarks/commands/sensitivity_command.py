"""`d3qe-bench sensitivity`: detectors fed in several ways, and how far their metric moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.commands.from_settings import takes
from benchmarks.config import RunSettings, parse_settings, read_settings
from benchmarks.text import plain, say
from registry import UserError

if TYPE_CHECKING:
    from benchmarks.reports.sensitivity.chosen import Chosen
    from benchmarks.reports.sensitivity.moved import SensitivityReport

_OF_OTHER_COMMANDS = ("perturbations", "suites", "conditions", "clean", "calibrate_on", "fpr", "cost")


@takes(RunSettings, without=_OF_OTHER_COMMANDS)
def sensitivity(
    given: dict[str, Any],
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CONFIG or RUN]",
            help="YAML file of a run's settings, or the folder of a finished run that was fed in several ways: nothing is scored then",
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="Metric to show")] = "auroc",
    validation: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Test set to choose a way of feeding on; the others then say what the choice is worth",
        ),
    ] = "",
) -> None:
    """Show how far each detector's metric moves with the way its pictures are fed: resize or crop, size, interpolation.

    Scores every detector in each way of `--feed`, by default all worth a try, in one run: pictures are decoded once. The same
    command again resumes, and scores nothing that is there. Exit code 0: everything was scored; 1: something is incomplete
    or failed, and is named; 2: the request was wrong.
    """
    if source is not None and source.is_dir():
        if given.keys() - {"out", "bootstrap", "plugins"}:
            raise UserError(
                f"{source} is a run folder, which is only shown: name it with --out to score more in it"
            )
        raise typer.Exit(_show(source, given.get("out") or source, metric, validation, given))
    values = {**(read_settings(source) if source else {}), **given}
    settings = parse_settings(RunSettings, {"feeds": ["all"], **values}, str(source or ""), given)
    if not settings.detectors:
        raise UserError(
            "no detectors: name those to feed with --detectors, or give a run folder to show again"
        )
    raise typer.Exit(_run(settings, metric, validation))


def _run(settings: RunSettings, metric: str, validation: str) -> int:
    from benchmarks.runfolder.metrics_file import incomplete
    from benchmarks.runner.run import command_line, run_benchmark

    messages = Console(stderr=True)
    try:
        metrics = run_benchmark(settings, command_line(), messages)
    except KeyboardInterrupt:
        messages.print("interrupted; what was scored is kept, the same command resumes", style="yellow")
        return 1
    if metrics is None:
        return 0
    _show(settings.out, settings.out, metric, validation, {"plugins": settings.plugins})
    problems = incomplete(settings.out, metrics)
    for line in problems:
        messages.print(plain(line), style="yellow", markup=False, soft_wrap=True)
    return 1 if problems else 0


def _show(run: Path, out: Path, metric: str, validation: str, given: dict[str, Any]) -> int:
    from benchmarks.reports.load import read_runs
    from benchmarks.reports.sensitivity.chosen import choose
    from benchmarks.reports.sensitivity.moved import make_sensitivity
    from benchmarks.reports.sensitivity.shown import write

    (read,) = read_runs([run], given.get("bootstrap"), plugins=given.get("plugins") or ())
    found = make_sensitivity(read, metric)
    chosen = choose(read, found, validation) if validation else []
    _print(found, chosen, validation)
    for file in write(found, chosen, validation, Path(out)):
        say(f"written: {file}")
    return 0


def _print(found: SensitivityReport, chosen: list[Chosen], validation: str) -> None:
    from benchmarks.reports.sensitivity.moved import warning
    from benchmarks.reports.sensitivity.shown import MEAN, moved_text, number
    from benchmarks.tables import print_table

    for one in found.detectors:
        over = found.single or f"mean over {len(found.datasets)} test sets"
        say(f"{one.detector}, {found.metric}, {over} and difference from the default")
        print_table(
            [
                [row.feed, number(row.mean.value), "" if number_of == 0 else moved_text(row.mean)]
                for number_of, row in enumerate(one.rows)
            ],
            head=["way", found.metric if found.single else MEAN, "difference"],
        )
        say("")
        print_table(
            [
                [
                    name,
                    number(each.default),
                    f"{each.worst_value:.3f} {each.worst}",
                    f"{each.best_value:.3f} {each.best}",
                    number(each.range),
                    f"{each.significant} of {each.compared}",
                ]
                for name, each in {
                    **one.sets,
                    **({MEAN: one.mean} if one.mean and not found.single else {}),
                }.items()
            ],
            head=["test set", "default", "worst", "best", "range", "differ"],
        )
        for feed, reason in one.left_out.items():
            say(f"left out: {feed}: {reason}")
        say("")
    if chosen:
        say(f"chosen on {validation}, measured on the other test sets")
        print_table(
            [
                [one.detector, one.feed, number(one.default), number(one.moved.value), moved_text(one.moved)]
                for one in chosen
            ],
            head=["detector", "way", "default", "chosen", "difference"],
        )
        say("")
    say(warning(found))
