"""The command `d3qe-bench`: parsing only. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging

import typer

from benchmarks.commands.attribute_command import attribute
from benchmarks.commands.audit_command import audit
from benchmarks.commands.data_command import app as data_app
from benchmarks.commands.doctor_command import doctor
from benchmarks.commands.failures_command import failures
from benchmarks.commands.figures_command import figures
from benchmarks.commands.list_command import list_registered
from benchmarks.commands.new_detector_command import new_detector
from benchmarks.commands.outcome import end_plainly
from benchmarks.commands.predict_command import predict
from benchmarks.commands.report_command import report
from benchmarks.commands.run_command import run
from benchmarks.commands.sensitivity_command import sensitivity
from benchmarks.commands.site_command import site
from benchmarks.commands.study_command import study
from benchmarks.commands.submit_command import submit
from benchmarks.commands.timeline_command import timeline
from benchmarks.commands.train_command import train
from benchmarks.commands.weights_command import app as weights_app
from benchmarks.hosts.command import app as host_app
from benchmarks.text import PlainFormatter

app = typer.Typer(
    name="d3qe-bench",
    help="Fair comparison of detectors of AI-generated images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_registered)
app.command("run")(run)
app.command("report")(report)
app.command("failures")(failures)
app.command("timeline")(timeline)
app.command("site")(site)
app.command("sensitivity")(sensitivity)
app.command("submit")(submit)
app.command("predict")(predict)
app.command("attribute")(attribute)
app.command("train")(train)
app.command("figures")(figures)
app.command("study")(study)
app.command("audit")(audit)
app.command("doctor")(doctor)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.command("new-detector")(new_detector)
app.add_typer(host_app, name="host")


def main() -> None:
    """Run the command; a user's mistake ends in one line on stderr, not in a traceback."""
    if logging.lastResort:  # what prints warnings where nobody has set up logging
        logging.lastResort.setFormatter(PlainFormatter())
    end_plainly(app, "d3qe-bench")


if __name__ == "__main__":
    main()
