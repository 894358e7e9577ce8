"""What can be known of a picture without looking at what it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import imagehash
import numpy as np
from PIL import Image
from PIL.Image import Resampling

from benchmarks.audits.block_grid import grid_strength
from benchmarks.audits.jpeg_past import lattice_strength
from benchmarks.audits.jpeg_quality import estimate_quality
from benchmarks.audits.resampling import resampling_strength
from benchmarks.pictures import MAX_PIXELS, file_size, picture_file, pixel_digest, to_rgb
from registry.dataset import PictureFile

_METADATA = (
    "exif",
    "icc_profile",
    "xmp",
    "XML:com.adobe.xmp",
    "comment",
    "dpi",
    "photoshop",
    "gamma",
    "srgb",
)
THUMBNAIL = 16


@dataclass(frozen=True)
class Facts:
    """One picture file. Fields that its format does not have are empty strings or None.

    format: Pillow's name of the file format. depth: pixel mode, with `16 bit` where that is wider
    than the mode says. quality: estimated JPEG quality. tables: hash of the JPEG quantisation tables.
    encoder: chroma subsampling and progressive or interlaced coding. metadata: kinds of metadata present.
    bytes: size of the file. colours: mean and standard deviation of R, G, B and of the saturation (max −
    min of a pixel) of a 16×16 thumbnail, in 8-bit levels. grid, past, resampling: see
    `grid_strength`, `lattice_strength`, `resampling_strength`. pixels: SHA-256 of the size and RGB pixels.
    phash: 64-bit perceptual hash (imagehash). thumbnail: 16×16 grey levels, uint8.
    """

    format: str
    depth: str
    width: int
    height: int
    quality: int | None
    tables: str
    encoder: str
    metadata: str
    bytes: int
    colours: tuple[float, ...]
    grid: float
    past: float
    resampling: float
    pixels: str
    phash: int
    thumbnail: np.ndarray


def read_facts(
    path: PictureFile,
    max_pixels: int = MAX_PIXELS,
    prepare: Callable[[Image.Image], Image.Image] | None = None,
) -> Facts:
    """The facts of one file.

    prepare: a fair view; the facts are then those of a PNG file of what it makes of the picture, as
        a detector cannot see more of the file than that.

    Raises:
        PictureError: it cannot be decoded.
    """
    with picture_file(path, max_pixels) as image:
        if prepare is None:
            return _facts(image, file_size(path))
        buffer = BytesIO()
        prepare(to_rgb(image)).save(buffer, "PNG")
        with Image.open(buffer, formats=["PNG"]) as seen:
            return _facts(seen, len(buffer.getvalue()))


def _facts(image: Image.Image, size: int) -> Facts:
    depth = _depth(image)
    picture = to_rgb(image)
    grey = picture.convert("L")
    levels = np.asarray(grey, float)
    tables: Any = getattr(image, "quantization", None) or None
    return Facts(
        format=image.format or "unknown",
        depth=depth,
        width=image.width,
        height=image.height,
        quality=estimate_quality(tables) if tables else None,
        tables=hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:8] if tables else "",
        encoder=_encoder(image),
        metadata=_metadata(image),
        bytes=size,
        colours=_colours(picture),
        grid=grid_strength(levels),
        past=lattice_strength(np.asarray(picture)),
        resampling=resampling_strength(levels),
        pixels=pixel_digest(picture),
        phash=int(str(imagehash.phash(picture)), 16),
        thumbnail=np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Resampling.BOX)),
    )


def _depth(image: Image.Image) -> str:
    """Before decoding: how the decoder is told to unpack the file gives away 16 bits per channel."""
    tiles = getattr(image, "tile", None)
    return f"{image.mode} 16 bit" if tiles and ";16" in repr(tiles[0]) else image.mode


def _encoder(image: Image.Image) -> str:
    parts = []
    layers = getattr(image, "layer", None)
    if layers:
        parts.append("chroma " + " ".join(f"{layer[1]}×{layer[2]}" for layer in layers))
    parts += [word for word in ("progressive", "interlace") if image.info.get(word)]
    return ", ".join(parts)


def _metadata(image: Image.Image) -> str:
    found = {name for name in _METADATA if image.info.get(name)}
    found |= {f"text {name}" for name in getattr(image, "text", {})}
    return ", ".join(sorted(found))


def _colours(picture: Image.Image) -> tuple[float, ...]:
    levels = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), Resampling.BOX), float).reshape(-1, 3)
    saturation = np.ptp(levels, axis=1)
    channels = np.column_stack([levels, saturation])
    return (*channels.mean(axis=0).tolist(), *channels.std(axis=0).tolist())
