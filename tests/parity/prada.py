"""PRADA's heads, as published, on given log-likelihoods."""

from __future__ import annotations

import numpy as np
import torch

from baselines.prada import PRADA, VAR_SCALES
from tests.conftest import SHARED
from tests.parity.filling import Arrays, load_copy

PUBLISHED = SHARED / "golden" / "published_heads"
HEADS = {"llamagen_b256": (256, ()), "var_d30": (680, VAR_SCALES)}
"""Published head → tokens, and tokens of each scale."""


def head(name: str) -> PRADA:
    detector = PRADA(scales=HEADS[name][1]).eval()
    load_copy(detector, PUBLISHED / f"prada_{name}.pt")
    return detector


def arrays(seed: int) -> Arrays:
    rng = np.random.RandomState(seed)
    found: dict[str, torch.Tensor] = {}
    for name, (tokens, scales) in HEADS.items():
        detector = head(name)
        c, u = (torch.from_numpy(rng.standard_normal((4, tokens)).astype(np.float32)) for _ in range(2))
        for suffix, (given, without) in {"": (c, u), "_shifted": (2 * c - 8, 2 * u - 8)}.items():
            found[f"{name}__score{suffix}"] = detector.score(given, without)
            found[f"{name}__token_scores{suffix}"] = detector.token_scores(given, without)[0]
        found[f"{name}__cond_head"] = c[:, :4]
        if scales:
            found[f"{name}__stage_means"] = detector.scale_means(detector.token_scores(c, u))
    return {name: value.numpy() for name, value in found.items()}
