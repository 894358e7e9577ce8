"""The count of a training step's memory against what the networks really hold."""

from __future__ import annotations

import torch

from benchmarks.speed.training_memory import LiveBytes, peak_bytes
from tests.contracts.test_detectors import CATALOGS, TOY


def size_of(module: torch.nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in [*module.parameters(), *module.buffers()])


def test_counts_storages_once_and_forgets_them():
    with LiveBytes() as memory:
        first = torch.zeros(1000)
        view = first[:10]
        second = first + 1
        assert memory.now == 8000
        del second
        assert (memory.now, memory.peak) == (4000, 8000)
        del first
        assert memory.now == 4000, "a view keeps its storage"
        del view
        assert memory.now == 0


def test_weights_are_those_of_the_networks():
    detector = CATALOGS.detectors.create("d3qe", **TOY["d3qe"])
    specs = {source.encoder for source in detector.inputs.values()}
    frozen = sum(size_of(CATALOGS.encoders.create(s.name, **dict(s.options))) for s in specs)
    small, large = (peak_bytes("d3qe", TOY["d3qe"], count) for count in (2, 8))
    assert small["trained weights and buffers"] == size_of(detector)
    assert small["weights of the frozen encoders"] == frozen
    kept = "activations kept for the gradient"
    assert 3 < large[kept] / small[kept] < 4.1
