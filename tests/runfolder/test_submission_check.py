"""Any field of a submission that is not what its run gives is refused by name, through the public command."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.files import write_json
from benchmarks.runfolder import submission_check
from benchmarks.runfolder.evaluate import compute_metrics, evaluate_run
from benchmarks.runfolder.record import read_record
from benchmarks.runfolder.run_plugins import recorded_metrics
from benchmarks.runfolder.scores import Cell
from benchmarks.runfolder.submission import read_submission, submission_of
from benchmarks.runfolder.submission_check import problems
from registry import UserError, load_plugins
from tests.conftest import Invoke
from tests.metrics.samples import normal
from tests.runs import Rows, dataset, detector, make_run, rows_of

Place = tuple[str | int, ...]


# so many that intervals depend on the number of resamples
SETS = {"AR/VAR": dataset("AR", "VAR", 60, 60), "GAN/b": {**dataset("GAN", "b", 50, 50), "prepare": "64x64"}}
DETECTOR = detector(
    name="cnnspot",
    options={"blocks": [1, 1]},
    protocol="original",
    weights={"file": "cnnspot.pth", "sha256": "ab" * 32},
    trained_on="VAR: 3 real, 2 generated",
    training={
        "fingerprint": "ef" * 32,
        "real": 3,
        "fake": 2,
        "sets": [{"name": "VAR", "real": 3, "fake": 2, "prepare": "", "fingerprint": "01" * 32}],
    },
    identity="of a host",
    encoders={"clip": "cd" * 32},
    inputs={"image": "View(crop=224)"},
    card={
        "licence": "MIT",
        "white_box_for": ["VAR"],
        "reported": [{"on": "VAR", "metric": "acc", "value": 0.5, "source": "arXiv"}],
    },
)
PROVENANCE = {
    "command": ["d3qe-bench", "run"],
    "versions": {"torch": "2.15.0", "scipy": "1.17.1"},
    "git": {"commit": "00ff", "changed": False},
    "device": "cpu",
    "device_name": "x86_64, 2 threads",
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two detectors that records all it can, with thresholds chosen on one of its test sets."""

    def rows(cell: Cell) -> Rows:
        asked = SETS[cell.dataset]["asked"]
        return rows_of(*normal(asked["real"], asked["fake"], 1.0, seed=len(cell.dataset + cell.detector)))

    folder = make_run(
        tmp_path_factory.mktemp("tampered") / "run", {"one": DETECTOR, "two": DETECTOR}, SETS, rows
    )
    content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    write_json(folder / "run.json", {**content, **PROVENANCE})
    catalog = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    evaluate_run(folder, catalog, bootstrap=20, calibrate_on="AR/VAR", fpr=0.2)
    return folder


@pytest.fixture
def row(run: Path, tmp_path: Path, invoke: Invoke) -> dict[str, Any]:
    assert invoke("submit", run, "--detectors", "one", "--out", tmp_path).code == 0
    content: dict[str, Any] = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    return content


def leaves(content: Any, place: Place = ()) -> Iterator[Place]:
    """Where every value stands that holds no others."""
    inner = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    inside = list(inner)
    if not inside:
        yield place
    for key, value in inside:
        yield from leaves(value, (*place, key))


