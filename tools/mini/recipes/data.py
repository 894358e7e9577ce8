"""Training crops as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from benchmarks.mini.layers import to_tensor
from tools.mini.photos import Crops


class TrainingCrops:
    """Crops of the training regions; `extra` photographs, where given, fill half of each batch.

    classes: number of photographs; extra ones follow the installed ones.
    """

    def __init__(self, extra: Sequence[Image] = ()) -> None:
        self.installed = Crops("train")
        self.extra = Crops("train", extra) if extra else None
        self.classes = len(self.installed.photographs) + len(extra)

    def pictures(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 (count, 64, 64, 3) and classes int64 (count,)."""
        own = count if self.extra is None else (count + 1) // 2
        pictures, classes = self.installed.batch(own, rng)
        if self.extra is None:
            return pictures, classes
        more, their_classes = self.extra.batch(count - own, rng)
        their_classes = their_classes + len(self.installed.photographs)
        return np.concatenate([pictures, more]), np.concatenate([classes, their_classes])

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pictures float32 (count, 3, 64, 64) in [-1, 1] and classes int64 (count,)."""
        pictures, classes = self.pictures(count, rng)
        return to_tensor(torch.from_numpy(pictures)), torch.from_numpy(classes)
