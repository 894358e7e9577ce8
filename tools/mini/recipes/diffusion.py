"""Trains the diffusion model: mean squared error on v at uniform times, averaged weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tools.mini.diffusion import UNet, signal_level
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe, averaged, mixed_precision


class DiffusionRecipe(Recipe):
    """One regression step on noised crops."""

    def __init__(self, classes: int, crops: TrainingCrops, steps: int, batch: int = 32) -> None:
        super().__init__()
        self.steps, self.batch, self.crops = steps, batch, crops
        self.network = UNet(classes)
        self.average = averaged(self.network, 0.99)
        self.optimizers = [torch.optim.AdamW(self.network.parameters(), 2e-3, betas=(0.9, 0.99))]

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, classes = self.crops.draw(self.batch, rng)
        time = torch.rand(self.batch)
        level = signal_level(time)[:, None, None, None]
        noise = torch.randn_like(images)
        noisy = level.sqrt() * images + (1 - level).sqrt() * noise
        velocity = level.sqrt() * noise - (1 - level).sqrt() * images
        with mixed_precision():
            predicted = self.network(noisy, time, classes).float()
        loss = F.mse_loss(predicted, velocity)
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        optimizer.step()
        self.average.update_parameters(self.network)
        return {"error": loss.item()}

    def trained(self) -> nn.Module:
        return self.average.module
