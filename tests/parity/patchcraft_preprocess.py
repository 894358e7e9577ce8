"""The poor and rich textures of the picture files of `write_image_files`, which do not depend on the seed."""

from __future__ import annotations

from baselines.patchcraft import TextureView
from tests.parity.filling import Arrays
from tests.parity.modern_preprocess import pictures

SAMPLED = ("landscape_500x375", "small_200x150", "alpha_320x320")
"""The files whose crops have no two textures that are equal but for rounding."""


def arrays(seed: int) -> Arrays:
    found: Arrays = {}
    for stem, picture in pictures().items():
        for name, image in zip(("poor", "rich"), TextureView()(picture), strict=True):
            if stem in SAMPLED:
                found[f"{name}__{stem}"] = image[..., ::16, ::16].numpy()
            found[f"{name}__{stem}__sum"] = image.sum().numpy()
    return found
