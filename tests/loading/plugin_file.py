"""A stranger's plugin: one detector that works, one that cannot be imported, one of one protocol, one that promises too much."""

from __future__ import annotations

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


@hookimpl
def register_detectors(register) -> None:  # type: ignore[no-untyped-def]
    register("bright", Bright, needs_weights=False)
    register("hard", Hard, needs_weights=False)
    register("broken", "no_such_module_anywhere:Thing", needs_weights=False)
    register("boaster", Bright, needs_weights=False, protocols=PROTOCOLS)
