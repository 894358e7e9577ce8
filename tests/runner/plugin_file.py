"""Detectors with known behaviour, loaded with `--plugin` as a stranger's would be."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import nn

from registry import Detector, View, hookimpl

VIEW = View(resize=32, crop=32)


class Brightness(Detector):
    """Logit = 20 × (mean level − 0.5); nothing to learn."""

    inputs = {"picture": VIEW}  # noqa: RUF012

    def forward(self, inputs):
        return 20 * (inputs["picture"].mean(dim=(1, 2, 3)) - 0.5)


class Learned(Brightness):
    """As Brightness, with one parameter to load."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((), float(scale)))

    def forward(self, inputs):
        return self.weight * super().forward(inputs)


class Broken(Brightness):
    """Raises on every picture."""

    def forward(self, inputs):
        raise RuntimeError("this detector is broken")


class Unbuildable(Brightness):
    """Raises when it is built."""

    def __init__(self):
        raise RuntimeError("no such luck")


class Picky(Brightness):
    """Raises on dark pictures and gives NaN on bright ones."""

    def forward(self, inputs):
        levels = inputs["picture"].mean(dim=(1, 2, 3))
        if (levels < 0.1).any():
            raise ValueError("too dark")
        return torch.where(levels > 0.9, torch.nan, levels)


class Counting(Brightness):
    """Appends one line per picture to $D3QE_TEST_COUNT, slowly."""

    def forward(self, inputs):
        logits = super().forward(inputs)
        with Path(os.environ["D3QE_TEST_COUNT"]).open("a") as stream:
            stream.writelines(f"{float(logit)}\n" for logit in logits)
        time.sleep(0.05 * len(logits))
        return logits


@hookimpl
def register_detectors(register):
    for detector in (Brightness, Broken, Unbuildable, Picky, Counting):
        register(detector.__name__.lower(), detector, summary=detector.__doc__, needs_weights=False)
    register("learned", Learned, summary=Learned.__doc__)