def other(value: Any) -> Any:
    """A value like it, and not it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 1e-6
    if isinstance(value, str):
        return "0" * 64 if re.fullmatch("[0-9a-f]{64}", value) else f"{value}x"
    return {"x": 1} if value == {} else ["x"] if value == [] else 0.5


def changed(content: dict[str, Any], place: Place) -> dict[str, Any]:
    found = copy.deepcopy(content)
    holder = reduce(lambda inside, key: inside[key], place[:-1], found)
    holder[place[-1]] = other(holder[place[-1]])
    return found


def test_a_true_row_passes(run: Path, row: dict[str, Any], tmp_path: Path, invoke: Invoke) -> None:
    file = tmp_path / "row.json"
    file.write_text(json.dumps(row), encoding="utf-8")
    result = invoke("submit", run, "--check", file)
    assert (result.code, result.err) == (0, "")
    assert "every field is what" in result.out
    assert row["calibrated"]["on"] == "AR/VAR"
    assert row["calibrated"]["fpr"] == 0.2
    assert row["calibrated"]["at_fpr"].keys() == {"one"}


def names(place: Place, lines: list[str]) -> bool:
    """Whether a line of the refusal holds every name on the way to a field; items of lists go by their own names."""
    return any(all(str(key) in line for key in place if isinstance(key, str)) for line in lines)


def refusal(file: Path, run: Path) -> list[str]:
    try:
        return problems(read_submission(file), run)
    except UserError as error:
        return [str(error)]


def test_every_changed_field_is_refused_by_name(
    run: Path, row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the same catalogue, and the same numbers of the same run, some hundred times
    catalogs, compute = recorded_metrics(read_record(run)), submission_check.compute_metrics
    known: dict[tuple[Any, ...], Any] = {}

    def remembered(run: Path, catalog: Any, resamples: int, **validation: Any) -> Any:
        key = resamples, *validation.values()
        known[key] = known.get(key) or compute(run, catalog, resamples, **validation)
        return known[key]

    monkeypatch.setattr(submission_check, "recorded_metrics", lambda record, plugins: catalogs)
    monkeypatch.setattr(submission_check, "compute_metrics", remembered)
    file = tmp_path / "row.json"
    passed = []
    for place in leaves(row):
        file.write_text(json.dumps(changed(row, place)), encoding="utf-8")
        if not names(place, found := refusal(file, run)):
            passed.append((place, found))
    assert not passed


def test_the_command_refuses_a_field_of_every_part(
    run: Path, row: dict[str, Any], tmp_path: Path, invoke: Invoke
) -> None:
    parts = {place[0]: place for place in leaves(row)}
    assert parts.keys() == row.keys()
    for place in parts.values():
        (tmp_path / "row.json").write_text(json.dumps(changed(row, place)), encoding="utf-8")
        result = invoke("submit", run, "--check", tmp_path / "row.json")
        assert result.code in (1, 2)
        assert names(place, result.err.splitlines())


def test_added_and_dropped_fields_are_refused(run: Path, row: dict[str, Any]) -> None:
    more = copy.deepcopy(row)
    more["facts"]["note"] = "trust me"
    more["cells"].append({**more["cells"][0], "dataset": "AR/c"})
    more["scores"].append(more["scores"][0])
    assert [line.partition(": ")[0] for line in problems(cast(Any, more), run)] == [
        "facts.note",
        "cells[AR/c under none]",
        "scores[AR/VAR under none]",
    ]
    fewer = copy.deepcopy(row)
    del fewer["facts"]["inputs"], fewer["means"][0], fewer["cells"][0]["generator"]
    assert [line.partition(": ")[0] for line in problems(cast(Any, fewer), run)] == [
        "facts.inputs",
        "cells[AR/VAR under none].generator",
        "means[AR under none]",
    ]


def test_a_number_of_resamples_that_no_interval_needs_is_that_of_the_run(
    tmp_path: Path, invoke: Invoke
) -> None:
    """With so few pictures all intervals are exact, so they do not tell with how many resamples a row was made."""
    sets = {"AR/VAR": dataset("AR", "VAR", 4, 4)}
    run = make_run(
        tmp_path / "run", {"one": DETECTOR}, sets, lambda cell: rows_of(*normal(4, 4, 1.0, seed=0))
    )
    evaluate_run(run, load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics, bootstrap=20)
    file = tmp_path / "one.json"
    assert invoke("submit", run, "--out", tmp_path).code == 0
    assert invoke("submit", run, "--check", file).code == 0
    row = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(changed(row, ("bootstrap", "resamples"))), encoding="utf-8")
    result = invoke("submit", run, "--check", file)
    assert result.code == 1
    assert "bootstrap.resamples: 21 in the row, 20 in the run" in result.err


def test_a_row_outlives_another_number_of_resamples_in_its_run(
    run: Path, row: dict[str, Any], tmp_path: Path
) -> None:
    """metrics.json can be computed again: the row's own number is right if its intervals need it."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    catalog = load_plugins(environ={"D3QE_BENCH_PLUGINS": ""}).metrics
    evaluate_run(folder, catalog, bootstrap=25, calibrate_on="AR/VAR", fpr=0.2)
    assert problems(cast(Any, row), folder) == []


def test_a_true_row_of_an_incomplete_run_is_refused(run: Path, row: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.rmtree(Cell("one", "GAN/b", "none").folder(folder))
    metrics = compute_metrics(
        folder, recorded_metrics(read_record(folder)).catalog, 20, calibrate_on="AR/VAR", fpr=0.2
    )
    found = problems(submission_of(folder, read_record(folder), "one", metrics), folder)
    assert found == ["one is not complete on 1 of 2 cells; first GAN/b under none: no picture was reached"]
