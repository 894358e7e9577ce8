"""What a training was made of, and whether a folder's checkpoints are of the same."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.training.checkpoint_files import newest
from benchmarks.training.processes import Processes
from benchmarks.training.settings import TrainSettings
from benchmarks.training.splits import Splits
from registry import UserError

logger = logging.getLogger(__name__)

_MAY_CHANGE = {
    "epochs", "keep", "workers", "device", "launcher", "out", "plugins", "feature_cache"
}  # fmt: skip
"""Settings that a resumed training may have different: they do not change what an epoch computes."""

_ROUNDING = ("threads", "torch", "instructions")
"""What decides the last bits of a sum on a CPU."""

NAME = "train.json"


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
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def threads_of(out: Path) -> int:
    """The number of CPU threads that the training in a folder began with; this process's where none did."""
    path = out / NAME
    if not path.is_file():
        return torch.get_num_threads()
    note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return note.get("threads", torch.get_num_threads())


def check_resumable(out: Path, note: dict[str, Any]) -> bool:
    """Refuse to go on with another configuration or other pictures than the checkpoints were made with.

    What only costs the last bits is a warning.

    Returns:
        Whether there is a checkpoint to go on from.
    """
    found = newest(out)
    if found is None:
        return False
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
    for name in _ROUNDING:
        if name in found and found[name] != note[name]:
            logger.warning(
                "%s began with %s %s and goes on with %s: last bits may differ from an uninterrupted training",
                out, name, found[name], note[name],
            )  # fmt: skip
    return True
