"""Runs on a GPU: the CPU's scores, the same bits every time, and what is measured and kept of the device."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.config import RunSettings
from benchmarks.speed.precision_effect import effects
from registry import View
from registry.view import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from tests.conftest import Invoke
from tests.gpu.conftest import Run, largest_difference

pytestmark = pytest.mark.gpu

MINI = "cnnspot_mini,univfd_mini,d3qe_mini"
CLOSE = 0.01
"""Ten times what noise of 1e-6 of the factors in convolutions did to logits on a CPU, and a 350th of what TF32's 10 bits did."""


def test_scores_are_those_of_the_cpu_and_the_same_bits_again(run: Run, device: str) -> None:
    here = run("here", MINI, "--workers", 2)
    assert len(here.rows) == 3 * 36
    assert str(here.record.device).startswith(device)
    assert largest_difference(here, run("cpu", MINI, on="cpu")) < CLOSE
    pd.testing.assert_frame_equal(here.rows, run("again", MINI, "--workers", 1).rows, check_exact=True)


def test_compiled_networks_score_as_on_the_cpu_and_in_any_order(run: Run, cuda: bool) -> None:
    here = run("here", MINI, "--compile")
    assert sorted(here.record.compiled) == (sorted(here.record.micro_batches) if cuda else [])
    assert largest_difference(here, run("cpu", MINI, on="cpu")) < CLOSE
    torch.compiler.reset()
    run("other", MINI, "--compile", "--batch-size", 3, limit=1)
    again = run("again", MINI, "--compile")
    pd.testing.assert_frame_equal(here.rows, again.rows, check_exact=True)


@pytest.mark.slow
def test_detectors_that_read_transformers_and_tokenizers_score_as_on_the_cpu(run: Run) -> None:
    names = "iar_mini,iar_quant_mini,iar_combined_mini,iar_scale_mini,prada_mini,prada_scale_mini"
    assert largest_difference(run("here", names, limit=1), run("cpu", names, limit=1, on="cpu")) < CLOSE


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View(scale=255.0),
        View(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        View(mean=CLIP_MEAN, std=CLIP_STD),
        View(scale=2.0, mean=(0.5,) * 3, std=(0.5,) * 3),
    ],
)
def test_every_level_becomes_the_same_bits(view: View, device: str) -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(2, 3, 1, 1)
    assert torch.equal(view.values(levels.to(device)).cpu(), view.values(levels))


def test_bfloat16_moves_no_ap_by_more_than_a_hundredth(device: str) -> None:
    settings = RunSettings.model_validate(
        {
            "data": ["mini"],
            "limit": 40,
            "detectors": [{"name": "univfd_mini"}, {"name": "d3qe_mini"}],
            "batch_size": 64,
        }
    )
    for effect in effects(settings, "bfloat16", device):
        assert effect.pictures == 480
        assert effect.logit > 0
        assert effect.ap <= 0.01, effect.detector


@pytest.mark.parametrize(("name", "network"), [("hungry", "hungry"), ("reading", "hungry-mean")])
def test_a_batch_that_the_memory_has_no_room_for_is_halved(
    name: str, network: str, run: Run, cuda: bool, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = ("--plugin", Path(__file__).with_name("hungry_plugin.py"), "--allow-untrained")
    found = run("run", f"plain,{name}", *plugin, "--workers", 0, limit=4)
    where = "cuda:0" if cuda else "cpu"
    assert [record.getMessage() for record in caplog.records if record.name == "registry.pipeline"] == [
        f"{network}: 8 pictures at once are too much for the memory of {where}: goes on with 4",
        f"{network}: 4 pictures at once are too much for the memory of {where}: goes on with 2",
    ]
    rows = found.rows.pivot(index=["dataset", "path"], columns="detector", values="logit")
    assert len(rows) == 48
    assert rows[name].to_numpy() == pytest.approx(rows["plain"].to_numpy(), abs=1e-6)


def test_the_probe_chooses_a_size_that_a_resume_keeps(run: Run, cuda: bool) -> None:
    first = run("run", "univfd_mini", "--micro-batch", "probe", "--generators", "raster")
    (chosen,) = first.record.micro_batches.values()
    assert chosen in ({2, 4, 8} if cuda else {1, 2, 4, 8})
    again = run("run", "univfd_mini", "--micro-batch", "probe")
    assert again.record.micro_batches == first.record.micro_batches
    assert largest_difference(again, run("whole", "univfd_mini")) < CLOSE


def test_costs_are_those_of_the_device(run: Run, cuda: bool) -> None:
    record = run("run", MINI, "--cost", limit=1).record
    for name in MINI.split(","):
        cost = record.detectors[name].cost
        assert cost is not None
        assert cost.pictures_per_second > 0
        assert cost.dtype == "float32"
        if cuda:
            assert (cost.device, cost.device_name) == ("cuda:0", torch.cuda.get_device_name())
            # one float32 view of each picture is the least that there is
            assert cost.peak_memory is not None
            assert cost.peak_memory > cost.pictures * 3 * 64 * 64 * 4
        else:
            assert cost.device == "cpu"


def test_the_feature_store_gives_the_same_bits_and_keeps_devices_apart(
    run: Run, cuda: bool, tmp_path: Path
) -> None:
    store = ("--features", tmp_path / "store")

    def passes(name: str) -> list[tuple[int, int]]:
        encoders = json.loads((tmp_path / name / "run.json").read_text())["encoders"]
        return [(one["pictures"], one.get("recalled", 0)) for one in encoders.values()]

    filled = run("filled", "univfd_mini,d3qe_mini", *store)
    assert all(computed and not recalled for computed, recalled in passes("filled"))
    recalled = run("recalled", "univfd_mini,d3qe_mini", *store)
    assert all(recalled and not computed for computed, recalled in passes("recalled"))
    pd.testing.assert_frame_equal(filled.rows, recalled.rows, check_exact=True)
    run("cpu", "univfd_mini,d3qe_mini", *store, on="cpu")
    assert passes("cpu") == passes("filled" if cuda else "recalled")


def test_the_cpu_goes_on_where_the_device_stopped(
    run: Run, cuda: bool, invoke: Invoke, tmp_path: Path
) -> None:
    """Which rows are whose is not recorded; how many pictures went through an encoder may differ between kinds of device alone."""
    here = run("run", MINI, "--generators", "raster", "--micro-batch", 2)
    asked = ["run", "--data", "mini", "--limit", 3, "--detectors", MINI, "--batch-size", 8, "--bootstrap", 0]
    other = invoke(*asked, "--out", tmp_path / "run", "--device", here.record.device, "--micro-batch", 1)
    assert other.code == 2
    assert "by 2, now by 1 (--micro-batch)" in other.err
    both = run("run", MINI, "--micro-batch", 1 if cuda else 2, on="cpu")
    assert both.record.device == "cpu"
    before = both.rows[both.rows["dataset"] == "mini/raster"].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, here.rows, check_exact=True)
    assert largest_difference(both, run("whole", MINI)) < CLOSE
