"""Runs the network of a DetectZoo detector on several pictures at once; DetectZoo scores them one by one."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image
from torch import Tensor, nn

from registry import UserError


class _Reached(Exception):
    """Ends a `predict` at the point where its network would have run."""


class _Recorder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, batch: Tensor) -> Tensor:
        self.seen.append(batch)
        raise _Reached


class _Answer(nn.Module):
    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, batch: Tensor) -> Tensor:
        return self.output


def score_together(suite: Any, pictures: list[Image.Image]) -> list[float]:
    """Scores of pictures by a DetectZoo detector, its network run once per shape of its input.

    DetectZoo scores one picture at a time. Where `predict` passes one tensor through `_model`, that
    tensor is taken first for all pictures, the network runs on them together, and `predict` then
    finishes each on its own part of the output.
    """
    network = getattr(suite, "_model", None)
    if len(pictures) == 1 or not isinstance(network, nn.Module):
        return [float(suite.predict(picture).score) for picture in pictures]
    recorder = _Recorder()
    with patch.object(suite, "_model", recorder):
        for picture in pictures:
            try:
                suite.predict(picture)
            except _Reached:
                continue
            raise UserError("DetectZoo's predict scored a picture without its network")
    with torch.no_grad():
        outputs = _run_by_shape(network, recorder.seen)
    scores = []
    for picture, output in zip(pictures, outputs, strict=True):
        with patch.object(suite, "_model", _Answer(output)):
            scores.append(float(suite.predict(picture).score))
    return scores


def _run_by_shape(network: nn.Module, batches: list[Tensor]) -> list[Tensor]:
    groups: dict[torch.Size, list[int]] = defaultdict(list)
    for index, batch in enumerate(batches):
        groups[batch.shape].append(index)
    outputs: dict[int, Tensor] = {}
    for indices in groups.values():
        together = network(torch.cat([batches[index] for index in indices]))
        outputs.update(zip(indices, together.split(1), strict=True))
    return [outputs[index] for index in range(len(batches))]
