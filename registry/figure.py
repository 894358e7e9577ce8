"""What a plugin's figure is drawn of, and what drawing it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from registry.detector import Detector

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


@dataclass(frozen=True)
class ShownBatch:
    """Some pictures as they are, and what the detector reads of them.

    paths: relative to their test set. labels: int64 (N,), 0 real, 1 generated.
    inputs: what `Detector.forward` takes, on the detector's device.
    """

    pictures: Sequence[Image]
    paths: Sequence[str]
    labels: Tensor
    inputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class Subject:
    """A detector with its weights, in evaluation mode, and pictures to show it on.

    title: how to call it in a figure. batches: goes through all pictures, anew at every call.
    """

    detector: Detector
    title: str
    batches: Callable[[], Iterator[ShownBatch]]


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers in it: plain values, saved as JSON beside it."""

    figure: Figure
    numbers: Mapping[str, Any] = field(default_factory=dict)
