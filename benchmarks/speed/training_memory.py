"""Peak memory of one full-size training step, counted without a GPU: allocations of torch's fake CUDA tensors.

    python -m benchmarks.speed.training_memory --batch-size 32

Counts what tensors hold: frozen encoders, weights, activations, gradients, optimiser. Not counted are
a GPU's context (about 0.5 GB), the workspaces of its libraries and fragmentation.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.commands.options import parse_value, split_pairs
from registry import Encoder, EncoderSpec, Feature, View, load_plugins
from registry.inputs import view_of

GIGABYTE = 1e9


class LiveBytes(TorchDispatchMode):
    """Bytes of all storages alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._seen: dict[int, Any] = {}

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        self._seen[key] = weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.pop(key, None)
        self.now -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.add(leaf)
        return result


def peak_bytes(name: str, options: dict[str, Any], batch_size: int, size: int = 256) -> dict[str, int]:
    """Bytes of each part of a step; the encoders' and the trained part's peaks are not at the same time."""
    catalogs = load_plugins()
    parts: dict[str, int] = {}
    with FakeTensorMode(), torch.device("cuda"), LiveBytes() as memory:
        sources = dict(catalogs.detectors.create(name, **options).inputs)
        memory.peak = before = memory.now
        encoders = {
            source.encoder: catalogs.encoders.create(
                source.encoder.name, **dict(source.encoder.options)
            ).eval()
            for source in sources.values()
            if isinstance(source, Feature)
        }
        parts["weights of the frozen encoders"] = memory.now - before
        shapes = {
            key: (value.shape, value.dtype)
            for key, value in _inputs(sources, encoders, batch_size, size).items()
        }
        parts["their forward pass at its peak"] = memory.peak - memory.now
    # autograd cannot run on fake CUDA tensors; the trained part allocates the same on a CPU
    with FakeTensorMode(), LiveBytes() as memory:
        detector = catalogs.detectors.create(name, **options).train()
        parts["trained weights and buffers"] = memory.now
        inputs = {key: torch.zeros(shape, dtype=dtype) for key, (shape, dtype) in shapes.items()}
        optimizer = torch.optim.AdamW(p for p in detector.parameters() if p.requires_grad)
        loss = binary_cross_entropy_with_logits(detector(inputs), torch.zeros(batch_size))
        parts["activations kept for the gradient"] = memory.now - parts["trained weights and buffers"]
        loss.backward()
        optimizer.step()
        parts["training step of the trained part at its peak, weights included"] = memory.peak
    return parts


@torch.no_grad()
def _inputs(
    sources: Mapping[str, View | Feature], encoders: Mapping[EncoderSpec, Encoder], batch_size: int, size: int
) -> dict[str, torch.Tensor]:
    """What the detector reads of a batch of blank pictures; each (encoder, view) runs once."""
    made: dict[tuple[EncoderSpec, View], dict[str, torch.Tensor]] = {}
    inputs = {}
    for name, source in sources.items():
        side = view_of(source).crop or size
        images = torch.zeros(batch_size, 3, side, side)
        if isinstance(source, View):
            inputs[name] = images
            continue
        key = (source.encoder, source.view)
        if key not in made:
            outputs = {
                s.output for s in sources.values() if isinstance(s, Feature) and (s.encoder, s.view) == key
            }
            made[key] = encoders[source.encoder](images, outputs)
        inputs[name] = made[key][source.output]
    return inputs


def main() -> None:
    """Print bytes per part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--detector", default="d3qe")
    parser.add_argument("--option", action="append", help="KEY=VALUE constructor option")
    parser.add_argument("--batch-size", type=int, default=32)
    asked = parser.parse_args()
    options = {key: parse_value(value) for key, value in split_pairs(asked.option, "--option").items()}
    print(
        f"{asked.detector}, batch of {asked.batch_size}, float32; counted on fake tensors, not run on a GPU"
    )
    for part, size in peak_bytes(asked.detector, options, asked.batch_size).items():
        print(f"{size / GIGABYTE:8.2f} GB  {part}")


if __name__ == "__main__":
    main()
