"""Runs many detectors over pictures with no work done twice.

Each distinct view is computed once per picture, each distinct (encoder, view) once per batch,
whoever asked and whatever else they read. A detector that raises on one picture loses that picture only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from registry.detector import Detector
from registry.encoder import EncoderPool
from registry.inputs import InputReader, Source, distinct_views, encoder_outputs
from registry.view import EncoderSpec, Feature, View

if TYPE_CHECKING:
    from PIL.Image import Image

Sample = Mapping[View, Tensor]
Outcome = float | Exception

DEFAULT_BATCH_PIXELS = 32 * 256 * 256


class Pipeline:
    """Several detectors and the encoders they share, ready to score.

    detectors: name → detector; put in evaluation mode on the pool's device.
    batch_pixels: pictures of any one view that are run together have at most this many pixels,
        but always at least one picture; it bounds memory where pictures keep their own size.
    precision: autocast of encoders and heads, `bfloat16` or `float16`; float32 for none.

    Raises:
        UserError: an encoder has no such output. WeightsError: an encoder has no weights.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        encoders: EncoderPool,
        *,
        batch_pixels: int = DEFAULT_BATCH_PIXELS,
        precision: str = "float32",
    ) -> None:
        self.encoders = encoders
        self.device = encoders.device
        self.batch_pixels = batch_pixels
        self.precision = precision
        self.detectors = {name: detector.eval().to(self.device) for name, detector in detectors.items()}
        self.readers = {
            name: InputReader(detector.inputs, encoders, precision)
            for name, detector in self.detectors.items()
        }
        self.shared = encoder_outputs(
            source for reader in self.readers.values() for source in reader.inputs.values()
        )
        for (encoder, _), outputs in self.shared.items():
            for output in outputs:
                encoders.check_output(encoder, output)

    def views(self, names: Sequence[str] | None = None) -> list[View]:
        """The distinct views that the named detectors (all by default) read, in a fixed order."""
        chosen = self.detectors if names is None else names
        return distinct_views(source for name in chosen for source in self.readers[name].inputs.values())

    def prepare(self, picture: Image) -> dict[View, Tensor]:
        """All distinct views of one RGB picture."""
        return {view: view(picture) for view in self.views()}

    @torch.inference_mode()
    def score(
        self, samples: Sequence[Sample], names: Sequence[str] | None = None
    ) -> dict[str, list[Outcome]]:
        """Logits of every sample by the named detectors (all by default).

        Where a batch raises, its samples are tried one by one, so that an exception stands only
        at the samples that cause it.

        Returns:
            detector name → one float logit or exception per sample, in order.
        """
        batch = _Batch(self, samples)
        return {name: batch.score(name) for name in (self.detectors if names is None else names)}


