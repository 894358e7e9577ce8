"""No detector mixes tensors of a GPU with the CPU's: each runs on fake tensors, which have a device and no values."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from registry import Detector, EncoderPool, View
from registry.inputs import InputReader
from tests.contracts.test_detectors import CATALOGS, SAME_CLASS, TOY
from tests.pictures import make_picture

READ_VALUES = {"fusing", "lnp", "prada_var_d20", "prada_var_d30", "random_score"}
"""What they do next depends on values, or is done on the CPU: only a GPU tells, by tests/gpu/test_detectors.py."""


def to_fake_gpu(module: nn.Module) -> None:
    """Replace all that `Module.to` would move, and nothing else."""
    for part in module.modules():
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            if value is not None:
                there = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
                kept = part._parameters if name in part._parameters else part._buffers
                kept[name] = nn.Parameter(there, requires_grad=False) if kept is part._parameters else there


def on_fake_gpu(detector: Detector, size: tuple[int, int] = (64, 64)) -> torch.Tensor:
    """Logits (2,) of a detector with its encoders, of which only the device means something."""
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True)
    reader = InputReader(detector.eval().inputs, pool)
    for encoder, _ in reader.groups():
        pool.get(encoder)
    views = {
        view: torch.stack([view(make_picture(seed, 1, size)) for seed in (0, 1)]) for view in reader.views()
    }
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        for network in [detector, *pool._built.values()]:
            to_fake_gpu(network)
        pool.device = torch.device("cuda")
        there = {view: torch.empty(values.shape, device="cuda") for view, values in views.items()}
        logits: torch.Tensor = detector(reader(there))
        return logits


@pytest.mark.parametrize("name", [name for name in TOY if name not in READ_VALUES | SAME_CLASS.keys()])
def test_everything_is_on_the_device_of_the_pictures(name: str) -> None:
    logits = on_fake_gpu(CATALOGS.detectors.create(name, **TOY[name]))
    assert (logits.device.type, logits.shape) == ("cuda", (2,))


def test_a_tensor_that_stays_behind_is_found() -> None:
    class Forgetful(Detector):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.ones(3)

        @property
        def inputs(self):
            return {"picture": View(resize=8, crop=8)}

        def forward(self, inputs):
            return inputs["picture"].mean((2, 3)) @ self.weights

    with pytest.raises(RuntimeError, match="device"):
        on_fake_gpu(Forgetful())
