"""The published JSON schemas, and run folders of every schema version."""

from __future__ import annotations

import copy
import json
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
from benchmarks.runfolder.schemas import SCHEMAS
from benchmarks.runfolder.submission import make_submission
from registry import load_plugins

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
    assert load_metrics(folder)["cells"] == before["cells"]
    written = render(folder)
    assert {file.suffix for file in written} == {".md", ".csv", ".tex", ".html"}
    again = load_metrics(folder, recompute=True)
    for old, new in zip(before["cells"], again["cells"], strict=True):
        assert {k: old[k] for k in ("detector", "dataset", "status", "n_real")} == {
            k: new[k] for k in ("detector", "dataset", "status", "n_real")
        }
        for name, value in old["metrics"].items():
            assert new["metrics"][name] == (None if value is None else pytest.approx(value, abs=1e-9))
