"""`--compile` through the commands: recorded, held to by whoever goes on with the folder, and apart in the feature store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks.runfolder.scores import read_scores
from benchmarks.runner import forecast
from benchmarks.runner.run import _agree_on_compiled
from registry import UserError, compiled
from tests.pictures import make_test_sets
from tests.runner import compile_plugin

PLUGIN = compile_plugin.__file__
PROBE = "{name: univfd, options: {size: 28, resize: 32, clip: tiny-clip, features: 12}}"
OTHER = (
    "{name: univfd, label: other, options: {size: 32, resize: 40, clip: mini-image-encoder, features: 608}}"
)


@pytest.fixture
def graphs(monkeypatch):
    """Graphs are made and run as they are, without a compiler."""
    real, made = torch.compile, []

    def note(module, inputs):
        made.append(module)
        return module.forward

    monkeypatch.setattr(
        torch, "compile", lambda forward, *, options, **more: real(forward, backend=note, **more)
    )
    torch._dynamo.reset()
    compiled.check_compiler.cache_clear()
    yield made
    torch._dynamo.reset()
    compiled.check_compiler.cache_clear()


@pytest.fixture
def run(invoke, tmp_path):
    data, config = make_test_sets(tmp_path / "data"), tmp_path / "config.yaml"
    config.write_text(
        f"allow_untrained: true\nbootstrap: 0\nbatch_size: 5\ndevice: cpu\nplugins: [{PLUGIN}]\n"
        f"detectors: [{PROBE}, {OTHER}]\n"
    )

    def call(name, *more):
        done = invoke("run", config, "--data", data, "--out", tmp_path / name, *more)
        file = tmp_path / name / "run.json"
        return done, json.loads(file.read_text()) if file.is_file() else {}

    return call


def logits(folder: Path):
    rows = read_scores(folder).sort_values(["detector", "dataset", "path"])
    assert rows["error"].isna().all()
    return rows["logit"].to_numpy()


def test_what_was_compiled_is_recorded_and_another_choice_is_refused(run, graphs, tmp_path):
    done, record = run("run", "--compile", "--generators", "VAR")
    assert done.code == 0, done.err
    assert record["compiled"] == ["tiny-clip"]
    assert record["micro_batches"] == {"tiny-clip": None, "mini-image-encoder": None}
    assert len(graphs) >= 2

    refused, record = run("run")
    assert (refused.code, record["compiled"]) == (2, ["tiny-clip"])
    assert "its encoder tiny-clip ran compiled, now as it is (--compile). Choose another --out" in refused.err
    assert refused.err.count("\n") == 1
    done, record = run("run", "--compile")
    assert (done.code, record["compiled"]) == (0, ["tiny-clip"])

    plain, record = run("plain")
    assert (plain.code, record["compiled"]) == (0, [])
    assert logits(tmp_path / "run") == pytest.approx(logits(tmp_path / "plain"), abs=1e-5)
    refused, _ = run("plain", "--compile")
    assert "its encoder tiny-clip ran as it is, now compiled (--compile)" in refused.err


def test_the_feature_store_keeps_rows_of_compiled_networks_apart(run, graphs, tmp_path):
    store = ("--features", tmp_path / "store")
    passes = []
    for name, more in (("plain", ()), ("compiled", ("--compile",)), ("again", ("--compile",))):
        done, record = run(name, *store, *more)
        assert done.code == 0, done.err
        found = record["encoders"]
        passes.append([found[one].get("recalled", 0) for one in ("tiny-clip", "mini-image-encoder")])
    assert passes == [[0, 0], [0, 36], [36, 36]]


def test_costs_and_probes_are_measured_with_it(run, graphs):
    done, record = run("run", "--compile", "--cost", "--micro-batch", "probe", "--generators", "VAR")
    assert done.code == 0, done.err
    plain, other = run("plain", "--cost", "--generators", "VAR")
    assert plain.code == 0, plain.err
    assert record["micro_batches"]["tiny-clip"] in (1, 2, 4, 5)
    of_both = [one["detectors"]["univfd"]["cost"]["flops"] for one in (record, other)]
    assert of_both[0] == of_both[1] > 0


def test_without_a_compiler_it_is_one_line_before_the_first_picture(run, graphs, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(torch, "compile", broken)
    done, record = run("run", "--compile")
    assert (done.code, record, done.err.count("\n")) == (2, {}, 1)
    assert "--compile needs a C++ compiler, such as g++: install it or leave --compile out" in done.err
    monkeypatch.setattr(forecast, "SECONDS", 0.1)
    assert run("run", "--compile", "--dry-run")[0].code == 0, "which compiles nothing"


def test_processes_that_compile_other_encoders_than_the_first_are_refused():
    def plan(*by_rank):
        processes = SimpleNamespace(gather=lambda _: by_rank)
        return SimpleNamespace(
            processes=processes, session=SimpleNamespace(encoders=SimpleNamespace(compiled=[]))
        )

    _agree_on_compiled(plan(["clip"], ["clip"]))
    with pytest.raises(UserError, match="process 1 compiles nothing, the first one clip: start all with"):
        _agree_on_compiled(plan(["clip"], []))


@pytest.mark.slow
def test_scores_by_a_real_compiler_and_the_line_where_there_is_none(command, tmp_path):
    data, config = make_test_sets(tmp_path / "data"), tmp_path / "config.yaml"
    config.write_text(
        f"allow_untrained: true\nbootstrap: 0\nbatch_size: 5\ndevice: cpu\nplugins: [{PLUGIN}]\ndetectors: [{PROBE}]\n"
    )
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}

    def call(name, *more, **also):
        arguments = ("run", config, "--data", data, "--out", tmp_path / name, *more)
        return command(*arguments, env={**os.environ, **environment, **also})

    none = call("none", "--compile", CXX="/nowhere/g++")
    assert (none.returncode, none.stderr.count("\n")) == (2, 1), none.stderr
    assert "--compile needs a C++ compiler, such as g++: install it or leave --compile out" in none.stderr
    for done in (call("compiled", "--compile"), call("plain")):
        assert done.returncode == 0, done.stderr
    assert logits(tmp_path / "compiled") == pytest.approx(logits(tmp_path / "plain"), abs=1e-4)
    gone = call("gone", "--compile", CXX="/nowhere/g++")
    assert (gone.returncode, "--compile needs a C++ compiler" in gone.stderr) == (2, True), (
        "whatever is cached"
    )
