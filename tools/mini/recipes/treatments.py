"""Pictures that something was done to: what networks learn to tell before they see a generated one."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from tools.mini.photos import SIDE
from tools.mini.recipes.data import TrainingCrops

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


def treated_batch(
    crops: TrainingCrops, count: int, rng: np.random.Generator, mean: Sequence[float], std: Sequence[float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Treated crops float32 (count, 3, 64, 64) normalised by mean and std, their photographs and treatments."""
    pictures, photographs = crops.pictures(count, rng)
    kinds = rng.integers(len(TREATMENTS), size=count)
    treated = np.stack(
        [
            np.asarray(TREATMENTS[kind](Image.fromarray(picture), rng))
            for kind, picture in zip(kinds, pictures, strict=True)
        ]
    )
    images = torch.from_numpy(treated).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    return images, torch.from_numpy(photographs), torch.from_numpy(kinds)
