"""What a training was made of, and whether a folder's checkpoints are of the same."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.ranks import Processes
from benchmarks.training.checkpoints import SCHEMA, newest
from benchmarks.training.inventory import Splits
from benchmarks.training.settings import TrainSettings
from registry import UserError

logger = logging.getLogger(__name__)

_MAY_CHANGE = {
    "epochs", "keep", "workers", "device", "launcher", "out", "plugins", "seeds", "weights", "features", "features_size",
    "feature_cache",  # as `features` was called in records of before
}  # fmt: skip
"""Settings that a resumed training may have different: they do not change what an epoch computes.

Weights files may lie elsewhere: their digests are compared.
"""

_ROUNDING = ("threads", "torch", "instructions")
"""What decides the last bits of a sum on a CPU."""

NAME = "train.json"


def describe(
    settings: TrainSettings, splits: Splits, weights: Mapping[str, Any], processes: Processes
) -> dict[str, Any]:
    """What a checkpoint says about its training; plain values.

    weights: what the training starts from and reads: `detector` and `start`, digest or None, and
        `encoders`, variant → identity.
    """
    return {
        "config": settings.model_dump(mode="json"),
        "weights": dict(weights),
        "trained_on": splits.training.facts(),
        "validated_on": splits.validation.facts() if splits.validation else None,
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
    """Refuse to go on with another configuration, other weights or pictures than the checkpoints were made with.

    What only costs the last bits is a warning.

    Returns:
        Whether there is a checkpoint to go on from.
    """
    found = newest(out)
    if found is None:
        return False
    if found["schema"] != SCHEMA:
        raise UserError(
            f"{out} holds a training of another version of d3qe-bench (checkpoint schema {found['schema']}, "
            f"not {SCHEMA}): choose another `out`, or remove the folder"
        )
    old, new = _compared(found), _compared(note)
    different = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    if found["processes"] != note["processes"]:
        different.append(f"processes ({found['processes']} before, {note['processes']} now)")
    if different:
        raise UserError(
            f"{out} holds a training with other {', '.join(different)}: choose another `out`, or remove the folder"
        )
    for name in _ROUNDING:
        if found[name] != note[name]:
            logger.warning(
                "%s began with %s %s and goes on with %s: last bits may differ from an uninterrupted training",
                out, name, found[name], note[name],
            )  # fmt: skip
    return True


def _compared(note: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for a training to go on, by the words of the error message."""
    # records of before say nothing of compilation, which there was not
    config = {"compile": False} | {k: v for k, v in note["config"].items() if k not in _MAY_CHANGE}
    config["detector"] = {key: config["detector"][key] for key in ("name", "options")}
    held_out = note["validated_on"] or {"fingerprint": None}
    return {
        **config,
        "training pictures": note["trained_on"]["fingerprint"],
        "validation pictures": held_out["fingerprint"],
        "weights of the detector": note["weights"]["detector"],
        "weights of the start": note["weights"]["start"],
        **{f"weights of {name}": digest for name, digest in note["weights"]["encoders"].items()},
    }
