"""Detectors with weights that fail in the middle, or where an environment variable says so."""

from __future__ import annotations

import os

import torch
from torch import nn

from registry import Detector, View, hookimpl

FAIL = "D3QE_TEST_UNBUILDABLE"


class Weary(Detector):
    """Scores its first eight pictures and raises on all others."""

    inputs = {"picture": View(resize=32, crop=32)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.scored = 0

    def forward(self, inputs):
        picture = inputs["picture"]
        if self.scored + len(picture) > 8:
            raise RuntimeError("too tired")
        self.scored += len(picture)
        return self.weight * picture.mean(dim=(1, 2, 3))


class Moody(Weary):
    """Scores everything, and cannot be built while $D3QE_TEST_UNBUILDABLE is set."""

    def __init__(self) -> None:
        super().__init__()
        if FAIL in os.environ:
            raise RuntimeError("not today")

    def forward(self, inputs):
        self.scored = 0
        return super().forward(inputs)


@hookimpl
def register_detectors(register):
    register("weary", Weary, summary="")
    register("moody", Moody, summary="")
