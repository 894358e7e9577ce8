"""LlamaGen's tokenizer with its decoder, and the provenance scores of it."""

from __future__ import annotations

from baselines.iar import enc_loss, quant_loss
from d3qe_plugin.llamagen import LlamaGenTokenizer
from tests.parity.filling import Arrays, filled, golden_names, images

SHOWN = (..., slice(None, None, 16), slice(None, None, 16))


def arrays(seed: int) -> Arrays:
    tokenizer = filled(LlamaGenTokenizer, golden_names("iar", ignore=("quantize.codebook_used",)), "", seed)
    pictures = images(2, 256, seed) * 2 - 1
    found = tokenizer(pictures)
    first, second = found["continuous_reconstruction"], found["second_reconstruction"]
    quant, enc = quant_loss(found["quantization_error"]), enc_loss(pictures, first, second)
    return {
        name: value.numpy()
        for name, value in {
            "encoder_latent": found["latent"],
            "f": found["normalized_latent"],
            "indices": found["indices"],
            "quantised": found["quantized"],
            "quant_loss": quant,
            "reconstruction": quant_loss(found["reconstruction"] - pictures),
            "enc_loss": enc,
            "combined": quant * enc,
            "loss1": quant_loss(first - pictures),
            "loss2": quant_loss(second - first),
            "rec_quant": found["reconstruction"][SHOWN],
            "rec1": first[SHOWN],
            "rec2": second[SHOWN],
            "clamped_fraction": (found["reconstruction"].abs() == 1).float().mean(),
        }.items()
    }
