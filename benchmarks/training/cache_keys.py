"""What decides the values of an entry of the feature cache, and the key made of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from importlib.metadata import version
from typing import Any

from benchmarks.training.inventory import Inventory
from benchmarks.training.reader import InputReader
from benchmarks.training.recipe import AugmentationSettings
from registry import EncoderPool, EncoderSpec, UserError, View
from registry.weights import sha256

_SCHEMA = 1


def entry_facts(
    reader: InputReader,
    encoder: EncoderSpec,
    view: View,
    outputs: Collection[str],
    inventory: Inventory,
    augmentation: AugmentationSettings,
    seed: int,
) -> dict[str, Any]:
    """Everything that decides the values of an entry; plain values. seed: of the augmentation."""
    return {
        "schema": _SCHEMA,
        "version": version("d3qe-bench"),
        "encoder": encoder.name,
        "options": [list(map(str, option)) for option in encoder.options],
        "weights": weights_digest(reader.encoders, encoder.name),
        "precision": reader.precision,
        "view": repr(view),
        # a crop is cut from a window that all views of a detector share
        "views_together": sorted(repr(v) for v in reader.views()),
        "outputs": sorted(outputs),
        "pictures": inventory.fingerprint,
        "unreadable": [bad.path.name for bad in inventory.unreadable],
        "augmentation": augmentation.model_dump(mode="json"),
        "seed": seed,
    }


def digest(facts: dict[str, Any]) -> str:
    """The name of the entry's folder."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def weights_digest(encoders: EncoderPool, name: str) -> str:
    """SHA-256 of the encoder's weights file, or the seed that an untrained one is drawn from.

    Raises:
        UserError: no weights and untrained encoders are not allowed.
    """
    path = encoders.weights.get(name)
    if path is not None:
        if not path.is_file():
            raise UserError(f"no weights file of encoder {name!r} at {path}")
        return sha256(path)
    return f"untrained, seed {encoders.seed}"
