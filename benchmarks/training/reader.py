"""Reads frozen encoders for a detector outside of pipelines: in training, in its feature cache, in figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from benchmarks.training.batches import Batch
from registry import EncoderPool, EncoderSpec, Feature, View
from registry.pipeline import view_of


class InputReader:
    """Computes a detector's inputs from a batch: each frozen encoder once, without gradient.

    Not a module, so that encoders are never part of a checkpoint nor moved or wrapped with the detector.

    precision: autocast of the encoders, float32 for none.
    """

    def __init__(
        self, inputs: Mapping[str, View | Feature], encoders: EncoderPool, precision: str = "float32"
    ) -> None:
        self.inputs = dict(inputs)
        self.encoders = encoders
        self.precision = precision
        self._outputs: dict[tuple[EncoderSpec, View], set[str]] = defaultdict(set)
        for source in self.inputs.values():
            if isinstance(source, Feature):
                self._outputs[source.encoder, source.view].add(source.output)

    def groups(self) -> Mapping[tuple[EncoderSpec, View], set[str]]:
        """Each distinct (encoder, view) and the outputs that the detector reads of it."""
        return self._outputs

    def views(self) -> list[View]:
        """The distinct views that the detector's inputs are made from, in the order of the inputs."""
        return list(dict.fromkeys(view_of(source) for source in self.inputs.values()))

    @torch.no_grad()
    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The tensors that `Detector.forward` takes."""
        tensors = dict(batch.tensors)
        for (encoder, view), outputs in self._outputs.items():
            if any(Feature(encoder, view, output) not in tensors for output in outputs):
                computed = self.encode(encoder, tensors[view], outputs)
                for output in outputs:
                    tensors[Feature(encoder, view, output)] = computed[output]
        return {name: tensors[source] for name, source in self.inputs.items()}

    def encode(self, encoder: EncoderSpec, images: Tensor, outputs: set[str]) -> dict[str, Tensor]:
        """Outputs of one frozen encoder on one view, whatever autocast surrounds the call.

        There may be more of them than were asked for.
        """
        dtype = getattr(torch, self.precision)
        with torch.autocast(images.device.type, dtype=dtype, enabled=dtype != torch.float32):
            return self.encoders.get(encoder)(images, outputs)
