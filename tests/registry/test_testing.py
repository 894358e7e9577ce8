"""`check_detector` passes a sound detector and names the broken rule of an unsound one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from registry import PROTOCOLS, Detector, View, check_detector
from registry.protocol import view_for

VIEW = View(resize=16, crop=16)


class Sound(Detector):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Linear(768, width)
        self.last = nn.Linear(width, 1)

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": VIEW}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.last(self.first(inputs["image"].flatten(1)).relu())[:, 0]


class NotADetector(nn.Module):
    pass


class NoInputs(Sound):
    @property
    def inputs(self) -> Mapping[str, View]:
        return {}


class WrongInput(Sound):
    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": "256 pixels"}  # type: ignore[dict-item]


class FickleInputs(Sound):
    @property
    def inputs(self) -> Mapping[str, View]:
        self.asked = getattr(self, "asked", 20) + 1
        return {"image": View(resize=16, crop=self.asked)}


class Column(Sound):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs)[:, None]


class NotANumber(Sound):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs) / 0 * 0


class Random(Sound):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs) + torch.rand(1)


class BatchRelative(Sound):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = super().forward(inputs)
        return logits - logits.mean()


class PositionBiased(Sound):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = super().forward(inputs)
        return logits + torch.arange(len(logits))


class Learning(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.seen += 1
        return super().forward(inputs)


class TakesAnyFile(Sound):
    def load_weights(self, path: Path) -> None:
        pass


class WrongError(Sound):
    def load_weights(self, path: Path) -> None:
        raise KeyError(path)


class HalfLoading(Sound):
    def load_weights(self, path: Path) -> None:
        with torch.no_grad():
            self.last.bias += 1
        super().load_weights(path)


class ForgettingLoader(Sound):
    def load_weights(self, path: Path) -> None:
        before = self.last.bias.detach().clone()
        super().load_weights(path)
        with torch.no_grad():
            self.last.bias.copy_(before)


class UnreadableSaver(Sound):
    def save_weights(self, path: Path) -> None:
        torch.save({"last": self.last.state_dict()}, path)


class NoParameters(Detector):
    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": VIEW}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["image"].mean(dim=(1, 2, 3))


@pytest.mark.parametrize("factory", [Sound, NoParameters])
def test_a_sound_detector_passes(factory: type[Detector]) -> None:
    assert isinstance(check_detector(factory), factory)


def test_options_reach_the_constructor() -> None:
    assert check_detector(Sound, width=7).first.out_features == 7


@pytest.mark.parametrize(
    ("factory", "rule"),
    [
        (NotADetector, "made a NotADetector, not a registry.Detector"),
        (NoInputs, "inputs is empty"),
        (WrongInput, "input 'image' is a str, not a View or Feature"),
        (FickleInputs, "inputs differs between two readings"),
        (Column, r"forward raised OutputError: it returned logits of shape \(1, 1\)"),
        (NotANumber, "forward gave the logit nan"),
        (Random, "scoring the same batch twice gave other logits"),
        (BatchRelative, "scoring one by one gave other logits than in a batch"),
        (PositionBiased, "the order of a batch changed the logits"),
        (Learning, "scoring changed the state: seen"),
        (TakesAnyFile, "load_weights took text.pth"),
        (WrongError, "load_weights raised KeyError for text.pth, expected WeightsError"),
        (ForgettingLoader, r"saving and loading saved\.safetensors changed last\.bias"),
        (UnreadableSaver, "load_weights refused what save_weights wrote"),
        (HalfLoading, "refusing text.pth changed the weights"),
    ],
)
def test_the_broken_rule_is_named(factory: type[Detector], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_detector(factory)


def test_a_promised_protocol_has_to_be_taken() -> None:
    class Both(Sound):
        def __init__(self, protocol: str = "original") -> None:
            super().__init__()
            self.view = view_for(protocol, VIEW, crop=16)

    check_detector(Both, protocols=PROTOCOLS)
    with pytest.raises(AssertionError, match="the constructor takes no `protocol`"):
        check_detector(Sound, protocols=PROTOCOLS)
