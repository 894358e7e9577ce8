"""Baselines at the size of the embedded benchmark: pictures of 64×64 px, frozen parts that ship with it."""

from __future__ import annotations

from functools import partial

from baselines.cnnspot import CNNSpot
from baselines.iar import IAR
from baselines.prada import PRADA
from baselines.univfd import UnivFD


def univfd_mini(protocol: str = "original") -> UnivFD:
    """UnivFD with a small image encoder in CLIP's place, on the view that D³QE reads there: one pass serves both."""
    return UnivFD(protocol, clip="mini-image-encoder", features=608, size=64, resize=64)


def cnnspot_mini(protocol: str = "original") -> CNNSpot:
    """CNNSpot's residual network cut after its second stage, one block each."""
    return CNNSpot(protocol, blocks=(1, 1))


def iar_mini(protocol: str = "original", score: str = "enc", tokenizer: str = "mini-vq4") -> IAR:
    """IAR's scores on a tokenizer of the mini benchmark, on the view that D³QE reads there."""
    return IAR(protocol, score, tokenizer=tokenizer, size=64)


iar_quant_mini = partial(iar_mini, score="quant")
iar_combined_mini = partial(iar_mini, score="combined")
iar_scale_mini = partial(iar_mini, score="combined", tokenizer="mini-msvq4")


def prada_mini(
    protocol: str = "original", condition: str = "best", head: str = "ratio", model: str = "mini-raster"
) -> PRADA:
    """PRADA on a transformer of the mini benchmark, by default without a learned head."""
    scales = (1, 4, 16, 64, 256) if model == "mini-next-scale" else ()
    return PRADA(protocol, condition, head, model=model, scales=scales, size=64, input="bilinear")


prada_scale_mini = partial(prada_mini, model="mini-next-scale")
