"""The published JSON schemas, and run folders of every schema version."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import benchmarks
from benchmarks.reports import load_metrics, render
from benchmarks.runfolder.document import SCHEMA_VERSION, json_schema
from benchmarks.runfolder.evaluate import compute_metrics
from benchmarks.runfolder.metrics_file import read_metrics
from benchmarks.runfolder.record import make_record, read_record, write_record
from benchmarks.runfolder.schemas import SCHEMAS
from benchmarks.runfolder.submission import make_submission
from registry import load_plugins
from tests.conftest import Invoke
from tests.pictures import make_class_folders

PUBLISHED = Path(benchmarks.__file__).parent / "schemas"
OLD_RUNS = sorted(Path(__file__).parents[1].joinpath("fixtures", "runs").iterdir())


def published(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PUBLISHED / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD_RUNS[-1], tmp_path / "run"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    assert published(name) == json_schema(SCHEMAS[name])
    jsonschema.Draft202012Validator.check_schema(published(name))


@pytest.mark.parametrize("calibrate_on", [None, "AR/a"])
def test_what_is_written_fits_the_schemas(old_run: Path, calibrate_on: str | None) -> None:
    catalog = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    metrics = compute_metrics(old_run, catalog, bootstrap=10, calibrate_on=calibrate_on)
    jsonschema.validate(metrics, published("metrics.schema.json"))
    jsonschema.validate(make_submission(old_run, "one", metrics), published("submission.schema.json"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.pop("cells"),
        lambda m: m["cells"][0].pop("status"),
        lambda m: m["cells"][0].update(status="fine"),
        lambda m: m["cells"][0].update(n_real=-1),
        lambda m: m["cells"][0]["metrics"].update(ap="0.5"),
        lambda m: m["means"][0]["ci"].update(ap=[0.1]),
        lambda m: m.update(schema=2),
    ],
)
def test_a_wrong_file_does_not_fit(old_run: Path, spoil: Callable[[dict[str, Any]], None]) -> None:
    metrics = copy.deepcopy(load_metrics(old_run))
    spoil(metrics)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(metrics, published("metrics.schema.json"))


def test_every_schema_version_has_a_fixture() -> None:
    assert [run.name for run in OLD_RUNS] == [f"schema-{n}" for n in range(1, SCHEMA_VERSION + 1)]


@pytest.mark.parametrize("run", OLD_RUNS, ids=lambda run: run.name)
def test_old_run_folders_still_load_render_and_compute(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    before = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert read_metrics(folder) == before
    loaded = load_metrics(folder)
    for old, new in zip(before["cells"], loaded["cells"], strict=True):
        assert old["metrics"].items() <= new["metrics"].items()
    assert all("interval" in facts for facts in loaded["metrics"].values()), "no interval of an old way"
    written = render(folder)
    assert {file.suffix for file in written} == {".md", ".csv", ".tex", ".html"}
    again = load_metrics(folder, recompute=True)
    for old, new in zip(before["cells"], again["cells"], strict=True):
        assert {k: old[k] for k in ("detector", "dataset", "status", "n_real")} == {
            k: new[k] for k in ("detector", "dataset", "status", "n_real")
        }
        for name, value in old["metrics"].items():
            assert new["metrics"][name] == (None if value is None else pytest.approx(value, abs=1e-9))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("run.json", lambda r: r.update(schema="1"), "run.json: schema is '1', this version reads 1"),
        ("metrics.json", lambda m: m.update(schema="1"), "metrics.json: schema is '1'"),
        (
            "run.json",
            lambda r: r["detectors"]["one"].update(encoders=3),
            "detectors.one.encoders: input should",
        ),
        (
            "run.json",
            lambda r: r["datasets"]["AR/a"]["asked"].pop("real"),
            "datasets.AR/a.asked.real: field req",
        ),
        (
            "metrics.json",
            lambda m: m["cells"][1]["metrics"].update(ap=float("nan")),
            "cells.1.metrics.ap: input should be a finite number, got nan",
        ),
        ("metrics.json", lambda m: m["means"][0].update(ci=[]), "metrics.json: means.0.ci: input should"),
        (
            "metrics.json",
            lambda m: m["bootstrap"].update(seed="0"),
            "bootstrap.seed: input should be a valid int",
        ),
    ],
)
def test_what_is_malformed_is_one_line_with_file_and_field(
    old_run: Path, invoke: Invoke, file: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    edited(old_run / file, change)
    result = invoke("report", old_run, "--format", "md")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert said in result.err


def test_malformed_submissions_are_one_line(old_run: Path, tmp_path: Path, invoke: Invoke) -> None:
    assert invoke("submit", old_run, "--detectors", "one", "--out", tmp_path).code == 0
    row = tmp_path / "one.json"
    for change, said in (
        (
            lambda r: r["facts"].update(untrained="no"),
            "detectors.one.untrained: input should be a valid bool",
        ),
        (lambda r: r["scores"][0].update(sha256="x"), "scores.0.sha256: string should match"),
        (lambda r: r.update(schema="1"), "one.json: schema is '1'"),
    ):
        edited(row, change)
        result = invoke("report", row, "--out", tmp_path / "site")
        assert result.code == 2
        assert len(result.err.splitlines()) == 1
        assert said in result.err
        assert str(row) in result.err


def test_keys_of_other_versions_are_kept(old_run: Path, invoke: Invoke) -> None:
    def extend(content: dict[str, Any]) -> None:
        content["later"] = {"x": 1}
        for part in ("detectors", "datasets"):
            for facts in content.get(part, {}).values():
                facts["later"] = [1]
        for cell in content.get("cells", []):
            cell["later"] = "x"

    for file in ("run.json", "metrics.json"):
        edited(old_run / file, extend)
    assert invoke("report", old_run, "--format", "md").code == 0
    record = read_record(old_run)
    write_record(old_run, record)
    content = json.loads((old_run / "run.json").read_text(encoding="utf-8"))
    assert content["later"] == {"x": 1}
    assert content["detectors"]["one"]["later"] == [1]
    assert content["schema"] == 1
    assert read_record(old_run) == record


def test_what_a_run_records_fits_the_schema_and_comes_back(invoke: Invoke, tmp_path: Path) -> None:
    make_class_folders(tmp_path / "data" / "VAR", count=5)
    arguments = ["run", "--data", tmp_path / "data", "--detectors", "random_score", "--bootstrap", "0"]
    assert invoke(*arguments, "--out", tmp_path / "run").code == 0
    content = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, published("run.schema.json"))
    write_record(tmp_path / "run", read_record(tmp_path / "run"))
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8")) == content


def test_values_that_json_lacks_are_recorded_by_name(tmp_path: Path) -> None:
    content = {"schema": 1, "detectors": {"x": {"options": {"a": math.nan, "b": (1, 2), "c": Path("d")}}}}
    record = make_record({**content, "datasets": {}, "perturbations": ()})
    write_record(tmp_path, record)
    assert read_record(tmp_path).detectors["x"].options == {"a": "NaN", "b": [1, 2], "c": "d"}
