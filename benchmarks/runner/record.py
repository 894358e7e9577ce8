"""run.json: what was asked, of which data, with which weights and versions; and whether a rerun may resume."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.config import RunSettings
from benchmarks.files import write_json
from benchmarks.scores import cells
from registry import Catalogs, TestSet, UserError
from registry.dataset import FAKE, REAL

RECORD_SCHEMA = 1
RECORD_FILE = "run.json"

_DISTRIBUTIONS = [
    "d3qe-bench",
    "torch",
    "torchvision",
    "open_clip_torch",
    "mmengine",
    "pluggy",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "scikit-learn",
    "scipy",
]

# what a score depends on, by where it is recorded; a change of any of them makes old rows unusable
_DETECTOR_FACTS = {
    "weights": "weights file",
    "encoders": "encoder",
    "inputs": "view",
    "options": "set of options",
    "name": "registry name",
}


def new_record(
    settings: RunSettings,
    command: Sequence[str],
    catalogs: Catalogs,
    detectors: Mapping[str, Mapping[str, Any]],
    test_sets: Sequence[tuple[TestSet, str]],
    perturbations: Sequence[str],
    device: str,
) -> dict[str, Any]:
    """The record of a run. test_sets: each with its fingerprint."""
    return {
        "schema": RECORD_SCHEMA,
        "command": list(command),
        "config": settings.model_dump(mode="json"),
        "versions": versions(),
        "git": git_state(),
        "device": device,
        "device_name": device_name(device),
        "dtype": settings.precision,
        "seed": settings.seed,
        "fair": settings.fair,
        "plugins": [dataclasses.asdict(plugin) for plugin in catalogs.plugins],
        "detectors": {name: dict(record) for name, record in detectors.items()},
        "datasets": {
            test_set.name: {
                "paradigm": test_set.paradigm,
                "generator": test_set.generator,
                "asked": {"real": test_set.count(REAL), "fake": test_set.count(FAKE)},
                "fingerprint": fingerprint,
                "fingerprint_of": settings.fingerprint,
                **({"prepare": str(test_set.prepare)} if test_set.prepare else {}),
            }
            for test_set, fingerprint in test_sets
        },
        "perturbations": list(perturbations),
    }


def versions() -> dict[str, str]:
    """Python, platform and the distributions that a score may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that the code runs from and whether it has changes; None outside of one."""
    root = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def device_name(device: str) -> str:
    """What the device calls itself."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def read_record(run: Path) -> dict[str, Any] | None:
    """The record of a run folder, or None where there is none yet.

    Raises:
        UserError: it is not a record, or of a newer schema.
    """
    path = run / RECORD_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        schema = record["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the record of a run: {error}") from error
    if schema > RECORD_SCHEMA:
        raise UserError(
            f"{path} has schema {schema}, this version reads up to {RECORD_SCHEMA}: upgrade d3qe-bench"
        )
    return dict(record)


def merged_record(old: Mapping[str, Any] | None, new: dict[str, Any], run: Path) -> dict[str, Any]:
    """The record of a run folder after one more command: what it held stays listed.

    Raises:
        UserError: rows are there that were made from other weights, views, data or seeds.
    """
    if old is None:
        return new
    changes = [*_changed_run(old, new), *_changed_detectors(old, new, run), *_changed_data(old, new, run)]
    if changes:
        raise UserError(f"{run} cannot be resumed: {'; '.join(changes)}. Choose another --out")
    perturbations = [
        *old["perturbations"],
        *(p for p in new["perturbations"] if p not in old["perturbations"]),
    ]
    return {
        **new,
        "detectors": {**old["detectors"], **new["detectors"]},
        "datasets": {**old["datasets"], **new["datasets"]},
        "perturbations": perturbations,
    }


def _changed_run(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    changes = [
        f"its {key} was {old[key]!r}, now {new[key]!r}" for key in ("seed", "dtype") if old[key] != new[key]
    ]
    # means over test sets must not mix views; records from before there were any have no such key
    views = [", ".join(record.get("fair", [])) or "none" for record in (old, new)]
    if views[0] != views[1]:
        changes.append(f"its fair view was {views[0]}, now {views[1]}")
    return changes


def _changed_detectors(old: Mapping[str, Any], new: Mapping[str, Any], run: Path) -> list[str]:
    scored = {cell.detector for cell in cells(run)}
    changes = []
    for name in sorted(scored & new["detectors"].keys() & old["detectors"].keys()):
        before, now = old["detectors"][name], new["detectors"][name]
        if not before["failed"] and not now["failed"]:
            changes += [
                f"{what} of {name}" for key, what in _DETECTOR_FACTS.items() if before[key] != now[key]
            ]
    return [f"its scores were made with another {change}" for change in changes]


def _changed_data(old: Mapping[str, Any], new: Mapping[str, Any], run: Path) -> list[str]:
    scored = {cell.dataset for cell in cells(run)}
    return [
        f"its scores were made on other pictures of {name}"
        for name in sorted(scored & new["datasets"].keys() & old["datasets"].keys())
        if old["datasets"][name] != new["datasets"][name]
    ]


def write_record(run: Path, record: Mapping[str, Any]) -> None:
    """Write run.json atomically."""
    write_json(run / RECORD_FILE, record)
