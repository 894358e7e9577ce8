"""Trains the GAN: hinge loss, spectral normalisation, projection of the class (arXiv 1802.05637), averaged
weights, differentiable augmentation for small data (arXiv 2006.10738), and a reward for pictures of one class
that differ (arXiv 1903.05628): without it nine photographs end as nine pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from tools.mini.gan import LATENT, ConvolutionalGenerator
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe, averaged, mixed_precision

_WIDTHS = (64, 128, 192)
_VARIETY = 0.1


class Discriminator(nn.Module):
    """Pictures and classes to one logit per overlapping patch of 38 px, higher = more likely a photograph.

    Patches, as in pix2pix (arXiv 1611.07004): texture is learned within minutes, layout would take hours.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *_WIDTHS[:-1]), _WIDTHS, strict=True):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.last = nn.Sequential(
            spectral_norm(nn.Conv2d(_WIDTHS[-1] + 1, _WIDTHS[-1], 3, padding=1)), nn.LeakyReLU(0.2)
        )
        self.score = spectral_norm(nn.Conv2d(_WIDTHS[-1], 1, 1))
        self.condition = spectral_norm(nn.Embedding(classes, _WIDTHS[-1]))

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """Logits (N, 1, 8, 8) of pictures (N, 3, 64, 64)."""
        x = self.features(images)
        spread = x.std(0).mean().expand(len(x), 1, *x.shape[2:])
        x = self.last(torch.cat([x, spread], 1))
        return self.score(x) + (x * self.condition(classes)[:, :, None, None]).sum(1, keepdim=True)


class GanRecipe(Recipe):
    """One step of the discriminator and one of the generator."""

    def __init__(self, classes: int, crops: TrainingCrops, steps: int, batch: int = 16) -> None:
        super().__init__()
        self.steps, self.batch, self.crops = steps, batch, crops
        self.generator = ConvolutionalGenerator(classes)
        self.discriminator = Discriminator(classes)
        self.average = averaged(self.generator, 0.995)
        self.optimizers = [
            torch.optim.Adam(self.generator.parameters(), 4e-4, betas=(0.0, 0.99)),
            torch.optim.Adam(self.discriminator.parameters(), 4e-4, betas=(0.0, 0.99)),
        ]

    def learning_rate_factor(self, progress: float) -> float:
        """Constant, with a linear fall over the last fifth."""
        return min(1.0, 5 * (1 - progress) + 0.02)

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, classes = self.crops.draw(self.batch, rng)
        generator, critic = self.optimizers
        wanted = classes[: self.batch // 2].repeat(2)
        with mixed_precision():
            fakes = self.generator(torch.randn(len(wanted), LATENT), wanted).float()
            real = self.discriminator(augment(images), classes).float()
            fake = self.discriminator(augment(fakes.detach()), wanted).float()
        hinge = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        critic.zero_grad()
        hinge.backward()
        critic.step()
        with mixed_precision():
            loss = -self.discriminator(augment(fakes), wanted).float().mean()
        apart = distance(*fakes.chunk(2))
        generator.zero_grad()
        (loss + _VARIETY / apart).backward()
        generator.step()
        self.average.update_parameters(self.generator)
        return {"hinge": hinge.item(), "generator": loss.item(), "apart": apart.item()}

    def trained(self) -> nn.Module:
        return self.average.module


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference of two stacks of pictures (N, 3, 64, 64) at 8×8 px, where noise does not count."""
    return (F.avg_pool2d(first, 8) - F.avg_pool2d(second, 8)).abs().mean() + 1e-3


def augment(images: Tensor) -> Tensor:
    """Brightness, contrast, a shift of up to 8 px and a 16 px cutout, each drawn per picture."""
    count = len(images)
    images = images + (torch.rand(count, 1, 1, 1) - 0.5) * 0.5
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * (torch.rand(count, 1, 1, 1) + 0.5) + mean
    offset = torch.randint(-8, 9, (2, count, 1))
    grid = torch.arange(64)
    padded = F.pad(images, (8, 8, 8, 8), mode="reflect")
    rows, columns = grid + 8 + offset[0], grid + 8 + offset[1]
    images = padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    images = images.permute(0, 3, 1, 2)
    corner = torch.randint(0, 64, (2, count, 1))
    hidden_rows = ((grid - corner[0]).abs() < 8)[:, :, None]
    hidden_columns = ((grid - corner[1]).abs() < 8)[:, None, :]
    return images * ~(hidden_rows & hidden_columns)[:, None]
