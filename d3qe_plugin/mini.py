"""D³QE at the size of the embedded benchmark: 64×64 px, the mini tokenizer, a small encoder in CLIP's place."""

from __future__ import annotations

from typing import Any

from d3qe_plugin.network import D3QE

OPTIONS: dict[str, Any] = {
    "tokenizer": "mini-vq4",
    "tokenizer_range": "minus_one_one",
    "codebook_size": 512,
    "latent_channels": 8,
    "grid": 16,
    "size": 64,
    "clip": "mini-image-encoder",
    "clip_features": 608,
    "clip_size": 64,
    "width": 96,
    "heads": 4,
}


def d3qe_mini(protocol: str = "original", **options: Any) -> D3QE:
    """The network of `d3qe` with other sizes; `options` win over `OPTIONS`."""
    return D3QE(protocol, **{**OPTIONS, **options})
