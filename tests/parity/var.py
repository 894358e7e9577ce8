"""VAR's tokenizer and transformer, small: all tokens in one pass, where the golden file went scale by scale."""

from __future__ import annotations

import torch

from baselines.var import VAR
from d3qe_plugin.var_tokenizer import VARTokenizer
from tests.golden.make_likelihoods import LABELS
from tests.parity.filling import Arrays, filled_by_own_names, images

SCALES = (1, 2, 3, 4)
TOKENIZER = {"width": 32, "scales": SCALES, "codebook_size": 50, "code_channels": 8}
SMALL = {"depth": 3, "width": 48, "scales": SCALES, "codes": 50, "code_channels": 8, "known_classes": 10}


def arrays(seed: int) -> Arrays:
    tokenizer = filled_by_own_names(lambda: VARTokenizer(**TOKENIZER), seed)
    network = filled_by_own_names(lambda: VAR(classes=LABELS, **SMALL), seed)
    network.connect({"tokenizer": tokenizer})
    found = tokenizer(images(2, 64, seed) * 2 - 1)
    indices = found["indices"]
    return {
        "latent": found["latent"].numpy(),
        "indices": indices.numpy(),
        "quantized": found["quantized"].numpy(),
        "reconstruction": found["reconstruction"][:, :, ::4, ::4].numpy(),
        "coarser": tokenizer.coarser(indices).numpy(),
        "conditional": network.log_likelihood(indices, torch.tensor(LABELS)).numpy(),
        "unconditional": network.log_likelihood(indices, None).numpy(),
    }
