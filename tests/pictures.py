"""Small test sets of made-up pictures: generated ones are brighter, so that detectors have something to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from registry.dataset import FAKE

BRIGHTER = 24


def make_picture(seed: int, label: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Noise of (width, height) `size`; label 1 is brighter by `BRIGHTER` levels of 255."""
    rng = np.random.RandomState(seed)
    low = 60 + (BRIGHTER if label == FAKE else 0)
    return Image.fromarray(rng.randint(low, low + 120, (size[1], size[0], 3)).astype(np.uint8))


def make_class_folders(root: Path, count: int = 6, seed: int = 0) -> None:
    """`0_real` and `1_fake` with `count` PNG pictures each."""
    for label, folder in enumerate(("0_real", "1_fake")):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            picture = make_picture(seed + 1000 * label + number, label)
            picture.save(root / folder / f"picture {number}.v1.png")


def make_test_sets(root: Path, count: int = 6) -> Path:
    """Three test sets of `count` + `count` pictures, one per paradigm."""
    for number, name in enumerate(("AR/VAR", "GAN/ProGAN", "diffusion/ADM")):
        make_class_folders(root / name, count, seed=10_000 * number)
    return root
