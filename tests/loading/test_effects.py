"""`--precision auto` goes by what was measured of these very weights, on a device where it pays, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer

from benchmarks.loading import effects, open_session
from benchmarks.loading.effects import Effect, identity_of, keep_effects, read_effects
from benchmarks.runfolder.scores import read_scores
from benchmarks.speed.precision_effect import main
from registry import UserError

PACKAGED = Path(effects.__file__).with_name("precision_effects.json")
PROBE = (
    "{name: univfd, label: probe, options: {size: 32, resize: 40, clip: mini-image-encoder, features: 608}}"
)


@pytest.fixture(autouse=True)
def bfloat16_cpu(monkeypatch, tmp_path):
    monkeypatch.setattr(effects, "_cpu_flags", lambda: ["avx2", "avx512_bf16"])
    monkeypatch.setenv("D3QE_BENCH_EFFECTS", str(tmp_path / "effects"))


@pytest.fixture
def run(invoke, tmp_path):
    def call(name, *detectors, precision="auto"):
        config, out = tmp_path / "config.yaml", tmp_path / name
        config.write_text(
            f"allow_untrained: true\nbootstrap: 0\nlimit: 2\ngenerators: [raster]\ndetectors: [{', '.join(detectors)}]\n"
        )
        done = invoke("run", config, "--data", "mini", "--precision", precision, "--out", out)
        assert done.code == 0, done.err
        return done.err, json.loads((out / "run.json").read_text())

    return call


def test_what_was_measured_of_the_embedded_detectors_is_of_the_weights_that_are_shipped():
    known = {one.detector: one for one in read_effects(PACKAGED)}
    assert {"d3qe_mini", "univfd_mini", "iar_mini"} <= known.keys()
    session = open_session(detectors=list(known))
    assert {name: one.identity for name, one in known.items()} == {
        name: identity_of(session.records[name]) for name in known
    }
    assert all(one.within and one.device == "cpu" and one.pictures == 480 for one in known.values())


def test_the_lower_precision_is_chosen_where_its_effect_is_known_and_small(run, tmp_path):
    said, record = run("auto", "{name: univfd_mini}")
    assert record["dtype"] == "bfloat16"
    assert "univfd_mini: bfloat16: |ΔAP| ≤ 0.00" in said
    assert record["detectors"]["univfd_mini"]["precision"] in said
    asked = run("asked", "{name: univfd_mini}", precision="bfloat16")[1]
    assert asked["dtype"] == "bfloat16"
    rows = [
        read_scores(tmp_path / name).sort_values(["detector", "dataset", "path"]).reset_index(drop=True)
        for name in ("auto", "asked")
    ]
    pd.testing.assert_frame_equal(*rows, check_exact=True)


def test_one_detector_of_unknown_effect_keeps_all_in_float32_until_it_is_measured(run, tmp_path):
    said, record = run("unknown", "{name: univfd_mini}", PROBE)
    assert record["dtype"] == "float32"
    assert "univfd_mini: float32: bfloat16 would do" in said
    assert "but not for probe" in said
    assert "probe: float32: what bfloat16 does to the scores of these weights was not measured" in said

    measured = Effect(
        detector="univfd",
        identity=identity_of(record["detectors"]["probe"]),
        precision="bfloat16",
        device="cpu",
        torch="2.6",
        data=["VAR"],
        pictures=100,
        logit=0.5,
        ap=0.02,
        flipped=None,
    )
    keep_effects([measured], effects.effects_file())
    said, record = run("too-much", PROBE)
    assert (record["dtype"], "bfloat16 moves AP by more than 0.01 (|ΔAP| ≤ 0.0200" in said) == (
        "float32",
        True,
    )
    keep_effects([measured.model_copy(update={"ap": 0.01})], effects.effects_file())
    assert len(read_effects(effects.effects_file())) == 1, "the newer one stands in the older one's place"
    assert run("known", "{name: univfd_mini}", PROBE)[1]["dtype"] == "bfloat16"


def test_where_bfloat16_is_no_faster_nothing_is_lowered(run, monkeypatch):
    monkeypatch.setattr(effects, "_cpu_flags", lambda: ["avx2"])
    said, record = run("slow", "{name: univfd_mini}")
    assert record["dtype"] == "float32"
    assert "univfd_mini: float32: this CPU has no instructions for bfloat16" in said


def test_what_was_measured_of_networks_as_they_are_says_nothing_of_compiled_ones(run, monkeypatch):
    monkeypatch.setattr(effects, "is_compiled", lambda session, detector: True)
    said, record = run("compiled", "{name: univfd_mini}")
    assert record["dtype"] == "float32"
    assert "does to the scores of these weights, compiled, was not measured" in said
    assert "precision_effect --record --compile" in said


def test_the_script_keeps_what_it_measured(capsys):
    with pytest.raises(typer.Exit):
        main(detectors="univfd_mini", limit=3, record=True)
    (kept,) = read_effects(effects.effects_file())
    assert (kept.detector, kept.pictures, kept.precision) == ("univfd_mini", 36, "bfloat16")
    assert kept.identity == identity_of(open_session(detectors=["univfd_mini"]).records["univfd_mini"])
    assert f"{kept.logit:.4f}" in capsys.readouterr().out


def test_a_damaged_file_of_effects_is_named(tmp_path):
    file = tmp_path / "effects.json"
    assert read_effects(file) == []
    file.write_text('{"effects": [{"detector": "it"}]}')
    with pytest.raises(UserError, match="is no file of effects: remove it"):
        read_effects(file)
