"""A setting is stated once: the option, the help and the reference page say what the model's field says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from benchmarks.commands.audit_command import AuditSettings
from benchmarks.commands.figures_command import FiguresSettings
from benchmarks.commands.from_settings import takes
from benchmarks.commands.predict_command import PredictSettings
from benchmarks.commands.report_command import ReportSettings
from benchmarks.config import (
    DetectorSettings,
    Number,
    Option,
    RunSettings,
    Settings,
    StrictBool,
    StrictInt,
    option_of,
    parse_settings,
)
from benchmarks.pictures import MAX_PIXELS
from benchmarks.training.settings import TrainSettings
from tests.docs import reference
from tests.pictures import make_class_folders
from tests.runner import plugin_file

PLUGIN = plugin_file.__file__
MODELS = {
    "run": RunSettings,
    "train": TrainSettings,
    "predict": PredictSettings,
    "figures": FiguresSettings,
    "audit": AuditSettings,
    "report": ReportSettings,
}
NOT_OPTIONS = {
    # settings within settings: for the YAML file
    "train": {"detector", "data", "validation", "optimizer", "schedule", "augmentation"},
    "run": {"reported"},
    # drawn in single precision, batch by batch, from pictures of any size that runs score
    "figures": {"precision", "micro_batch", "compile", "max_pixels"},
}


@pytest.mark.parametrize("command", MODELS)
def test_every_setting_is_an_option_with_its_meaning(command):
    parameters = {one.name: one for one in dict(reference.all_commands())[f"d3qe-bench {command}"].params}
    for name, field in MODELS[command].model_fields.items():
        if name in NOT_OPTIONS.get(command, ()):
            assert name not in parameters
            continue
        option = option_of(name, field)
        assert option.positional or option.name in parameters[name].opts
        assert (field.description or "")[1:] in parameters[name].help


def test_the_limit_of_a_picture_is_the_same_everywhere():
    found = {
        field.default
        for kind in reference.all_settings()
        for name, field in kind.model_fields.items()
        if name == "max_pixels"
    }
    assert found == {MAX_PIXELS}


class Everything(Settings):
    """One setting of each kind."""

    inputs: Annotated[list[str], Option(metavar="INPUT", positional=True, commas=False)] = Field(
        description="what is read"
    )
    number: StrictInt | None = Field(None, ge=1, lt=9, description="a number")
    share: Number = Field(30.0, gt=0, description="a share")
    flag: StrictBool = Field(False, description="a flag")
    switch: StrictBool = Field(True, description="a switch")
    kind: Literal["one", "two"] = Field("one", description="a kind")
    kinds: Annotated[list[Literal["one", "two"]], Option("--a-kind")] = Field([], description="some kinds")
    texts: list[str] = Field([], description="some texts")
    whole: Annotated[list[str], Option(commas=False)] = Field([], description="texts with commas")
    files: dict[str, Path] = Field({}, description="some files")
    values: Annotated[dict[str, Any], Option("--value")] = Field({}, description="some values")
    detectors: list[DetectorSettings] = Field([], description="detectors")
    nested: DetectorSettings | None = Field(None, description="for the file")
    pair: tuple[int, int] = Field((1, 2), description="for the file")
    left_out: str = Field("", description="not an option here")


@pytest.fixture
def everything():
    """Runs a command made of `Everything`; returns its output and the settings it got."""
    app, got = typer.Typer(rich_markup_mode=None), []

    @app.command()
    @takes(Everything, without=("left_out",))
    def command(given: dict[str, Any], plain: Annotated[int, typer.Option(help="not a setting")] = 3) -> None:
        """A command."""
        got.append((parse_settings(Everything, given, options=given), given, plain))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "80"})
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split()), *(got.pop() if got else ())

    return run


def test_every_kind_of_setting_is_read(everything):
    _, settings, given, plain = everything(
        "a,b", "c", "--number", "8", "--share", "0.5", "--flag", "--no-switch", "--kind", "two", "--a-kind", "one,two",
        "--texts", "x, y", "--texts", "z", "--whole", "p,q", "--files", "n=some/file", "--value", "a=off",
        "--value", "b=1e-3", "--value", "c=[1, true]", "--plain", "4", "--detectors", "one,L=two", "--option", "L.mode=no",
    )  # fmt: skip
    assert plain == 4
    assert settings.inputs == ["a,b", "c"]
    assert (settings.number, settings.share, settings.flag, settings.switch) == (8, 0.5, True, False)
    assert (settings.kind, settings.kinds) == ("two", ["one", "two"])
    assert (settings.texts, settings.whole) == (["x", "y", "z"], ["p,q"])
    assert settings.files == {"n": Path("some/file")}
    assert settings.values == {"a": "off", "b": 0.001, "c": [1, True]}
    assert [one.shown for one in settings.detectors] == ["one", "L"]
    assert settings.detectors[1].options == {"mode": "no"}
    assert set(given) == set(Everything.model_fields) - {"nested", "pair", "left_out"}


def test_only_what_the_user_gave_wins_over_a_file(everything):
    _, settings, given, _ = everything("a")
    assert given == {"inputs": ["a"]}
    assert settings.share == 30


def test_help_says_bounds_choices_and_defaults_once(everything):
    (shown,) = everything("--help")
    for text in (
        "--number N A number (at least 1 and below 9)",
        "--share X A share (above 0; default 30)",
        "--flag A flag",
        "--switch / --no-switch A switch",
        "--kind one|two A kind (default one)",
        "--texts TEXT Some texts (comma-separated)",
        "--whole TEXT Texts with commas (can be repeated)",
        "--value NAME=VALUE Some values (can be repeated)",
        "--option DETECTOR.OPTION=VALUE",
    ):
        assert text in shown
    assert "--pair" not in shown
    assert "--nested" not in shown
    assert "--left-out" not in shown
    assert shown.count("default 30") == 1


def test_a_wrong_option_is_named_as_it_was_written(invoke, tmp_path):
    (tmp_path / "config.yaml").write_text("batch_size: 0\n")
    of_file = invoke("run", tmp_path / "config.yaml")
    assert of_file.err == (
        f"d3qe-bench: {tmp_path / 'config.yaml'}: batch_size: input should be greater than or equal to 1, got 0\n"
    )
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    of_option = invoke("run", tmp_path / "config.yaml", "--batch-size", "0")
    assert of_option.err == "d3qe-bench: --batch-size: input should be greater than or equal to 1, got 0\n"


def test_predict_has_the_precision_and_the_seed_of_a_run(invoke, tmp_path):
    make_class_folders(tmp_path / "in", count=1)
    common = ("predict", tmp_path / "in", "--detectors", "learned", "--plugin", PLUGIN, "--format", "json")
    whole, short, refused = (
        invoke(*common, "--allow-untrained", "--device", "cpu", "--precision", precision)
        for precision in ("float32", "bfloat16", "float8")
    )
    assert whole.code == short.code == 0, short.err
    for one, other in zip(json.loads(whole.out), json.loads(short.out), strict=True):
        assert other["logit"] == pytest.approx(one["logit"], abs=0.2)
    assert (refused.code, "--precision: input should be 'float32'" in refused.err) == (2, True)


def test_an_option_of_a_detector_may_be_a_word_of_yaml_1_1(invoke, tmp_path):
    make_class_folders(tmp_path / "in" / "VAR", count=1)
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: [{tmp_path / 'in'}]\ndetectors: [{{name: d3qe_mini, options: {{delta_mode: off}}}}]\n"
        f"bootstrap: 0\ndevice: cpu\nout: {tmp_path / 'run'}\n"
    )
    done = invoke("run", config)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["config"]["detectors"][0]["options"] == {"delta_mode": "off"}
    named = invoke(
        "predict",
        tmp_path / "in",
        "--detectors",
        "d3qe_mini",
        "--option",
        "d3qe_mini.delta_mode=off",
        "--device",
        "cpu",
    )
    assert named.code == 0, named.err
