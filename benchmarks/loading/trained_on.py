"""On which pictures the weights of a detector were trained, as far as it is known of these very weights.

A card says it of the published files. It holds for a file with a published digest, or one that ships with a
package, and for detectors that need no file. Any other file is believed what the training wrote into it or beside
it; without that nobody knows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from benchmarks.loading.locate import published_as
from registry import DetectorCard
from registry.dataset import UNKNOWN_PARADIGM
from registry.weights import WeightsFile, read_training

UNKNOWN = "unknown"
_SHOWN = 3


class _Set(BaseModel):
    name: str
    paradigm: str = ""
    generator: str = ""
    real: int
    fake: int
    prepare: str = ""
    fingerprint: str


class _Pictures(BaseModel):
    fingerprint: str
    real: int
    fake: int
    sets: list[_Set]


class _Weights(BaseModel):
    detector: str | None = None
    start: str | None = None


class _Training(BaseModel):
    trained_on: _Pictures
    weights: _Weights = _Weights()


@dataclass(frozen=True)
class TrainedOn:
    """text: in words, as tables show it. training: what the training recorded of its pictures, or nothing."""

    text: str
    training: dict[str, object] | None = None


def trained_on(card: DetectorCard, file: WeightsFile | None) -> TrainedOn:
    """What is known of the weights of a detector. file: where they are from, None where it was given none."""
    if file is None:
        return TrainedOn("nothing: random weights" if card.needs_weights else card.trained_on or UNKNOWN)
    if published := published_as(card, file.sha256):
        return TrainedOn(published.trained_on or card.trained_on or UNKNOWN)
    if told := _told(file):
        return TrainedOn(_in_words(card, told), told.trained_on.model_dump())
    for one in card.weights:
        known = one.trained_on or card.trained_on
        if known and not one.sha256 and one.file.rsplit("/", 1)[-1] == file.path.name:
            return TrainedOn(f"{known}, if this is {file.path.name} as published (no digest is on record)")
    return TrainedOn(UNKNOWN)


def _told(file: WeightsFile) -> _Training | None:
    """What the training wrote into the file, or into the note beside it, which names the digest of its file."""
    candidates = [read_training(file.path)]
    beside = file.path.with_suffix(".json")
    try:
        note = json.loads(beside.read_text(encoding="utf-8")).get("training", {})
        candidates += [note] if note.get("sha256") == file.sha256 else []
    except (OSError, ValueError, AttributeError):
        pass  # no note of ours
    for candidate in candidates:
        try:
            return _Training.model_validate(candidate)
        except ValidationError:
            continue
    return None


def _in_words(card: DetectorCard, told: _Training) -> str:
    pictures = told.trained_on
    more = len(pictures.sets) - _SHOWN
    names = [_name(one) for one in pictures.sets[:_SHOWN]] + ([f"{more} more sets"] if more > 0 else [])
    text = (
        f"{_listed(names)}: {pictures.real} real, {pictures.fake} generated, data #{pictures.fingerprint[:8]}"
    )
    if begun := told.weights.detector:
        earlier = published_as(card, begun)
        known = (earlier.trained_on or card.trained_on) if earlier else UNKNOWN
        text += f"; begun from weights #{begun[:8]} (trained on {known})"
    elif begun := told.weights.start:
        text += f"; begun from weights #{begun[:8]}"
    return text


def _name(one: _Set) -> str:
    about = [
        fact
        for fact in (one.generator, one.paradigm)
        if fact and fact != UNKNOWN_PARADIGM and fact.lower() not in one.name.lower()
    ]
    return f"{one.name} ({', '.join(about)})" if about else one.name


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "no set"
