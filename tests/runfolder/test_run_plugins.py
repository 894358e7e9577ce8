"""Metrics of plugins do not vanish when a run's numbers are computed again without naming the plugin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.runfolder import run_plugins
from tests.conftest import Invoke
from tests.pictures import make_class_folders

PLUGIN = """
from registry import hookimpl


@hookimpl
def register_metrics(register):
    register("spread", spread, summary="standard deviation of the logits")


def spread(labels, logits):
    return logits.std()
"""


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Each line is printed once per process, and these commands share one."""
    run_plugins._report.cache_clear()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a plugin file."""
    folder = tmp_path_factory.mktemp("plugins")
    make_class_folders(folder / "data" / "VAR", count=6)
    (folder / "own.py").write_text(PLUGIN, encoding="utf-8")
    return folder


@pytest.fixture
def run(done: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with two detectors that are named with a relative path to the plugin."""
    shutil.copy(done / "own.py", tmp_path / "own.py")
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        result = invoke(
            *("run", "--data", done / "data", "--plugin", "own.py", "--out", tmp_path / "run"),
            *("--detectors", "a=random_score,b=random_score", "--option", "b.seed=1", "--bootstrap", "20"),
        )
    assert result.code == 0, result.err
    return tmp_path / "run"


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def test_recomputing_loads_the_plugins_of_the_run(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    before = metrics(run)
    assert before["cells"][0]["metrics"]["spread"] > 0

    result = invoke("report", run, "--recompute", "--metric", "spread")

    assert result.code == 0, result.err
    assert result.err == ""
    assert metrics(run) == before
    comparisons = (run / "leaderboard.comparisons.csv").read_text(encoding="utf-8")
    assert "spread,none,AR,VAR,paired bootstrap" in comparisons
    assert invoke("submit", run, "--out", tmp_path / "rows").code == 0
    assert invoke("submit", run, "--check", tmp_path / "rows" / "a.json").code == 0


def test_a_rerun_without_the_plugin_keeps_its_metric(run: Path, done: Path, invoke: Invoke) -> None:
    result = invoke(
        *("run", "--data", done / "data", "--out", run, "--detectors", "c=random_score", "--bootstrap", "20")
    )
    assert result.code == 0, result.err
    assert all(cell["metrics"]["spread"] for cell in metrics(run)["cells"])


def test_a_plugin_file_that_is_gone_is_named_with_what_to_do(
    run: Path, tmp_path: Path, invoke: Invoke
) -> None:
    before = metrics(run)
    moved = (tmp_path / "own.py").rename(tmp_path / "moved.py")

    result = invoke("report", run, "--recompute")

    assert result.code == 0
    (line,) = result.err.splitlines()
    assert line == (
        f"metric spread is not computed: its plugin file {tmp_path / 'own.py'} is gone: "
        "say where it is with --plugin FILE"
    )
    assert "spread" not in metrics(run)["metrics"]
    assert metrics(run)["not_computed"] == {"spread": line.partition("computed: ")[2]}

    result = invoke("report", run, "--plugin", moved)
    assert result.code == 0, result.err
    assert metrics(run) == before


@pytest.mark.parametrize(("listed", "kept"), [("", False), ("own", True)])
def test_the_restriction_of_plugins_is_respected(
    run: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, listed: str, kept: bool
) -> None:
    monkeypatch.setenv("D3QE_BENCH_PLUGINS", listed)
    result = invoke("report", run, "--recompute", "--format", "md")
    assert result.code == 0
    assert ("spread" in metrics(run)["metrics"]) is kept
    assert ("its plugin own is not in D3QE_BENCH_PLUGINS: add it there" in result.err) is not kept


def test_records_of_older_versions_name_the_file_in_the_origin(run: Path, invoke: Invoke) -> None:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    for plugin in record["plugins"]:
        plugin["origin"] = plugin["origin"].replace("own.py", str(run.parent / "own.py"))
        del plugin["file"]
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert invoke("report", run, "--recompute", "--format", "md").code == 0
    assert "spread" in metrics(run)["metrics"]
