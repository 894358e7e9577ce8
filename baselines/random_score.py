"""Scores drawn from the picture's own bytes: the floor that every detector has to beat.

An AUROC away from 0.5 on a large set is the sign of a leak in the harness, not of skill.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from registry.detector import Detector
from registry.protocol import view_for
from registry.view import View

_LEVELS = 255
_BYTES = 8


class RandomScore(Detector):
    """Uniform scores in (0, 1); equal views get equal scores, in any batch, process and machine.

    seed: another seed, another independent draw.
    """

    def __init__(self, protocol: str = "original", seed: int = 0) -> None:
        super().__init__()
        self.view = view_for(protocol, View(resize=64, crop=64))
        self.seed = seed

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": self.view}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        image = inputs["image"]
        # back to 8-bit levels, so that no rounding of the view's arithmetic reaches the hash
        levels = (image * _LEVELS).round().to("cpu", torch.uint8)
        logits = [self._logit(picture.numpy().tobytes()) for picture in levels]
        return torch.tensor(logits, dtype=torch.float32, device=image.device)

    def _logit(self, content: bytes) -> float:
        digest = hashlib.blake2b(content, digest_size=_BYTES, key=str(self.seed).encode()).digest()
        score = (int.from_bytes(digest, "big") + 0.5) / 2 ** (8 * _BYTES)
        return math.log(score) - math.log1p(-score)
