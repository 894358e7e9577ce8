"""Renders the page: template, style, scripts, the chart library and the data in one file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from benchmarks.reports.board import DIGITS
from benchmarks.reports.cost import pareto_svg, short
from benchmarks.reports.differences import differences
from benchmarks.reports.load import Run
from benchmarks.reports.notes import UNTRAINED
from benchmarks.reports.operating import HEADINGS
from benchmarks.reports.page.outline import HOME, page_file, saving
from benchmarks.reports.page.payload import curve_payload, payload
from benchmarks.reports.page.summary import winners
from benchmarks.reports.page.wrong import most_wrong
from benchmarks.reports.report import Report
from benchmarks.reports.reported import verdict
from benchmarks.reports.statistics.verdicts import ALPHA
from benchmarks.runfolder.record import dumped
from benchmarks.text import in_script, page_environment

SCRIPTS = ("table.js", "statistics.js", "heat.js", "charts.js", "address.js", "export.js", "start.js")


def html(report: Report, pictures: Path | None = None) -> str:
    """The whole page.

    pictures: data root of the run; the pictures each detector gets most wrong are then shown as thumbnails.
    """
    environment = page_environment((HOME, "."))
    measured, best = winners(report.runs, report.boards)
    wrong = [found for run in report.runs for found in most_wrong(run, pictures)] if pictures else []
    return environment.get_template("page.html.j2").render(
        report=report,
        title=", ".join(run.label for run in report.runs),
        alpha=ALPHA,
        operating_headings=HEADINGS,
        untrained=UNTRAINED,
        digits=DIGITS,
        wrong=wrong,
        measured=measured,
        winners=best,
        differences=differences(report.runs),
        short=short,
        pareto=lambda table: Markup(pareto_svg(table)),
        provenance=provenance,
        weights=weights,
        verdict=verdict,
        css=page_file("page.css"),
        saving=saving(),
        chart_js=page_file("vendor/chart.umd.min.js"),
        chart_licence=str(page_file("vendor/LICENSE-chart.js.txt")),
        scripts=[page_file(name) for name in SCRIPTS],
        data=in_script(payload(report)),
        curves=in_script(curve_payload(report)),
    )


def provenance(run: Run) -> Iterator[tuple[str, str]]:
    """What a run was made with, as (name, value)."""
    record = run.record
    if record.command:
        yield "command", " ".join(record.command)
    for name in ("device", "device_name", "dtype", "seed"):
        if getattr(record, name) is not None:
            yield name, str(getattr(record, name))
    if record.compiled:
        yield "compiled", ", ".join(record.compiled)
    if record.git:
        yield "code", f"{record.git.commit}{' with changes' if record.git.changed else ''}"
    yield from record.versions.items()
    bootstrap = run.metrics["bootstrap"]
    yield "intervals", f"{bootstrap['method']}, {bootstrap['resamples']} resamples, seed {bootstrap['seed']}"


def weights(run: Run) -> Iterator[dict[str, str]]:
    """One row per detector: what it was trained on and which weights it had."""
    for name in run.detectors:
        facts = run.facts(name)
        found = dumped(facts.weights) if facts.weights else None
        yield {
            "detector": name,
            "trained_on": facts.trained_on,
            "licence": facts.card.licence,
            "weights": json.dumps(found, ensure_ascii=False),
        }
