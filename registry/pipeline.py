"""Runs many detectors over pictures with no work done twice.

Each distinct view is computed once per picture, each distinct (encoder, view) once per batch,
whoever asked. A detector that raises on one picture loses that picture only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from registry.detector import Detector
from registry.encoder import EncoderPool
from registry.view import EncoderSpec, Feature, View

if TYPE_CHECKING:
    from PIL.Image import Image

Sample = Mapping[View, Tensor]
Outcome = float | Exception


@dataclass
class _BatchCache:
    """What has been computed for one batch: tensors by view and chunk, encoder outputs likewise."""

    views: dict[tuple[View, tuple[int, ...]], Tensor] = field(default_factory=dict)
    features: dict[tuple[EncoderSpec, View, tuple[int, ...]], dict[str, Tensor]] = field(default_factory=dict)


class Pipeline:
    """Several detectors and the encoders they share, ready to score.

    detectors: name → detector; put in evaluation mode on the pool's device.
    batch_pixels: pictures of any one view that are run together have at most this many pixels,
        but always at least one picture; it bounds memory where pictures keep their own size.
    dtype: autocast to this type (`torch.bfloat16`, `torch.float16`); `None` is float32.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        encoders: EncoderPool,
        *,
        batch_pixels: int = 32 * 256 * 256,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.encoders = encoders
        self.device = encoders.device
        self.batch_pixels = batch_pixels
        self.dtype = dtype
        self.detectors = {name: detector.eval().to(self.device) for name, detector in detectors.items()}
        self.inputs = {name: dict(detector.inputs) for name, detector in self.detectors.items()}
        self._outputs: dict[tuple[EncoderSpec, View], set[str]] = defaultdict(set)
        for feature in self._features():
            encoders.check_output(feature.encoder, feature.output)
            self._outputs[feature.encoder, feature.view].add(feature.output)

    def _features(self) -> list[Feature]:
        wanted = [source for inputs in self.inputs.values() for source in inputs.values()]
        return [source for source in wanted if isinstance(source, Feature)]

    def views(self, names: Sequence[str] | None = None) -> list[View]:
        """The distinct views that the named detectors (all by default) read, in a fixed order."""
        chosen = self.detectors if names is None else names
        sources = (source for name in chosen for source in self.inputs[name].values())
        return list(dict.fromkeys(view_of(source) for source in sources))

    def prepare(self, picture: Image) -> dict[View, Tensor]:
        """All distinct views of one RGB picture."""
        return {view: view(picture) for view in self.views()}

    @torch.inference_mode()
    def score(
        self, samples: Sequence[Sample], names: Sequence[str] | None = None
    ) -> dict[str, list[Outcome]]:
        """Logits of every sample by the named detectors (all by default).

        Where a batch raises, its samples are scored one by one, so that an exception stands only
        at the samples that cause it.

        Returns:
            detector name → one float logit or exception per sample, in order.
        """
        outcomes: dict[str, list[Outcome]] = {}
        cache = _BatchCache()
        for name in self.detectors if names is None else names:
            results: list[Outcome] = [RuntimeError("not scored")] * len(samples)
            for chunk in self._chunks(name, samples):
                for index, outcome in zip(chunk, self._score_chunk(name, samples, chunk, cache), strict=True):
                    results[index] = outcome
            outcomes[name] = results
        return outcomes

    def _chunks(self, name: str, samples: Sequence[Sample]) -> list[tuple[int, ...]]:
        """Indices of samples that can be stacked: equal shapes in all views of the detector, bounded size."""
        groups: dict[tuple[torch.Size, ...], list[int]] = defaultdict(list)
        views = self.views([name])
        for index, sample in enumerate(samples):
            groups[tuple(sample[view].shape for view in views)].append(index)
        chunks = []
        for shapes, indices in groups.items():
            largest = max(shape[-2] * shape[-1] for shape in shapes)
            size = max(1, self.batch_pixels // largest)
            chunks += [tuple(indices[start : start + size]) for start in range(0, len(indices), size)]
        return chunks

    def _score_chunk(
        self,
        name: str,
        samples: Sequence[Sample],
        chunk: tuple[int, ...],
        cache: _BatchCache,
    ) -> list[Outcome]:
        try:
            logits = self._forward(name, samples, chunk, cache)
            return [float(logit) for logit in logits.float().cpu()]
        except Exception as error:
            if len(chunk) == 1:
                return [error]
        return [self._score_chunk(name, samples, (index,), cache)[0] for index in chunk]

    def _forward(
        self,
        name: str,
        samples: Sequence[Sample],
        chunk: tuple[int, ...],
        cache: _BatchCache,
    ) -> Tensor:
        with self._autocast():
            tensors = {
                key: self._tensor(source, samples, chunk, cache) for key, source in self.inputs[name].items()
            }
            logits = self.detectors[name](tensors)
        if logits.shape != (len(chunk),):
            raise ValueError(
                f"{name} returned logits of shape {tuple(logits.shape)} for {len(chunk)} pictures, expected ({len(chunk)},)"
            )
        return logits

    def _tensor(
        self,
        source: View | Feature,
        samples: Sequence[Sample],
        chunk: tuple[int, ...],
        cache: _BatchCache,
    ) -> Tensor:
        view = view_of(source)
        if (view, chunk) not in cache.views:
            cache.views[view, chunk] = torch.stack([samples[index][view] for index in chunk]).to(self.device)
        images = cache.views[view, chunk]
        if isinstance(source, View):
            return images
        key = (source.encoder, view, chunk)
        if key not in cache.features:
            cache.features[key] = self.encoders.get(source.encoder)(
                images, self._outputs[source.encoder, view]
            )
        return cache.features[key][source.output]

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def view_of(source: View | Feature) -> View:
    """The view that an input of a detector is made from."""
    return source.view if isinstance(source, Feature) else source
