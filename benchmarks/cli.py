"""The command `d3qe-bench`: parsing only. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import typer

from benchmarks.commands import data, weights
from benchmarks.commands.audit import audit
from benchmarks.commands.doctor import doctor
from benchmarks.commands.figures import figures
from benchmarks.commands.listing import list_registered
from benchmarks.commands.new_detector import new_detector
from benchmarks.commands.outcome import end_plainly
from benchmarks.commands.predict import predict
from benchmarks.commands.report import report
from benchmarks.commands.run import run
from benchmarks.commands.study import study
from benchmarks.commands.submit import submit
from benchmarks.commands.train import train
from benchmarks.hosts.command import app as host_app

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
app.command("submit")(submit)
app.command("predict")(predict)
app.command("train")(train)
app.command("figures")(figures)
app.command("study")(study)
app.command("audit")(audit)
app.command("doctor")(doctor)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.command("new-detector")(new_detector)
app.add_typer(host_app, name="host")


def main() -> None:
    """Run the command; a user's mistake ends in one line on stderr, not in a traceback."""
    end_plainly(app, "d3qe-bench")


if __name__ == "__main__":
    main()
