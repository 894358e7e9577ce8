"""How often real and generated training pictures use each code, and how far the two differ (ΔD)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_EPSILON = 1e-8


def count_codes(indices: Tensor, labels: Tensor, codebook_size: int) -> Tensor:
    """Occurrences of each code in the real and in the generated pictures of a batch.

    indices: (N, L) int64 codes; labels: (N,), 0 real, 1 generated.

    Returns:
        float32 (2, codebook_size): row 0 real, row 1 generated. Where processes train together,
        the sum over all of them, so that each holds the same counts.
    """
    positions = (labels.long().unsqueeze(1) * codebook_size + indices).flatten()
    counts = torch.zeros(2 * codebook_size, dtype=torch.int64, device=indices.device)
    counts.scatter_add_(0, positions, torch.ones_like(positions))
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(counts)
    return counts.float().unflatten(0, (2, codebook_size))


def _raw(real: Tensor, fake: Tensor) -> Tensor:
    """p_real − p_fake, as published."""
    return real / (real.sum() + _EPSILON) - fake / (fake.sum() + _EPSILON)


def _times_codes(real: Tensor, fake: Tensor) -> Tensor:
    """In units of the uniform probability of a code."""
    return _raw(real, fake) * len(real)


def _log_ratio(real: Tensor, fake: Tensor) -> Tensor:
    """log p_real − log p_fake, one occurrence of every code added to both (Laplace smoothing)."""
    smooth_real, smooth_fake = real + 1, fake + 1
    return (smooth_real / smooth_real.sum()).log() - (smooth_fake / smooth_fake.sum()).log()


def _standardised(real: Tensor, fake: Tensor) -> Tensor:
    """In units of its standard deviation over the codebook; its mean is 0 by construction."""
    difference = _raw(real, fake)
    return difference / (difference.std() + _EPSILON)


DELTA_FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "raw": _raw,
    "times_codes": _times_codes,
    "log_ratio": _log_ratio,
    "standardised": _standardised,
}
"""ΔD (K,) of the counts (K,) of real and of generated pictures; all are 0 where nothing was counted."""
