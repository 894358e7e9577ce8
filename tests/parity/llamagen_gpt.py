"""LlamaGen's transformer, small: all tokens in one pass, where the golden file went token by token."""

from __future__ import annotations

import numpy as np
import torch

from baselines.llamagen_gpt import LlamaGenGPT
from tests.golden.make_likelihoods import LABELS
from tests.parity.filling import Arrays, filled_by_own_names

SMALL = {"width": 64, "depth": 3, "heads": 4, "tokens": 16, "codes": 50, "known_classes": 10}


def arrays(seed: int) -> Arrays:
    network = filled_by_own_names(lambda: LlamaGenGPT(classes=LABELS, **SMALL), seed)
    tokens = torch.from_numpy(np.random.RandomState(seed).randint(0, 50, (2, 16)))
    return {
        "tokens": tokens.numpy(),
        "conditional": network.log_likelihood(tokens, torch.tensor(LABELS)).numpy(),
        "unconditional": network.log_likelihood(tokens, None).numpy(),
    }
