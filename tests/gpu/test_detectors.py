"""Every registered detector, small, on a GPU: the CPU's logits, in bfloat16, too, and a step of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.loading.tensor_float import use_tensor_float
from benchmarks.training.engine import TrainingModel
from registry import EncoderPool, Pipeline
from registry.encoder import seeded_init
from registry.inputs import InputReader
from tests.contracts.test_detectors import CATALOGS, TOY
from tests.pictures import make_picture
from tests.training.test_detectors import TRAINABLE, toy_batch

pytestmark = pytest.mark.gpu


def logits_of(name: str, device: str, precision: str = "float32") -> np.ndarray:
    use_tensor_float(False)  # as a session does
    with seeded_init(name, 0):
        detector = CATALOGS.detectors.create(name, **TOY[name])
    pool = EncoderPool(
        CATALOGS.encoders, allow_untrained=True, device=torch.device(device), precision=precision
    )
    pipeline = Pipeline({name: detector}, pool)
    samples = [pipeline.prepare(make_picture(seed, seed % 2, (64, 64))) for seed in range(4)]
    return np.array(pipeline.score(samples)[name], dtype=float)


@pytest.mark.parametrize("name", TOY)
def test_logits_are_those_of_the_cpu(name: str, device: str) -> None:
    np.testing.assert_allclose(logits_of(name, device), logits_of(name, "cpu"), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", TOY)
def test_lower_precision_is_computed(name: str, device: str) -> None:
    assert np.isfinite(logits_of(name, device, "bfloat16")).all()


@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", TRAINABLE)
def test_a_step_of_training_has_finite_gradients(name: str, mixed: bool, device: str) -> None:
    with seeded_init(name, 0):
        detector = CATALOGS.detectors.create(name, **TOY[name])
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True, device=torch.device(device))
    model = TrainingModel(detector.train(), InputReader(detector.inputs, pool)).to(device)
    batch = toy_batch(detector).to(torch.device(device))
    with torch.autocast(device, torch.bfloat16, enabled=mixed):
        loss = model(batch)["loss"]
    loss.backward()
    gradients = [one.grad for one in detector.parameters() if one.grad is not None]
    assert gradients
    assert all(one.isfinite().all() for one in gradients)
