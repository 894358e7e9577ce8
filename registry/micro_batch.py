"""How many pictures go through a frozen encoder together.

The last bits of its outputs depend on it, so no timing that nobody sees decides it: by default a rule does, and what was
chosen stands in the record of a run. One by one, the outputs for a picture depend on nothing but the picture, whatever
the batch is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from registry.encoder import Encoder

LARGE = 50_000_000
"""Parameters from which on a picture alone keeps a CPU busy: more of them at once only leave its caches."""


def by_rule(encoder: Encoder, device: torch.device, precision: str) -> int | None:
    """1 for large networks in float32 on a CPU, None, which is all pictures that are there, for any other.

    In half precision matrix products of several pictures are the faster ones, and on a GPU always.
    """
    alone = device.type == "cpu" and precision == "float32"
    return 1 if alone and sum(one.numel() for one in encoder.parameters()) >= LARGE else None
