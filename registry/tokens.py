"""What probes read of a network besides its pooled feature: a summary of every block, and the last tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

BLOCK_FEATURES, TOKENS = "block_features", "tokens"
"""Names of these outputs, the same in every encoder that has them."""


def token_outputs(
    maps: Sequence[Tensor], prefixes: Sequence[Tensor], wanted: Collection[str]
) -> dict[str, Tensor]:
    """Those of the two outputs that are wanted.

    maps: each block's patches (N, width, rows, columns). prefixes: each block's class and register tokens
        (N, tokens, width), the class token first; empty where the network has none.

    Returns:
        block_features: (N, blocks, width), the class token of each block or, in networks without one, the mean
            of its patches.
        tokens: (N, tokens, width) of the last block: class token, registers, then the patches row by row.
    """
    computed = {}
    if BLOCK_FEATURES in wanted:
        summaries = [prefix[:, 0] for prefix in prefixes] or [patches.mean(dim=(2, 3)) for patches in maps]
        computed[BLOCK_FEATURES] = torch.stack(summaries, dim=1)
    if TOKENS in wanted:
        patches = maps[-1].flatten(2).transpose(1, 2)
        computed[TOKENS] = torch.cat([*prefixes[-1:], patches], dim=1)
    return computed
