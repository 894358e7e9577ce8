"""Encoders whose weights are converted: bfloat16 in the bulk of the network, float32 where it matters, close outputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from baselines.backbones import OpenClipBackbone, TimmBackbone
from baselines.denoiser import Denoiser
from baselines.dinov2 import DINOv2Encoder
from baselines.imagenet import ImageNetResNet
from benchmarks.mini.encoders import (
    MiniBitwiseTokenizer,
    MiniImageEncoder,
    MiniMaskedTokenizer,
    MiniScaleTokenizer,
    MiniTokenizer,
)
from d3qe_plugin.clip import ClipVision
from d3qe_plugin.llamagen import LlamaGenTokenizer
from d3qe_plugin.var_tokenizer import VARTokenizer
from d3qe_plugin.vqvae import VQVAETokenizer
from registry import Encoder
from registry.tokenizer import Tokenizer

_VQ = {"width": 8, "groups": 4, "codebook_size": 32}
SMALL: dict[str, tuple[Callable[[], Encoder], int]] = {
    "clip": (lambda: ClipVision(28, 14, 16, 2, 2, 8), 28),
    "open_clip, transformer": (lambda: OpenClipBackbone("ViT-B-32"), 224),
    "timm": (lambda: TimmBackbone("test_vit"), 160),
    "dinov2": (lambda: DINOv2Encoder(28, 14, 16, 2, 2, tile=28), 28),
    "resnet": (lambda: ImageNetResNet(basic=True, blocks=(1, 1, 1, 1)), 64),
    "denoiser": (lambda: Denoiser(width=16, groups=1, blocks=1), 16),
    "llamagen": (lambda: LlamaGenTokenizer(**_VQ, z_channels=8), 32),
    "var": (lambda: VARTokenizer(**_VQ, scales=(1, 2), code_channels=8), 32),
    "vqvae": (lambda: VQVAETokenizer(16, 8, 1, 32), 32),
    "mini tokenizer": (MiniTokenizer, 64),
    "mini scales": (MiniScaleTokenizer, 64),
    "mini masked": (MiniMaskedTokenizer, 64),
    "mini bits": (MiniBitwiseTokenizer, 64),
    "mini image encoder": (MiniImageEncoder, 64),
}


@pytest.mark.parametrize("name", SMALL)
def test_converted_weights_give_nearly_the_same_outputs_in_float32(name: str) -> None:
    build, side = SMALL[name]
    torch.manual_seed(0)
    exact = build().eval()
    lower = build().eval()
    lower.load_state_dict(exact.state_dict())
    lower.convert(torch.bfloat16)
    images = torch.rand(2, 3, side, side)
    wanted = [one for one in exact.outputs if one not in ("indices", "quantized", "quantization_error")]
    with torch.inference_mode():
        one, other = exact(images, wanted), lower(images, wanted)
    half = sum(weight.numel() for weight in lower.parameters() if weight.dtype == torch.bfloat16)
    assert half > 0.2 * sum(weight.numel() for weight in lower.parameters())
    for output in wanted:
        if (
            "reconstruction" not in output or "continuous" in output
        ):  # others pass through codes, which may flip
            left, right = one[output].float(), other[output].float()
            assert (left - right).square().mean() <= 0.1**2 * left.square().mean(), output
    assert any(not torch.equal(one[output], other[output]) for output in wanted)
    if isinstance(lower, Tokenizer) and isinstance(exact, Tokenizer):
        assert torch.equal(lower.codebook, exact.codebook)
        assert lower.codebook.dtype == torch.float32
