"""Trains the image encoder without labels: which photograph is this from, and what was done to it?"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn
from torch.nn import functional as F

from benchmarks.mini.image_encoder import FEATURES, ImageEncoder
from benchmarks.mini.photos import SIDE
from benchmarks.mini.recipes.data import TrainingCrops
from benchmarks.mini.recipes.recipe import Recipe
from registry.view import CLIP_MEAN, CLIP_STD

Treatment = Callable[[Image.Image, np.random.Generator], Image.Image]


def _blur(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5)))


def _sharpen(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.UnsharpMask(1.0, int(rng.integers(80, 200)), 0))


def _jpeg(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=int(rng.integers(30, 80)))
    return Image.open(stream).convert("RGB")


def _noise(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    noisy = np.asarray(picture) + rng.normal(0, rng.uniform(4, 14), (SIDE, SIDE, 3))
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _rescale(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    small = picture.resize((int(rng.integers(28, 48)),) * 2, Image.Resampling.BICUBIC)
    return small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


TREATMENTS: tuple[Treatment, ...] = (lambda picture, rng: picture, _blur, _sharpen, _jpeg, _noise, _rescale)


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
        pictures, classes = self.crops.pictures(self.batch, rng)
        kinds = rng.integers(len(TREATMENTS), size=self.batch)
        treated = np.stack(
            [
                np.asarray(TREATMENTS[kind](Image.fromarray(picture), rng))
                for kind, picture in zip(kinds, pictures, strict=True)
            ]
        )
        images = torch.from_numpy(treated).permute(0, 3, 1, 2) / 255
        images = (images - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
        features = self.encoder(images)
        what = F.cross_entropy(self.photograph(features), torch.from_numpy(classes))
        how = F.cross_entropy(self.treatment(features), torch.from_numpy(kinds))
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        (what + 2 * how).backward()
        optimizer.step()
        return {"photograph": what.item(), "treatment": how.item()}

    def trained(self) -> nn.Module:
        return self.encoder
