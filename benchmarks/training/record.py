"""What a training was made of, and whether a folder's checkpoints are of the same."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.training.checkpoints import newest
from benchmarks.training.loaders import Splits
from benchmarks.training.processes import Processes
from benchmarks.training.settings import TrainSettings
from registry import UserError

_MAY_CHANGE = {
    "epochs", "keep", "workers", "device", "launcher", "out", "plugins", "feature_cache"
}  # fmt: skip
"""Settings that a resumed training may have different: they do not change what an epoch computes."""


def describe(settings: TrainSettings, splits: Splits, processes: Processes) -> dict[str, Any]:
    """What a checkpoint says about its training; plain values."""
    return {
        "config": settings.model_dump(mode="json"),
        "fingerprints": splits.fingerprints,
        "pictures": {
            "training": [splits.training.count(0), splits.training.count(1)],
            "validation": [splits.validation.count(0), splits.validation.count(1)]
            if splits.validation
            else [],
        },
        "processes": processes.count,
        "version": version("d3qe-bench"),
    }


def check_resumable(out: Path, note: dict[str, Any]) -> None:
    """Refuse to go on with another configuration or other pictures than the checkpoints were made with."""
    found = newest(out)
    if found is None:
        return
    old, new = found["config"], note["config"]
    different = [key for key in new if key not in _MAY_CHANGE and old.get(key) != new[key]]
    different += [
        f"{split} pictures"
        for split in note["fingerprints"]
        if found["fingerprints"].get(split) != note["fingerprints"][split]
    ]
    if found["processes"] != note["processes"]:
        different.append(f"processes ({found['processes']} before, {note['processes']} now)")
    if different:
        raise UserError(
            f"{out} holds a training with other {', '.join(different)}: choose another `out`, or remove the folder"
        )
