"""Trains the two transformers on tokens of training crops: cross-entropy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.mini.autoregressive import RasterGenerator
from benchmarks.mini.next_scale import ScaleGenerator, coarser
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe, mixed_precision


class TransformerRecipe(Recipe):
    """The tokenizer stays as it is; subclasses say how tokens become logits."""

    def __init__(
        self, generator: RasterGenerator | ScaleGenerator, crops: TrainingCrops, steps: int, batch: int = 16
    ) -> None:
        super().__init__()
        self.steps, self.batch, self.crops = steps, batch, crops
        self.generator = generator
        generator.tokenizer.requires_grad_(False)
        self.optimizers = [
            torch.optim.AdamW(generator.transformer.parameters(), 1e-3, betas=(0.9, 0.95), weight_decay=0.05)
        ]

    def logits(self, classes: Tensor, tokens: Tensor) -> Tensor:
        """Logits (N, tokens, codes) of known tokens (N, tokens)."""
        if isinstance(self.generator, ScaleGenerator):
            return self.generator.transformer(classes, coarser(self.generator.tokenizer, tokens))
        return self.generator.transformer(classes, tokens)

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, classes = self.crops.draw(self.batch, rng)
        with torch.no_grad():
            tokens = self.generator.tokenizer.quantize(self.generator.tokenizer.encode(images)).indices
        with mixed_precision():
            logits = self.logits(classes, tokens)
        loss = F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten())
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.transformer.parameters(), 1.0)
        optimizer.step()
        return {"nats per token": loss.item()}

    def trained(self) -> nn.Module:
        return self.generator
