"""A stranger's plugin: one detector that works, one that cannot be imported, one of one protocol, one that promises too much."""

from __future__ import annotations

import os
from collections.abc import Mapping

from torch import Tensor

from registry import PROTOCOLS, Detector, View, hookimpl


class Bright(Detector):
    """Mean level of the picture; takes no protocol."""

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": View(resize=16, crop=16)}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["image"].mean(dim=(1, 2, 3)) - 0.5


class Hard(Bright):
    """Fails on every picture that is brighter than a quarter."""

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = super().forward(inputs)
        if (logits > -0.25).any():
            raise ArithmeticError("too bright")
        return logits


class Protocolled(Bright):
    """Takes the option that says how pictures are prepared."""

    def __init__(self, protocol: str = "original") -> None:
        super().__init__()


class Borrowed(Bright):
    """Its weights come from elsewhere, as those of another suite's detectors do."""

    def identity(self) -> str:
        return os.environ.get("BORROWED_WEIGHTS", "")


@hookimpl
def register_detectors(register) -> None:  # type: ignore[no-untyped-def]
    register("bright", Bright, needs_weights=False)
    register("hard", Hard, needs_weights=False)
    register("borrowed", Borrowed, needs_weights=False)
    register("broken", "no_such_module_anywhere:Thing", needs_weights=False)
    flaky = "no_such_module_anywhere:Thing" if "BREAK_FLAKY" in os.environ else Protocolled
    register("flaky", flaky, needs_weights=False, protocols=PROTOCOLS)
    register("boaster", Bright, needs_weights=False, protocols=PROTOCOLS)
