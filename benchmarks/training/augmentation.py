"""Training-time changes of a picture, drawn from a generator of its own so that any run repeats them."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from torchvision.transforms import functional as F

from benchmarks.training.settings import AugmentationSettings
from registry import View

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Draw:
    """The random choices for one version of one picture.

    sigma: of the blur in pixels, or None. quality, codec: of the JPEG compression, or None.
    across, down: where the crop lies, 0 left or top to 1 right or bottom.
    """

    sigma: float | None = None
    quality: int | None = None
    codec: str | None = None
    across: float = 0.5
    down: float = 0.5
    flip: bool = False


def draw(settings: AugmentationSettings, rng: np.random.Generator) -> Draw:
    """Random choices for one picture."""
    blurred = rng.random() < settings.blur
    sigma = float(rng.uniform(*settings.blur_sigma))
    compressed = rng.random() < settings.jpeg
    quality = int(rng.integers(settings.jpeg_quality[0], settings.jpeg_quality[1] + 1))
    codec = settings.jpeg_codecs[int(rng.integers(len(settings.jpeg_codecs)))]
    across, down = rng.random(), rng.random()
    return Draw(
        sigma=sigma if blurred else None,
        quality=quality if compressed else None,
        codec=codec if compressed else None,
        across=across if settings.random_crop else 0.5,
        down=down if settings.random_crop else 0.5,
        flip=bool(rng.random() < settings.flip),
    )


def augmented_views(picture: Image.Image, views: Sequence[View], chosen: Draw) -> dict[View, torch.Tensor]:
    """All views of one RGB picture after the same blur, compression, crop and flip.

    In the order of D3QE's released code: resize, blur, JPEG, crop, flip. Views that resize alike
    share one window, as large as their largest crop, and smaller crops are its centre.

    Returns:
        view → float32 (3, height, width).
    """
    groups: dict[View, list[View]] = defaultdict(list)
    for view in views:
        groups[view.before_crop].append(view)
    tensors = {}
    for group in groups.values():
        crops = [view.crop for view in group]
        window = degraded(group[0].resized(picture), chosen)
        if None not in crops:
            window = cropped(window, max(crop for crop in crops if crop), chosen)
        if chosen.flip:
            window = F.hflip(window)
        tensors.update({view: view.tensor(view.cropped(window)) for view in group})
    return tensors


def degraded(picture: Image.Image, chosen: Draw) -> Image.Image:
    """The picture blurred and JPEG-compressed, as drawn."""
    if chosen.sigma:
        pixels = np.asarray(picture)
        picture = Image.fromarray(gaussian_filter(pixels, sigma=(chosen.sigma, chosen.sigma, 0)))
    if chosen.quality is not None:
        compress = _opencv_jpeg if chosen.codec == "opencv" else _pillow_jpeg
        picture = compress(picture, chosen.quality)
    return picture


def cropped(picture: Image.Image, side: int, chosen: Draw) -> Image.Image:
    """A square of `side` pixels where the draw says; smaller pictures are padded with black first."""
    width, height = picture.size
    across, down = max(side - width, 0), max(side - height, 0)
    if across or down:
        picture = F.pad(picture, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2])
        width, height = picture.size
    left, top = round(chosen.across * (width - side)), round(chosen.down * (height - side))
    return F.crop(picture, top, left, side, side)


def _pillow_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def _opencv_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    import cv2

    blue_first = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
    _, encoded = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded: Pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    return Image.fromarray(np.ascontiguousarray(decoded[:, :, ::-1]))
