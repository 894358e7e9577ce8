"""Makes one part of the data set: generated pictures, and real crops that match them in all but their making."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from registry.errors import UserError
from tools.mini.generators import Samples
from tools.mini.photos import SIDE, SOURCES, Crops, flat

_CHUNK = 50
_ROUNDS = 100
_POOL = 40
_THUMBNAIL = 4


class Part(NamedTuple):
    """Pictures uint8 (N, 64, 64, 3) each, and the class (N,) of both: pair by pair one photograph."""

    real: np.ndarray
    fake: np.ndarray
    classes: np.ndarray


def make(
    samples: Samples, split: str, count: int, seed: int, progress: Callable[[int], None] = lambda done: None
) -> Part:
    """`count` generated pictures and as many real ones, the photographs in turn.

    progress: called with the number of pictures that were added.
    """
    classes = np.arange(count) % len(SOURCES)
    fake = generated(samples, classes, seed, progress)
    real = matched(Crops(split), fake, classes, np.random.default_rng(seed))
    return Part(real, fake, classes)


@torch.inference_mode()
def generated(
    samples: Samples, classes: np.ndarray, seed: int, progress: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """One picture per class (N,): uint8 (N, 64, 64, 3).

    A nearly flat picture is drawn again, by the rule that real crops keep to as well.

    Raises:
        UserError: the generator makes flat pictures only.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = np.zeros((len(classes), SIDE, SIDE, 3), np.uint8)
    missing = np.arange(len(classes))
    for _ in range(_ROUNDS):
        still_missing = []
        for chunk in np.split(missing, range(_CHUNK, len(missing), _CHUNK)):
            drawn = to_pictures(samples.sample(torch.from_numpy(classes[chunk]), generator)).numpy()
            good = np.array([not flat(picture) for picture in drawn])
            pictures[chunk[good]] = drawn[good]
            still_missing.append(chunk[~good])
            progress(int(good.sum()))
        missing = np.concatenate(still_missing)
        if not len(missing):
            return pictures
    raise UserError(
        f"{len(missing)} of {len(classes)} generated pictures stay flat: the weights are not trained"
    )


def to_pictures(images: Tensor) -> Tensor:
    """Images in [-1, 1] (N, 3, 64, 64), clipped and rounded, to uint8 (N, 64, 64, 3)."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


def matched(crops: Crops, fake: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Real crops, one per generated picture, of the same photograph and of like colours: uint8 (N, 64, 64, 3).

    From 40 random crops per picture those are taken that together come nearest in their 4×4
    thumbnails and in contrast (optimal assignment), none twice. Without it the sets would differ in the shares
    of sky and shadow, which a detector could learn in place of how the pictures were made.
    """
    real = np.empty_like(fake)
    for photo in np.unique(classes):
        wanted = np.flatnonzero(classes == photo)
        pool = np.unique([crops.draw(int(photo), rng) for _ in range(_POOL * len(wanted))], axis=0)
        theirs, ours = appearance(fake[wanted]), appearance(pool)
        cost = np.square(theirs[:, None] - ours[None]).sum(-1)
        rows, columns = linear_sum_assignment(cost)
        real[wanted[rows]] = pool[columns]
    return real


def appearance(pictures: np.ndarray) -> np.ndarray:
    """What a picture looks like from afar, in 8-bit levels: float64 (N, 51).

    The 4×4 thumbnail's RGB values, each divided by 4, and the standard deviation of each channel,
    so that layout, overall colour and contrast weigh about the same.
    """
    values = pictures.astype(np.float64)
    cells = values.reshape(len(values), _THUMBNAIL, SIDE // _THUMBNAIL, _THUMBNAIL, SIDE // _THUMBNAIL, 3)
    thumbnail = cells.mean((2, 4)).reshape(len(values), -1)
    return np.concatenate([thumbnail / _THUMBNAIL, values.std((1, 2))], 1)
