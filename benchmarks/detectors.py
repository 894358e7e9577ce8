"""Builds the detectors of a run, with their weights, from the registry."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.config import DetectorSettings
from benchmarks.weights import Store
from registry import Catalogs, DetectorCard, UserError, WeightsError
from registry.weights import sha256

if TYPE_CHECKING:
    from registry import Detector, EncoderPool


@dataclass
class Loaded:
    """Detectors ready to run, the encoders they share, and what is recorded of each.

    records: label → what run.json says of it. failed: label → why it could not be built.
    """

    encoders: EncoderPool
    detectors: dict[str, Detector] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def load_detectors(
    catalogs: Catalogs,
    wanted: Sequence[DetectorSettings],
    store: Store,
    *,
    protocol: str = "original",
    allow_untrained: bool = False,
    seed: int = 0,
    device: str = "cpu",
) -> Loaded:
    """Build every wanted detector and load its weights.

    Raises:
        UserError: an unknown name or option, a protocol it does not offer, or two with one label.
        WeightsError: weights are missing (and `allow_untrained` is off) or do not fit.
    """
    from registry.encoder import EncoderPool

    pool = EncoderPool(
        catalogs.encoders, store.for_encoders(), allow_untrained=allow_untrained, seed=seed, device=device
    )
    loaded = Loaded(pool)
    for settings in wanted:
        if settings.shown in loaded.records:
            raise UserError(
                f"two detectors are called {settings.shown!r}: give one a label, LABEL={settings.name}"
            )
        _load_one(catalogs, settings, store, loaded, protocol, allow_untrained, seed)
    if set(store.labels) <= set(loaded.detectors):
        # a suite's host loads its detectors one by one, and a failed one may be what reads it
        store.check_read(pool.variants)
    return loaded


def _load_one(
    catalogs: Catalogs,
    settings: DetectorSettings,
    store: Store,
    loaded: Loaded,
    protocol: str,
    allow_untrained: bool,
    seed: int,
) -> None:
    entry = catalogs.detectors.entry(settings.name)
    card: DetectorCard = entry.card
    path = settings.weights or store.given.get(settings.shown) or store.path(settings.name)
    if path is None and card.needs_weights and not allow_untrained:
        raise _no_weights(settings, card)
    options = {**settings.options, **_protocol_option(entry.load(), settings, card, protocol)}
    record: dict[str, Any] = {
        "name": settings.name,
        "origin": entry.origin,
        "options": options,
        "protocol": options.get("protocol", card.protocols[0]),
        "weights": None if path is None else {"file": Path(path).name, "sha256": _digest(path)},
        "encoders": {},
        "inputs": {},
        "untrained": False,
        "untrained_parts": [],
        "failed": None,
        "card": dataclasses.asdict(card),
    }
    loaded.records[settings.shown] = record
    try:
        detector = _build(catalogs, settings, options, path, seed)
        record["inputs"] = {key: repr(source) for key, source in detector.inputs.items()}
        record["encoders"] = _encoder_digests(detector, loaded.encoders)
    except UserError:
        raise
    except Exception as error:
        # a stranger's constructor may raise anything; it fails alone and the table says why
        loaded.failed[settings.shown] = record["failed"] = f"{type(error).__name__}: {error}"
        return
    own = [settings.name] if path is None and card.needs_weights else []
    record["untrained_parts"] = own + [
        name for name in record["encoders"] if name in loaded.encoders.untrained
    ]
    record["untrained"] = bool(record["untrained_parts"])
    loaded.detectors[settings.shown] = detector


def _build(
    catalogs: Catalogs, settings: DetectorSettings, options: dict[str, Any], path: Path | None, seed: int
) -> Detector:
    from registry.encoder import seeded_init

    with seeded_init(settings.name, seed):
        detector: Detector = catalogs.detectors.create(settings.name, **options)
    if path is not None:
        detector.load_weights(Path(path))
    return detector


def _encoder_digests(detector: Detector, pool: EncoderPool) -> dict[str, str]:
    """Build the encoders that a detector reads; their names and weights."""
    from registry import Feature

    digests = {}
    for source in detector.inputs.values():
        if isinstance(source, Feature):
            pool.get(source.encoder)
            path = pool.path(source.encoder)
            digests[source.encoder.variant] = (
                f"untrained, seed {pool.seed}" if path is None else _digest(path)
            )
    return digests


def _protocol_option(
    factory: Any, settings: DetectorSettings, card: DetectorCard, protocol: str
) -> dict[str, str]:
    if "protocol" in settings.options:
        return {}
    if protocol not in card.protocols:
        raise UserError(
            f"detector {settings.name!r} offers the input protocol {' or '.join(card.protocols)}, not {protocol}"
        )
    takes_it = "protocol" in inspect.signature(factory).parameters
    return {"protocol": protocol} if takes_it else {}


@cache
def _digest(path: Path) -> str:
    """SHA-256 of a weights file; an encoder of several detectors is read once."""
    return sha256(path)


def _no_weights(settings: DetectorSettings, card: DetectorCard) -> WeightsError:
    get = f"get them with `d3qe-bench weights get {settings.name}`, " if card.weights else ""
    return WeightsError(
        f"detector {settings.shown!r} has no weights: {get}name a file with "
        f"`--weights {settings.shown}=PATH`, or pass --allow-untrained"
    )
