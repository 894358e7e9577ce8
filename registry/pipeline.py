"""Runs many detectors over pictures with no work done twice.

Each distinct view is computed once per picture, each encoder once per batch and distinct tensor, whoever asked
and whatever else they read: where two views of a picture are one tensor, what an encoder finds in it serves both, and so
does the logit of one network that is fed in two ways. A detector that raises on one picture loses that picture only.
Where a device has too little memory for a batch, halves of it go on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from registry.detector import Detector, check_logits
from registry.encoder import EncoderPool
from registry.feeding import Fed
from registry.inputs import InputReader, Source, distinct_views, encoder_outputs, view_of
from registry.view import EncoderSpec, Feature, View, views_of

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

Sample = Mapping[View, Tensor]
"""Of one picture: the 8-bit levels that a view sees, as `views_of` gives them, or its values."""

Outcome = float | Exception

DEFAULT_BATCH_PIXELS = 32 * 256 * 256


class Pipeline:
    """Several detectors and the encoders they share, ready to score.

    detectors: name → detector; put in evaluation mode on the pool's device.
    batch_pixels: pictures of any one view that are run together have at most this many pixels,
        but always at least one picture; it bounds memory where pictures keep their own size.

    Raises:
        UserError: an encoder has no such output. WeightsError: an encoder has no weights.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        encoders: EncoderPool,
        *,
        batch_pixels: int = DEFAULT_BATCH_PIXELS,
    ) -> None:
        self.encoders = encoders
        self.device = encoders.device
        self.batch_pixels = batch_pixels
        self._at_most: dict[Hashable, int] = {}
        self.detectors = {name: detector.eval().to(self.device) for name, detector in detectors.items()}
        self.readers = {
            name: InputReader(detector.inputs, encoders) for name, detector in self.detectors.items()
        }
        for (encoder, _), outputs in self.reads(self.detectors).items():
            for output in outputs:
                encoders.check_output(encoder, output)

    def views(self, names: Sequence[str] | None = None) -> list[View]:
        """The distinct views that the named detectors (all by default) read, in a fixed order."""
        return distinct_views(self._sources(self.detectors if names is None else names))

    def reads(self, names: Iterable[str]) -> dict[tuple[EncoderSpec, View], set[str]]:
        """Each distinct (encoder, view) of the named detectors, and the outputs that they read of it."""
        return encoder_outputs(self._sources(names))

    def _sources(self, names: Iterable[str]) -> Iterator[Source]:
        return (source for name in names for source in self.readers[name].inputs.values())

    def prepare(self, picture: Image) -> dict[View, Tensor]:
        """All distinct views of one RGB picture, as `views_of` gives them."""
        return views_of(picture, self.views())

    def at_once(self, network: str | EncoderSpec, pixels: int) -> int:
        """How many pictures of so many pixels go through a detector or an encoder together."""
        return max(1, self._at_most.get(network, self.batch_pixels) // max(1, pixels))

    def out_of_memory(self, network: str | EncoderSpec, pictures: int, pixels: int) -> None:
        """From now on at most half of so many pictures at once, which is said."""
        self._at_most[network] = pictures // 2 * max(1, pixels)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        name = network if isinstance(network, str) else network.variant
        logger.warning(
            "%s: %d pictures at once are too much for the memory of %s: goes on with %d",
            name, pictures, self.device, pictures // 2,
        )  # fmt: skip

    @torch.inference_mode()
    def score(
        self, samples: Sequence[Sample], names: Sequence[str] | None = None
    ) -> dict[str, list[Outcome]]:
        """Logits of every sample by the named detectors (all by default).

        Where a batch raises, its samples are tried one by one, so that an exception stands only
        at the samples that cause it; where it needs too much memory, in halves.

        Returns:
            detector name → one float logit or exception per sample, in order.
        """
        chosen = list(self.detectors if names is None else names)
        batch = _Batch(self, samples, chosen)
        return {name: batch.score(name) for name in chosen}


class _Batch:
    """What has been computed for some samples: an encoder's outputs on a tensor, or why there are none."""

    def __init__(self, pipeline: Pipeline, samples: Sequence[Sample], names: Sequence[str]) -> None:
        self.pipeline = pipeline
        self.samples = samples
        self.reads = pipeline.reads(names)
        views = pipeline.views(names)
        self.what = [{view: _what(view, sample[view]) for view in views} for sample in samples]
        self.encoded: dict[tuple[EncoderSpec, Hashable], dict[str, Tensor] | Exception] = {}
        self.stacked: dict[tuple[Hashable, ...], Tensor] = {}
        self.scored: dict[tuple[int, tuple[Hashable, ...]], Outcome] = {}

    def score(self, name: str) -> list[Outcome]:
        """One detector's logits of all samples; what its network has made of the very same tensors is taken as it is."""
        detector = self.pipeline.detectors[name]
        network = id(detector.detector if isinstance(detector, Fed) else detector)
        views = [view_of(source) for source in self.pipeline.readers[name].inputs.values()]
        keys = [(network, tuple(what[view] for view in views)) for what in self.what]
        new = [index for index, key in enumerate(keys) if key not in self.scored]
        self.scored |= {keys[index]: outcome for index, outcome in self._score(name, new).items()}
        return [self.scored[key] for key in keys]

    def _score(self, name: str, samples: Sequence[int]) -> dict[int, Outcome]:
        pipeline = self.pipeline
        reader, detector = pipeline.readers[name], pipeline.detectors[name]
        rows = {index: self._row(index, reader) for index in samples}
        outcomes: dict[int, Outcome] = {
            index: row if isinstance(row, Exception) else 0.0 for index, row in rows.items()
        }
        whole = {index: row for index, row in rows.items() if not isinstance(row, Exception)}

        def forward(indices: Sequence[int]) -> list[float]:
            tensors = {
                source: _stacked(source, [whole[index][source] for index in indices], pipeline.device)
                for source in reader.inputs.values()
            }
            logits = check_logits(name, detector(reader(tensors)), len(indices))
            return [float(logit) for logit in logits.float().cpu()]

        shapes = {index: [row[source].shape for source in row] for index, row in whole.items()}
        pixels = {
            index: max((_pixels(row[source]) for source in row if isinstance(source, View)), default=1)
            for index, row in whole.items()
        }
        for index, outcome in self._run(name, forward, shapes, pixels):
            outcomes[index] = outcome
        return outcomes

    def _row(self, index: int, reader: InputReader) -> dict[Source, Tensor] | Exception:
        """What a detector reads of one sample; the exception of an encoder that could not read it."""
        row: dict[Source, Tensor] = {}
        for source in reader.inputs.values():
            if isinstance(source, Feature):
                outputs = self._outputs(source.encoder, source.view, index)
                if isinstance(outputs, Exception):
                    return outputs
                row[source] = outputs[source.output]
            else:
                row[source] = self.samples[index][source]
        return row

    def _stack(self, view: View, indices: Sequence[int]) -> Tensor:
        """A view of several samples on the device: one tensor, by which encoders that read others know it again."""
        key = tuple(self.what[index][view] for index in indices)
        if key not in self.stacked:
            tensors = [self.samples[index][view] for index in indices]
            self.stacked[key] = _stacked(view, tensors, self.pipeline.device)
        return self.stacked[key]

    def _outputs(self, encoder: EncoderSpec, view: View, index: int) -> dict[str, Tensor] | Exception:
        """The outputs of one encoder on one view of one sample; those of all samples are computed together."""
        key = encoder, self.what[index][view]
        if key not in self.encoded:
            self._encode(encoder, view)
        return self.encoded[key]

    def _encode(self, encoder: EncoderSpec, view: View) -> None:
        """Run one encoder on one view of every sample where it has not yet been run on that very tensor."""
        tensors = {
            index: sample[view]
            for index, sample in enumerate(self.samples)
            if (encoder, self.what[index][view]) not in self.encoded
        }
        wanted = {index: self._wanted(encoder, view, index) for index in tensors}

        def forward(indices: Sequence[int]) -> list[dict[str, Tensor]]:
            outputs = wanted[indices[0]]
            images = self._stack(view, indices)
            found = self.pipeline.encoders.encode(encoder, images, outputs)
            return [{name: found[name][row] for name in outputs} for row in range(len(indices))]

        alike = {index: (tensor.shape, wanted[index]) for index, tensor in tensors.items()}
        pixels = {index: _pixels(tensor) for index, tensor in tensors.items()}
        for index, result in self._run(encoder, forward, alike, pixels):
            self.encoded[encoder, self.what[index][view]] = result

    def _run(
        self,
        network: str | EncoderSpec,
        forward: Callable[[Sequence[int]], list[Any]],
        alike: Mapping[int, Sequence[Hashable]],
        pixels: Mapping[int, int],
    ) -> Iterator[tuple[int, Any]]:
        """Each index with its result, or the exception in place of it.

        forward: of samples that can be stacked, equal in `alike`. pixels: of each sample.
        """
        groups: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
        for index, facts in alike.items():
            groups[tuple(facts)].append(index)
        for waiting in groups.values():
            each = pixels[waiting[0]]
            while waiting:
                together = waiting[: self.pipeline.at_once(network, each)]
                results = _one_by_one(forward, together)
                if results is None:
                    self.stacked.clear()
                    self.pipeline.out_of_memory(network, len(together), each)
                    continue
                yield from zip(together, results, strict=True)
                waiting = waiting[len(together) :]

    def _wanted(self, encoder: EncoderSpec, view: View, index: int) -> frozenset[str]:
        """What detectors read of an encoder on this view of a sample, and on views that are the same tensor."""
        what = self.what[index]
        return frozenset[str]().union(
            *(
                outputs
                for (other, seen), outputs in self.reads.items()
                if other == encoder and what[seen] == what[view]
            )
        )


def _stacked(source: Source, tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """What is read of several samples as one batch on the device, levels of a view made into values.

    Nobody waits until pinned memory has arrived at a GPU.
    """
    if device.type == "cpu":
        batch = torch.stack(list(tensors))
    else:
        batch = torch.empty((len(tensors), *tensors[0].shape), dtype=tensors[0].dtype, device=device)
        for row, tensor in zip(batch, tensors, strict=True):
            row.copy_(tensor, non_blocking=True)
    return source.values(batch) if isinstance(source, View) else batch


def _what(view: View, tensor: Tensor) -> Hashable:
    """Equal for views whose values are one tensor's: `views_of` makes no copies of equal levels."""
    made = (view.scale, view.mean, view.std) if tensor.dtype == torch.uint8 else None
    return tensor.data_ptr(), tensor.shape, tensor.stride(), made


def _pixels(tensor: Tensor) -> int:
    return tensor.shape[-2] * tensor.shape[-1]


def _one_by_one(forward: Callable[[Sequence[int]], list[Any]], indices: Sequence[int]) -> list[Any] | None:
    """`forward` of all together; if that raises, each alone, with its exception in place of a result.

    None where the device has too little memory for several at once. The exception of one that is too large alone
    comes without its traceback, which would keep the tensors that fill the memory.
    """
    try:
        return forward(indices)
    except torch.OutOfMemoryError as error:
        return [error.with_traceback(None)] if len(indices) == 1 else None
    except Exception as error:
        if len(indices) == 1:
            return [error]
    alone = [_one_by_one(forward, [index]) for index in indices]
    return [result for results in alone for result in results or ()]
