"""Baselines at the size of the embedded benchmark: pictures of 64×64 px, frozen parts that ship with it."""

from __future__ import annotations

from baselines.cnnspot import CNNSpot
from baselines.univfd import UnivFD


def univfd_mini(protocol: str = "original") -> UnivFD:
    """UnivFD with a small image encoder in CLIP's place."""
    return UnivFD(protocol, clip="mini-image-encoder", features=608, size=64)


def cnnspot_mini(protocol: str = "original") -> CNNSpot:
    """CNNSpot's residual network cut after its second stage, which is 16×16 positions at 64×64 px."""
    return CNNSpot(protocol, blocks=(1, 1), pooled=False)
