"""Trains the image encoder without labels: which photograph is this from, and what was done to it?"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.mini.image_encoder import FEATURES, ImageEncoder
from registry.view import CLIP_MEAN, CLIP_STD
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe
from tools.mini.recipes.treatments import TREATMENTS, treated_batch


class ImageEncoderRecipe(Recipe):
    """Cross-entropy of two linear heads, which are thrown away; what was done counts twice."""

    def __init__(self, crops: TrainingCrops, steps: int, batch: int = 32) -> None:
        super().__init__()
        self.steps, self.batch, self.crops = steps, batch, crops
        self.encoder = ImageEncoder()
        self.photograph = nn.Linear(FEATURES, crops.classes)
        self.treatment = nn.Linear(FEATURES, len(TREATMENTS))
        self.optimizers = [torch.optim.AdamW(self.parameters(), 1e-3, weight_decay=0.02)]

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, photographs, kinds = treated_batch(self.crops, self.batch, rng, CLIP_MEAN, CLIP_STD)
        features = self.encoder(images)
        what = F.cross_entropy(self.photograph(features), photographs)
        how = F.cross_entropy(self.treatment(features), kinds)
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        (what + 2 * how).backward()
        optimizer.step()
        return {"photograph": what.item(), "treatment": how.item()}

    def trained(self) -> nn.Module:
        return self.encoder
