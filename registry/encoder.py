"""Frozen networks that several detectors read, each built once and run once per batch."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from registry.card import PublishedWeights
from registry.catalog import Catalog
from registry.compiled import compile_bulk, pays
from registry.errors import UserError, WeightsError, nearest
from registry.view import EncoderSpec
from registry.weights import WeightsFile, weights_file


class Encoder(nn.Module, ABC):
    """A frozen network with named outputs. Construction builds the architecture and downloads nothing."""

    outputs: tuple[str, ...]
    """Names that `forward` can compute."""

    @classmethod
    def variant_options(cls, variant: str) -> dict[str, object]:
        """Constructor options of the variant that users write `ENCODER/variant`, such as `MODEL/TAG`.

        Raises:
            UserError: no such variant; by default there are none.
        """
        raise UserError(f"{cls.__name__} has no variants, got {variant!r}")

    @classmethod
    def published_weights(cls, **options: object) -> tuple[PublishedWeights, ...]:
        """Where a library publishes the weights of the network with these options; none by default.

        For encoders whose networks are too many for a card.
        """
        return ()

    @classmethod
    def registered_as(cls, **options: object) -> str:
        """The encoder under whose name the network with these options is registered by itself; empty for none.

        One network has one name, so that all who read it share its passes and its weights file.
        """
        return ""

    converts: tuple[str, ...] = ()
    """The modules whose weights are converted to the precision of a run: the bulk of the network. What is not among them
    stays float32, as should a codebook that is searched, the layer that reads pixels, whose last bit half precision rounds
    off, and the one that gives latents. Without any, the network runs under autocast, which casts its weights at every call."""

    channels_last = False
    """Whether the network is of convolutions that were measured to be faster where channels lie together: on a CPU, and
    in half precision anywhere. All of it: one convolution that gives another layout is followed by copies."""

    at_once: int | None = None
    """Pictures that go through the network together, on which the last bits depend; None for all that are there."""

    compiled = False
    """Whether the modules in `converts` go through torch.compile, see `registry.compiled`."""

    composite = False
    """Whether networks of this class may read others; what identifies such a one, only a built one tells."""

    reads: Mapping[str, EncoderSpec] = {}
    """Other encoders that this one reads on the same images, such as a transformer's tokenizer, by name."""

    def part(self, name: str) -> Encoder:
        """The encoder that this one reads under `name`; whoever builds this one has to `connect` it."""
        found: Encoder = self.__dict__["_parts"][name]
        return found

    def connect(self, parts: Mapping[str, Encoder]) -> None:
        """Give it the encoders of `reads`, which stay their owner's: they are in no state of this one."""
        self.__dict__["_parts"] = dict(parts)

    def convert(self, dtype: torch.dtype) -> None:
        """Convert the weights of the modules in `converts`, each of which still takes and gives float32.

        Batch normalisation keeps its statistics in float32. Called once, when the weights are loaded.
        """
        for name in self.converts:
            part = self.get_submodule(name).to(dtype)
            for module in part.modules():
                if isinstance(module, _BatchNorm):
                    module.float()
            part.register_forward_pre_hook(lambda _, inputs: tuple(_cast(one, dtype) for one in inputs))
            part.register_forward_hook(lambda _, inputs, output: _cast(output, torch.float32))

    def in_parts(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        """`forward` of at most `at_once` pictures at a time."""
        if self.at_once is None or len(images) <= self.at_once:
            return self(images, outputs)
        parts = [self(part, outputs) for part in images.split(self.at_once)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    @abstractmethod
    def forward(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        """Compute the requested outputs of float32 images (N, 3, height, width), batch first."""

    @abstractmethod
    def load_weights(self, path: Path) -> None:
        """Load a published file. Raises `WeightsError` if it does not fit."""


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


@contextmanager
def seeded_init(name: str, seed: int) -> Iterator[None]:
    """Draw parameters from a CPU generator seeded by `name` and `seed`; the global one is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()) ^ seed)
        yield


Locate = Callable[[EncoderSpec], WeightsFile | None]
"""Finds the weights file of an encoder, or says that there is none."""


@dataclass
class Passes:
    """How often an encoder was run for detectors, and over how many pictures; what it reads itself is part of it.

    recalled: pictures whose outputs came from a store instead. saved: seconds that they took when they were computed.
    """

    calls: int = 0
    pictures: int = 0
    recalled: int = 0
    saved: float = 0.0


class OutputStore(Protocol):
    """Keeps what encoders gave from one process to the next; computes with `EncoderPool.compute` what it does not have."""

    def encode(
        self, pool: EncoderPool, spec: EncoderSpec, images: Tensor, outputs: Collection[str]
    ) -> dict[str, Tensor]:
        """As `EncoderPool.encode`."""
        ...

    def flush(self) -> None:
        """Write what is new."""
        ...


class EncoderPool:
    """Builds each distinct encoder once, frozen and in evaluation mode.

    weights: finds each encoder's file; or encoder name, or variant of it, → file, where the variant's wins. An
        encoder without one is refused, unless `allow_untrained`, which draws its parameters from `seed` and
        lists its variant in `untrained`.
    precision: of the encoders' weights, `bfloat16` or `float16`; their outputs are float32 in any case.
    at_once: pictures that go through an encoder together; all that are there by default.
    compile: run the encoders for which `registry.compiled` says that it pays through torch.compile.

    `passes` counts what `encode` did, by variant. `store` keeps outputs, where there is one.
    """

    def __init__(
        self,
        catalog: Catalog,
        weights: Locate | Mapping[str, Path] | None = None,
        *,
        allow_untrained: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        precision: str = "float32",
        at_once: int | None = None,
        compile: bool = False,
    ) -> None:
        self.catalog = catalog
        self.locate = weights if callable(weights) else partial(_by_name, weights or {})
        self.allow_untrained = allow_untrained
        self.seed = seed
        self.device = torch.device(device)
        self.precision = precision
        self.at_once = at_once
        self.compile = compile
        self.untrained: set[str] = set()
        self.passes: dict[str, Passes] = {}
        self.store: OutputStore | None = None
        self._built: dict[EncoderSpec, Encoder] = {}

    def get(self, spec: EncoderSpec) -> Encoder:
        """The network of `spec`, built and loaded on first use.

        Raises:
            WeightsError: it has no weights file, or the file does not fit.
        """
        if spec not in self._built:
            self._built[spec] = self._build(spec)
        return self._built[spec]

    def encode(self, spec: EncoderSpec, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        """Outputs of one encoder on stacked pictures of a view, in float32, whatever autocast surrounds the call.

        There may be more of them than were asked for.
        """
        if self.store is not None:
            return self.store.encode(self, spec, images, outputs)
        return self.compute(spec, images, outputs)

    def compute(self, spec: EncoderSpec, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        """As `encode`, whatever a store has."""
        passes = self.passes.setdefault(spec.variant, Passes())
        passes.calls += 1
        passes.pictures += len(images)
        return self.run(self.get(spec), images, outputs)

    def run(self, encoder: Encoder, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        """Outputs of an encoder that was built here, in the pool's precision; it is counted nowhere."""
        dtype = getattr(torch, self.precision)
        cast_by_torch = dtype != torch.float32 and not encoder.converts
        with torch.autocast(images.device.type, dtype=dtype, enabled=cast_by_torch):
            found = encoder.in_parts(images, outputs)
        return {name: _cast(value, torch.float32) for name, value in found.items()}

    def count_recalled(self, spec: EncoderSpec, pictures: int, seconds: float) -> None:
        """Note that a store had the outputs of so many pictures, which had taken so long."""
        passes = self.passes.setdefault(spec.variant, Passes())
        passes.recalled += pictures
        passes.saved += seconds

    def file(self, spec: EncoderSpec) -> WeightsFile | None:
        """The weights file of `spec`; None where it is to be drawn from the seed.

        Raises:
            WeightsError: it has none, and untrained encoders are not allowed.
        """
        found = self.locate(spec)
        if found is None and not self.allow_untrained:
            raise WeightsError(
                f"encoder {spec.variant!r} has no weights: get them with `d3qe-bench weights get {spec.variant}`, "
                f"name a file with `--weights {spec.variant}=PATH`, or pass --allow-untrained"
            )
        return found

    def identity(self, spec: EncoderSpec) -> str:
        """What besides its name and options decides an encoder's outputs: its file's SHA-256, or `untrained, seed N`.

        One that reads other encoders has theirs behind its own.

        Raises:
            WeightsError: as `file`.
        """
        found = self.file(spec)
        own = f"untrained, seed {self.seed}" if found is None else found.sha256
        factory = self.catalog.entry(spec.name).load()
        parts = self.get(spec).reads if getattr(factory, "composite", True) else {}
        return "; ".join([own, *(f"{name}: {self.identity(read)}" for name, read in sorted(parts.items()))])

    @property
    def variants(self) -> list[str]:
        """The variants that were built, in that order."""
        return [spec.variant for spec in self._built]

    @property
    def micro_batches(self) -> dict[str, int | None]:
        """How many pictures go through each encoder that was built together, by variant; None for all that are there."""
        return {spec.variant: encoder.at_once for spec, encoder in self._built.items()}

    @property
    def compiled(self) -> list[str]:
        """The variants that go through torch.compile, of those that were built."""
        found = [spec.variant for spec, encoder in self._built.items() if encoder.compiled]
        return list(dict.fromkeys(found))

    def compiled_in(self, spec: EncoderSpec) -> list[str]:
        """Those of an encoder and of what it reads."""
        encoder = self.get(spec)
        read = [variant for part in encoder.reads.values() for variant in self.compiled_in(part)]
        return [spec.variant, *read] if encoder.compiled else read

    def run_at_once(self, variant: str, pictures: int | None) -> None:
        """From now on so many pictures go through an encoder that was built together."""
        for spec, encoder in self._built.items():
            if spec.variant == variant:
                encoder.at_once = pictures

    def _build(self, spec: EncoderSpec) -> Encoder:
        found = self.file(spec)
        with seeded_init(spec.name, self.seed):
            encoder: Encoder = self.catalog.create(spec.name, **dict(spec.options))
        if found is None:
            self.untrained.add(spec.variant)
        else:
            encoder.load_weights(found.path)
        encoder.connect({part: self.get(read) for part, read in encoder.reads.items()})
        self._prepare(encoder)
        return encoder.requires_grad_(False).eval().to(self.device)

    def lower(self, precision: str) -> None:
        """From now on all encoders have a lower precision than float32, those too that were built."""
        self.precision = precision
        for encoder in self._built.values():
            self._prepare(encoder)

    def _prepare(self, encoder: Encoder) -> None:
        """Give an encoder the pool's precision, and the layout and number of pictures that are fastest for it.

        Raises:
            UserError: it is to be compiled, and nothing can be compiled here.
        """
        if self.precision != "float32":
            encoder.convert(getattr(torch, self.precision))
        if encoder.channels_last and (self.device.type == "cpu" or self.precision != "float32"):
            encoder.to(memory_format=torch.channels_last)
        if not encoder.reads:  # one that reads others knows what they made by the tensor of all pictures
            encoder.at_once = self.at_once
        if self.compile and not encoder.compiled and pays(encoder, self.device):
            compile_bulk(encoder, self.device)

    def check_output(self, spec: EncoderSpec, output: str) -> None:
        """Raise `UserError` if the encoder of `spec` has no output of this name."""
        outputs = self.get(spec).outputs
        if output not in outputs:
            raise UserError(
                f"encoder {spec.name!r} has no output {output!r}{nearest(output, outputs)} "
                f"(known: {', '.join(outputs)})"
            )


def _by_name(weights: Mapping[str, Path], spec: EncoderSpec) -> WeightsFile | None:
    path = weights.get(spec.variant) or weights.get(spec.name)
    return None if path is None else weights_file(path)