class _Batch:
    """What has been computed for some samples: encoder outputs, or why there are none, by (encoder, view)."""

    def __init__(self, pipeline: Pipeline, samples: Sequence[Sample]) -> None:
        self.pipeline = pipeline
        self.samples = samples
        self.encoded: dict[tuple[EncoderSpec, View], list[dict[str, Tensor] | Exception]] = {}
        self.stacked: dict[tuple[View, tuple[int, ...]], Tensor] = {}

    def score(self, name: str) -> list[Outcome]:
        """One detector's logits of all samples."""
        pipeline = self.pipeline
        reader, detector = pipeline.readers[name], pipeline.detectors[name]
        rows = [self._row(index, reader) for index in range(len(self.samples))]
        outcomes: list[Outcome] = [row if isinstance(row, Exception) else 0.0 for row in rows]
        whole = {index: row for index, row in enumerate(rows) if not isinstance(row, Exception)}

        def forward(indices: Sequence[int]) -> list[float]:
            tensors = {
                source: torch.stack([whole[index][source] for index in indices])
                for source in reader.inputs.values()
            }
            with _autocast(pipeline.device, pipeline.precision):
                logits = detector(reader(tensors))
            if logits.shape != (len(indices),):
                raise ValueError(
                    f"{name} returned logits of shape {tuple(logits.shape)} for {len(indices)} pictures, "
                    f"expected ({len(indices)},)"
                )
            return [float(logit) for logit in logits.float().cpu()]

        shapes = {index: [row[source].shape for source in row] for index, row in whole.items()}
        pixels = {
            index: max((_pixels(row[source]) for source in row if isinstance(source, View)), default=1)
            for index, row in whole.items()
        }
        for indices in _chunks(shapes, pixels, pipeline.batch_pixels):
            for index, outcome in zip(indices, _one_by_one(forward, indices), strict=True):
                outcomes[index] = outcome
        return outcomes

    def _row(self, index: int, reader: InputReader) -> dict[Source, Tensor] | Exception:
        """What a detector reads of one sample, on the device; the exception of an encoder that could not read it."""
        row: dict[Source, Tensor] = {}
        for source in reader.inputs.values():
            if isinstance(source, Feature):
                outputs = self._encode(source.encoder, source.view)[index]
                if isinstance(outputs, Exception):
                    return outputs
                row[source] = outputs[source.output]
            else:
                row[source] = self.samples[index][source].to(self.pipeline.device)
        return row

    def _stack(self, view: View, indices: Sequence[int]) -> Tensor:
        """One view of several samples on the device: one tensor, by which encoders that read others know it again."""
        key = view, tuple(indices)
        if key not in self.stacked:
            images = torch.stack([self.samples[index][view] for index in indices])
            self.stacked[key] = images.to(self.pipeline.device)
        return self.stacked[key]

    def _encode(self, encoder: EncoderSpec, view: View) -> list[dict[str, Tensor] | Exception]:
        """The outputs of one encoder on one view of every sample, computed when first asked for."""
        if (encoder, view) not in self.encoded:
            pipeline, outputs = self.pipeline, self.pipeline.shared[encoder, view]
            reader = next(iter(pipeline.readers.values()))

            def forward(indices: Sequence[int]) -> list[dict[str, Tensor]]:
                found = reader.encode(encoder, self._stack(view, indices), outputs)
                return [{name: found[name][row] for name in outputs} for row in range(len(indices))]

            views = {index: sample[view] for index, sample in enumerate(self.samples)}
            results: list[dict[str, Tensor] | Exception] = [RuntimeError("not encoded")] * len(views)
            shapes = {index: [tensor.shape] for index, tensor in views.items()}
            pixels = {index: _pixels(tensor) for index, tensor in views.items()}
            for indices in _chunks(shapes, pixels, pipeline.batch_pixels):
                for index, result in zip(indices, _one_by_one(forward, indices), strict=True):
                    results[index] = result
            self.encoded[encoder, view] = results
        return self.encoded[encoder, view]


def _pixels(tensor: Tensor) -> int:
    return tensor.shape[-2] * tensor.shape[-1]


def _chunks(
    shapes: Mapping[int, Sequence[torch.Size]], pixels: Mapping[int, int], most: int
) -> Iterator[list[int]]:
    """Indices that can be stacked: equal shapes, and at most `most` pixels together or one picture."""
    groups: dict[tuple[torch.Size, ...], list[int]] = defaultdict(list)
    for index, shape in shapes.items():
        groups[tuple(shape)].append(index)
    for indices in groups.values():
        size = max(1, most // max(1, pixels[indices[0]]))
        yield from (indices[start : start + size] for start in range(0, len(indices), size))


def _one_by_one(forward: Callable[[Sequence[int]], list], indices: Sequence[int]) -> list:
    """`forward` of all together; if that raises, each alone, with its exception in place of a result."""
    try:
        return forward(indices)
    except Exception as error:
        if len(indices) == 1:
            return [error]
    return [result for index in indices for result in _one_by_one(forward, [index])]


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    dtype = getattr(torch, precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
