"""D³QE's checkpoint files: the released layout is read, ours is read and written.

Released: a torch file with `model`, `optimizer` and `total_steps`; `model` holds the network without
the frozen encoders, with or without DistributedDataParallel's `module.`, and no update counter.

Ours: `NAME.safetensors` with every tensor of the state (code counts and update counter included) and
`NAME.json` beside it with the options that the network was built with. Under any other suffix, one
torch file with `model`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from registry.errors import WeightsError
from registry.files import atomic
from registry.weights import load_strict, read_state_dict, save_state

if TYPE_CHECKING:
    from d3qe_plugin.network import D3QE

SCHEMA = 1
COUNTER = "update_count"
_FREE = ("protocol", "delta_mode")
"""Options that may differ between training and use."""


def save(detector: D3QE, path: Path) -> None:
    """Write a checkpoint of ours, each file whole or not at all."""
    path = Path(path)
    if path.suffix == ".safetensors":
        _save_note(detector, path.with_suffix(".json"))
    save_state(detector, path)


def _save_note(detector: D3QE, path: Path) -> None:
    updates = detector.state_dict().get(COUNTER)
    note = {
        "schema": SCHEMA,
        "detector": "d3qe",
        "update_count": None if updates is None else int(updates),
        "options": _plain(detector),
    }
    with atomic(path) as draft:
        draft.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def load(detector: D3QE, path: Path) -> None:
    """Load any of the layouts above, all of it or nothing.

    A file without update counter sets it to 0, as the released code starts with.

    Raises:
        WeightsError: unsafe, of another network, or of one that was built with other options.
    """
    path = Path(path)
    state = read_state_dict(path)
    _check_note(detector, path)
    if COUNTER in detector.state_dict():
        state.setdefault(COUNTER, torch.zeros((), dtype=torch.int64))
    load_strict(detector, state, path)


def _check_note(detector: D3QE, path: Path) -> None:
    beside = path.with_suffix(".json")
    if path.suffix != ".safetensors" or not beside.is_file():
        return
    try:
        note = json.loads(beside.read_text(encoding="utf-8"))
        schema, saved = note["schema"], dict(note["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{beside} is not the note of a D³QE checkpoint: {error}") from error
    if schema != SCHEMA:
        raise WeightsError(f"{beside} has schema {schema!r}; this version reads {SCHEMA}")
    own = _plain(detector)
    for name in own:
        if name not in _FREE and name in saved and saved[name] != own[name]:
            raise WeightsError(
                f"{path} was made with the option {name}={saved[name]!r}, this detector has {own[name]!r}"
            )


def _plain(detector: D3QE) -> dict[str, Any]:
    """The options as JSON holds them."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(detector.options)))
    return plain
