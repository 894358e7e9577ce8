"""The table of an ablation: the run's means, numbers of figures, and why there is none."""

from __future__ import annotations

import json

import pytest
import typer
import yaml
from typer.testing import CliRunner

from benchmarks.ablation_table import AblationRow, main, markdown
from tests.contracts.test_detectors import TOY
from tests.training.conftest import write_config


def test_gaps_have_reasons():
    rows = [
        AblationRow("a|b", {"mean acc": [0.51234], "x": []}, reasons=["a has no x"]),
        AblationRow("c", {"mean acc": [0.5, 1.0], "x": [2.5, 3.5]}, (0, 4)),
    ]
    assert markdown(rows).splitlines() == [
        "| network | seeds | mean acc | x |",
        "|:--|:--|--:|--:|",
        "| a\\|b | one training | 0.512 | – |",
        "| c | 0, 4 | 0.75 ± 0.35 (0.5 to 1) | 3 ± 0.71 (2.5 to 3.5) |",
        "",
        "– a has no x",
    ]


@pytest.mark.slow
def test_from_trainings_to_the_table(invoke, tmp_path, training_set, validation_set):
    networks = {"whole": {"delta_mode": "paper"}, "plain": {"attention": "plain"}}
    configs, detectors = [], []
    for name, options in networks.items():
        (tmp_path / name).mkdir()
        detector = {"name": "d3qe", "options": {**TOY["d3qe"], **options}}
        configs.append(
            write_config(tmp_path / name, training_set, validation_set, epochs=1, detector=detector)
        )
        detectors.append(
            {**detector, "label": name, "weights": str(tmp_path / name / "out/best.safetensors")}
        )
    assert invoke("train", *configs).code == 0
    run = tmp_path / "run.yaml"
    request = {
        "data": [str(training_set.root)], "detectors": detectors, "allow_untrained": True,
        "bootstrap": 0, "out": str(tmp_path / "run"), "device": "cpu",
    }  # fmt: skip
    run.write_text(yaml.safe_dump(request))
    early = _table(run)
    assert early.exception is not None
    assert invoke("run", run).code == 0
    done = _table(run, "--number", "delta_sensitivity:noise.mean")
    assert done.exit_code == 0, done.output
    head, _, whole, plain, _, reason = (tmp_path / "run/ablations.md").read_text().splitlines()
    assert head == "| network | seeds | mean acc | mean ap | noise.mean |"
    numbers = json.loads((tmp_path / "run/figures/whole/delta_sensitivity.json").read_text())
    assert whole.endswith(f"| {numbers['noise']['mean']:.3g} |")
    assert plain.startswith("| plain |")
    assert plain.endswith("| – |")
    assert reason == "– plain is a plain transformer, which does not read ΔD"
    means = json.loads((tmp_path / "run/metrics.json").read_text())["means"]
    (ap,) = [m["metrics"]["ap"] for m in means if m["detector"] == "whole" and m["scope"] == "all"]
    assert whole.split(" | ")[3] == f"{ap:.3g}"


def _table(*arguments):
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, list(map(str, arguments)))
