"""Training crops as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from benchmarks.mini.layers import to_tensor
from benchmarks.mini.photos import Crops


class TrainingCrops:
    """Crops of the training regions; `extra` photographs, where given, fill half of each batch."""

    def __init__(self, extra: Sequence[Image] = ()) -> None:
        self.installed = Crops("train")
        self.extra = Crops("train", extra) if extra else None

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pictures float32 (count, 3, 64, 64) in [-1, 1], and classes int64 (count,).

        Classes of extra photographs follow those of the installed ones.
        """
        own = count if self.extra is None else (count + 1) // 2
        pictures, classes = self.installed.batch(own, rng)
        if self.extra is not None:
            more, their_classes = self.extra.batch(count - own, rng)
            pictures = np.concatenate([pictures, more])
            classes = np.concatenate([classes, their_classes + len(self.installed.photographs)])
        return to_tensor(torch.from_numpy(pictures)), torch.from_numpy(classes)
