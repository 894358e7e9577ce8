"""`check_detector`: the contract of a detector, for plugin authors' own tests."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from registry.catalog import Catalog
from registry.detector import Detector
from registry.encoder import EncoderPool, seeded_init
from registry.errors import WeightsError
from registry.pipeline import Pipeline
from registry.plugins import load_plugins
from registry.protocol import takes_protocol
from registry.view import Feature, View

SIZES = ((300, 260), (260, 300), (90, 70))
"""Width and height of the pictures that every detector has to take: landscape, portrait, small."""


def check_detector(
    factory: Callable[..., Detector],
    *,
    encoders: Catalog | None = None,
    tolerance: float = 1e-4,
    protocols: Sequence[str] = ("original",),
    **options: Any,
) -> Detector:
    """Raise `AssertionError` with the broken rule if a detector does not keep the contract.

    factory: the registered class or function; `options` are passed to it, for example to build
        it small. encoders: the encoder catalogue, by default that of the installed plugins.
    tolerance: how far a logit may move, relative to 1 + its size, between a batch and one by one.
    protocols: the input protocols that its card promises; all are built.

    Returns:
        The detector, for further checks.
    """
    if len(protocols) > 1:
        assert takes_protocol(factory), (
            f"the card promises the input protocols {', '.join(protocols)}, but the constructor takes no `protocol`"
        )
        for protocol in protocols:
            _check_inputs(factory(**{**options, "protocol": protocol}))
    with seeded_init("check_detector", 0):
        detector = factory(**options)
    assert isinstance(detector, Detector), (
        f"{factory} made a {type(detector).__name__}, not a registry.Detector"
    )
    _check_inputs(detector)
    catalog = load_plugins().encoders if encoders is None else encoders
    pipeline = Pipeline({"it": detector}, EncoderPool(catalog, allow_untrained=True))
    before = copy.deepcopy(detector.state_dict())
    samples = [pipeline.prepare(_picture(width, height)) for width, height in SIZES]

    together = _logits(pipeline, samples)
    assert _logits(pipeline, samples) == together, "scoring the same batch twice gave other logits"
    _close(
        _logits(pipeline, samples[::-1])[::-1], together, tolerance, "the order of a batch changed the logits"
    )
    alone = [_logits(pipeline, [sample])[0] for sample in samples]
    _close(alone, together, tolerance, "scoring one by one gave other logits than in a batch")
    after = detector.state_dict()
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert not changed, f"scoring changed the state: {', '.join(changed)}"
    _check_wrong_weights(detector)
    _check_round_trip(detector)
    return detector


def _check_inputs(detector: Detector) -> None:
    inputs = detector.inputs
    assert inputs, "inputs is empty: a detector reads at least one view"
    for name, source in inputs.items():
        assert isinstance(source, View | Feature), (
            f"input {name!r} is a {type(source).__name__}, not a View or Feature"
        )
        hash(source)
    assert dict(detector.inputs) == dict(inputs), "inputs differs between two readings"


def _picture(width: int, height: int) -> Image.Image:
    values = np.random.RandomState(width).randint(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def _logits(pipeline: Pipeline, samples: list[Any]) -> list[float]:
    logits = []
    for outcome in pipeline.score(samples)["it"]:
        if isinstance(outcome, Exception):
            raise AssertionError(f"forward raised {type(outcome).__name__}: {outcome}") from outcome
        assert math.isfinite(outcome), f"forward gave the logit {outcome}"
        logits.append(outcome)
    return logits


def _close(got: list[float], expected: list[float], tolerance: float, rule: str) -> None:
    for one, other in zip(got, expected, strict=True):
        assert abs(one - other) <= tolerance * (1 + abs(other)), f"{rule}: {one} and {other}"


def _check_wrong_weights(detector: Detector) -> None:
    """A file that is not the detector's has to be refused with `WeightsError` and change nothing."""
    if not detector.state_dict():
        return
    with TemporaryDirectory() as folder:
        for name, content in (("text.pth", b"not weights"), ("foreign.pth", None)):
            path = Path(folder) / name
            if content is None:
                torch.save({"some_other_network.weight": torch.zeros(3)}, path)
            else:
                path.write_bytes(content)
            before = copy.deepcopy(detector.state_dict())
            try:
                detector.load_weights(path)
            except WeightsError:
                pass
            except Exception as error:
                raise AssertionError(
                    f"load_weights raised {type(error).__name__} for {name}, expected WeightsError"
                ) from error
            else:
                raise AssertionError(f"load_weights took {name}, which is not a checkpoint of it")
            after = detector.state_dict()
            assert all(torch.equal(before[k], after[k]) for k in before), (
                f"refusing {name} changed the weights"
            )


def _check_round_trip(detector: Detector) -> None:
    """`load_weights` has to read what `save_weights` wrote, to the last bit."""
    if not detector.state_dict():
        return
    saved = copy.deepcopy(detector.state_dict())
    with TemporaryDirectory() as folder:
        for path in (Path(folder, "saved.safetensors"), Path(folder, "saved.pth")):
            detector.save_weights(path)
            for value in detector.state_dict().values():
                value.zero_()
            try:
                detector.load_weights(path)
            except WeightsError as error:
                raise AssertionError(f"load_weights refused what save_weights wrote: {error}") from error
            after = detector.state_dict()
            changed = [name for name in saved if not torch.equal(saved[name], after[name])]
            assert not changed, f"saving and loading {path.name} changed {', '.join(changed)}"
