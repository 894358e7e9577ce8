"""What a detector costs, against numbers worked out by hand, in the record and in every report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks.reports.board import BoardRow
from benchmarks.reports.cost import CostRow, _with_front, short
from benchmarks.runfolder.record import CostRecord
from tests.pictures import make_test_sets

PLUGIN = """
import torch
from torch import nn

from registry import Detector, Encoder, EncoderSpec, Feature, View, hookimpl

VIEW = View(resize=32, crop=32)


class Halves(Encoder):
    outputs = ("feature",)

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 5, 1)

    def load_weights(self, path):
        raise NotImplementedError

    def forward(self, images, outputs):
        return {"feature": self.mix(images).mean((2, 3))}


class Small(Detector):
    inputs = {"picture": VIEW, "feature": Feature(EncoderSpec("halves"), VIEW, "feature")}

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4 + 5, 1)
        self.fixed = nn.Parameter(torch.zeros(7), requires_grad=False)

    def forward(self, inputs):
        seen = self.net(inputs["picture"]).mean((2, 3))
        return self.head(torch.cat([seen, inputs["feature"]], 1)).squeeze(1)


class Constant(Detector):
    inputs = {"picture": VIEW}

    def forward(self, inputs):
        return inputs["picture"].mean((1, 2, 3))


@hookimpl
def register_encoders(register):
    register("halves", Halves, summary="a 1 x 1 convolution")


@hookimpl
def register_detectors(register):
    register("small", Small, summary="a 3 x 3 convolution")
    register("constant", Constant, summary="the mean level", needs_weights=False)
"""


def test_costs_are_those_worked_out_by_hand_and_are_kept_by_a_resume(invoke, tmp_path: Path) -> None:
    plugin = tmp_path / "cost_plugin.py"
    plugin.write_text(PLUGIN)
    data = make_test_sets(tmp_path / "data")
    run = tmp_path / "run"
    command = ["run", "--data", str(data), "--plugin", str(plugin), "--detectors", "small,constant"]
    command += ["--allow-untrained", "--bootstrap", "0", "--out", str(run)]
    assert invoke(*command).code == 0
    record = json.loads((run / "run.json").read_text())
    assert "cost" not in record["detectors"]["small"]
    assert not (run / "leaderboard.pareto.svg").exists()
    before = {file: file.stat().st_mtime_ns for file in (run / "scores").rglob("*.parquet")}

    result = invoke(*command, "--cost")
    assert result.code == 0, result.err
    assert {file: file.stat().st_mtime_ns for file in before} == before, "measuring scores nothing again"
    record = json.loads((run / "run.json").read_text())
    cost = record["detectors"]["small"]["cost"]
    pixels = 32 * 32
    assert cost["flops"] == 2 * pixels * (4 * 3 * 9 + 5 * 3) + 2 * 9
    assert cost["parameters_trained"] == (4 * 3 * 9 + 4) + (9 + 1)
    assert cost["parameters_frozen"] == (5 * 3 + 5) + 7
    assert cost["pictures"] == 8
    assert cost["pictures_per_second"] > 0
    assert (cost["device"], cost["dtype"]) == ("cpu", "float32")
    free = record["detectors"]["constant"]["cost"]
    assert (free["flops"], free["parameters_trained"], free["parameters_frozen"]) == (0, 0, 0)

    rows = {
        row["detector"]: row
        for row in csv.DictReader((run / "leaderboard.cost.csv").read_text().splitlines())
    }
    assert rows["small"]["flops"] == str(cost["flops"])
    assert rows["small"]["front"] == "false", "untrained"
    assert rows["constant"]["front"] == "true"
    assert "## Cost on cpu" in (run / "leaderboard.md").read_text()
    page = (run / "leaderboard.html").read_text()
    assert page.count("<svg") == 1
    assert ">constant</text>" in page
    assert (run / "leaderboard.pareto.svg").read_text().startswith("<svg")
    assert "cost on cpu" in result.out

    assert invoke(*command).code == 0
    assert json.loads((run / "run.json").read_text())["detectors"]["small"]["cost"] == cost


def test_the_front_is_what_no_other_beats_in_both() -> None:
    def row(name: str, value: float | None, speed: float, untrained: bool = False) -> CostRow:
        cost = CostRecord(
            device="cpu",
            device_name="x",
            dtype="float32",
            pictures=8,
            pictures_per_second=speed,
            flops=0.0,
            parameters_trained=0,
            parameters_frozen=0,
        )
        return CostRow(BoardRow("run", name, name, untrained), cost, value)

    rows = [
        row("fast", 0.6, 100.0),
        row("beaten", 0.6, 50.0),
        row("good", 0.9, 10.0),
        row("equal", 0.9, 10.0),
        row("slow", 0.8, 1.0),
        row("fresh", 0.99, 1000.0, untrained=True),
        row("none", None, 2000.0),
    ]
    assert [one.row.label for one in _with_front(rows, True) if one.front] == ["fast", "good", "equal"]
    assert [one.row.label for one in _with_front(rows, False) if one.front] == ["fast"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "–"), (0, "0"), (999, "999"), (1280, "1.28 k"), (7_680_003, "7.68 M"), (3e11, "300 G")],
)
def test_numbers_are_short(number: float | None, text: str) -> None:
    assert short(number) == text
