"""The one way from views of pictures to what a detector's `forward` takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from registry.encoder import EncoderPool
from registry.view import EncoderSpec, Feature, View

Source = View | Feature


def view_of(source: Source) -> View:
    """The view that an input of a detector is made from."""
    return source.view if isinstance(source, Feature) else source


def distinct_views(sources: Iterable[Source]) -> list[View]:
    """The views that inputs are made from, each once, in the order of the inputs."""
    return list(dict.fromkeys(map(view_of, sources)))


def encoder_outputs(sources: Iterable[Source]) -> dict[tuple[EncoderSpec, View], set[str]]:
    """Each distinct (encoder, view) among inputs, and the outputs that are read of it."""
    groups: dict[tuple[EncoderSpec, View], set[str]] = defaultdict(set)
    for source in sources:
        if isinstance(source, Feature):
            groups[source.encoder, source.view].add(source.output)
    return dict(groups)


class InputReader:
    """Computes a detector's inputs from stacked views: each frozen encoder once, without gradient.

    Not a module, so that encoders are never part of a checkpoint nor moved or wrapped with the detector.

    inputs: as `Detector.inputs`.
    """

    def __init__(self, inputs: Mapping[str, Source], encoders: EncoderPool) -> None:
        self.inputs = dict(inputs)
        self.encoders = encoders
        self._groups = encoder_outputs(self.inputs.values())

    def groups(self) -> Mapping[tuple[EncoderSpec, View], set[str]]:
        """Each distinct (encoder, view) and the outputs that the detector reads of it."""
        return self._groups

    def views(self) -> list[View]:
        """The distinct views that the detector's inputs are made from, in the order of the inputs."""
        return distinct_views(self.inputs.values())

    @torch.no_grad()
    def __call__(self, tensors: Mapping[Source, Tensor]) -> dict[str, Tensor]:
        """The tensors that `Detector.forward` takes.

        tensors: views (N, 3, height, width) float32, and features that need not be computed any more.
        """
        known = dict(tensors)
        for (encoder, view), outputs in self._groups.items():
            if any(Feature(encoder, view, output) not in known for output in outputs):
                computed = self.encoders.encode(encoder, known[view], outputs)
                known.update({Feature(encoder, view, output): computed[output] for output in outputs})
        return {name: known[source] for name, source in self.inputs.items()}
