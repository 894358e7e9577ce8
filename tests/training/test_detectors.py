"""The project's own detectors in training: what learns, what is counted, what a small D³QE reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.training.batches import Batch
from benchmarks.training.checkpoints import newest
from benchmarks.training.engine import TrainingModel
from benchmarks.training.trainer import train_detector
from registry import EncoderPool, Feature, UserError, load_plugins
from registry.encoder import seeded_init
from registry.inputs import InputReader
from tests.contracts.test_detectors import CATALOGS, TOKENIZER, TOY

TRAINABLE = [name for name in TOY if CATALOGS.detectors.entry(name).card.needs_weights]
# ΔD from the first step on: while it is 0 the attention bias is one constant, which softmax ignores
OPTIONS = {
    **TOY,
    "d3qe": {**TOY["d3qe"], "delta_mode": "paper"},
    "d3qe_mini": {"delta_mode": "paper"},
}


def toy_batch(detector, count: int = 2, size: int = 40) -> Batch:
    rng = np.random.default_rng(0)
    views = {s.view if isinstance(s, Feature) else s for s in detector.inputs.values()}
    pictures = {}
    for view in views:
        side = view.crop or size
        levels = rng.integers(0, 256, (count, side, side, 3), np.uint8)
        pictures[view] = torch.stack([view(Image.fromarray(one)) for one in levels])
    return Batch(torch.arange(count), torch.arange(count) % 2, pictures)


CANCELS = {"patchcraft": {"network.group1_b.1.bias"}}
"""Parameters without an effect by construction: PatchCraft takes the difference of two pictures after this bias."""


@pytest.mark.parametrize("name", TRAINABLE)
def test_gradients_reach_every_trainable_parameter(name):
    with seeded_init(name, 0):
        detector = CATALOGS.detectors.create(name, **OPTIONS[name])
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True)
    model = TrainingModel(detector.train(), InputReader(detector.inputs, pool))
    batch, reached = toy_batch(detector), set()
    wanted = {n: p for n, p in detector.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(wanted.values(), lr=1e-3)
    torch.manual_seed(0)
    for _ in range(3):  # counts are empty in the first step, and so is ΔD
        optimizer.zero_grad()
        model(batch)["loss"].backward()
        reached |= {n for n, p in wanted.items() if p.grad is not None and p.grad.any()}
        if len(reached) == len(wanted):
            break
        optimizer.step()
    without = sorted(set(wanted) - reached - CANCELS.get(name, set()))
    assert not without, f"no gradient reaches {', '.join(without)}"
    assert not any(p.requires_grad for encoder in pool._built.values() for p in encoder.parameters())


def test_a_detached_parameter_would_be_named():
    """The check above, on a network with a part that the loss does not see."""
    detector = CATALOGS.detectors.create("d3qe", **{**OPTIONS["d3qe"], "delta_mode": "off"})
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True)
    inputs = InputReader(detector.inputs, pool)(toy_batch(detector).tensors)
    binary_cross_entropy_with_logits(detector(inputs), torch.ones(2)).backward()
    assert not detector.get_parameter("feature_processor.3.layers.0.freq_proj.0.weight").grad.any()


def test_a_width_that_the_heads_cannot_divide_is_refused(settings, catalogs, training_set):
    asked = settings(detector={"name": "d3qe", "options": {**TOY["d3qe"], "width": 18, "heads": 4}})
    with pytest.raises(UserError, match="width 18 cannot be divided among 4 heads"):
        train_detector(asked, catalogs, [training_set])


@pytest.fixture(scope="module")
def field_split(shared):
    from benchmarks.datasets import find_test_sets

    catalogs = load_plugins()
    return catalogs, find_test_sets(catalogs.datasets, [str(shared / "data/field/AR")])


SMALL = {
    **TOY["d3qe"],
    "tokenizer_options": {**TOKENIZER, "multipliers": (1, 2, 2)},
    "width": 64,
    "heads": 4,
    "size": 64,
    "grid": 16,
    "delta_mode": "paper",
}


@pytest.mark.slow
def test_a_small_d3qe_overfits_real_pictures(settings, field_split, tmp_path):
    """minDALL-E against camera pictures: proof that training works, not a figure about the method."""
    catalogs, found = field_split
    pictures = [s for s in found if s.generator == "minDALL-E"]
    asked = settings(
        detector={"name": "d3qe", "options": SMALL},
        epochs=20,
        batch_size=16,
        optimizer={"lr": 1.0e-3},
        augmentation={"blur": 0, "jpeg": 0, "random_crop": False, "flip": 0},
        features=tmp_path / "cache",
        schedule={"monitor": "ap"},
    )
    result = train_detector(asked, catalogs, pictures, pictures)
    assert result.history[-1]["train_loss"] < 0.5 * result.history[0]["train_loss"]
    assert max(entry["ap"] for entry in result.history) > 0.9
    state = newest(result.out)["model"]
    seen = newest(result.out)["trained_on"]
    steps = 20 * ((seen["real"] + seen["fake"]) // 16)
    assert int(state["update_count"]) == steps
    assert int(state["real_codebook_count"].sum() + state["fake_codebook_count"].sum()) == steps * 16 * 256
