"""Registers D³QE and the encoders it reads. Imports no torch."""

from __future__ import annotations

from registry import PROTOCOLS, PublishedWeights, Reported, hookimpl
from registry.hookspecs import Register

_PAPER = "D³QE, ICCV 2025, arXiv 2510.05891"


@hookimpl
def register_encoders(register: Register) -> None:
    """The frozen networks that D³QE and the CLIP baselines share."""
    register(
        "llamagen-vq16",
        "d3qe_plugin.llamagen:LlamaGenTokenizer",
        summary="VQ tokenizer of stride 16 with 16384 codes of 8 channels",
        paper="LlamaGen, arXiv 2406.06525",
        licence="MIT",
        trained_on="ImageNet",
        weights=(PublishedWeights("hf:FoundationVision/LlamaGen", "vq_ds16_c2i.pt", licence="MIT"),),
    )
    register(
        "var-vq16",
        "d3qe_plugin.var_tokenizer:VARTokenizer",
        summary="VQ tokenizer of stride 16 on ten scales, with 4096 codes of 32 channels",
        paper="VAR, NeurIPS 2024, arXiv 2404.02905",
        licence="MIT",
        trained_on="OpenImages",
        weights=(PublishedWeights("hf:FoundationVision/var", "vae_ch160v4096z32.pth", licence="MIT"),),
    )
    register(
        "vqvae-f4",
        "d3qe_plugin.vqvae:VQVAETokenizer",
        summary="VQ-VAE tokenizer of stride 4 with 512 codes of 128 channels, for pictures in [−0.5, 0.5]",
        paper="Neural Discrete Representation Learning, arXiv 1711.00937",
        licence="MIT",
    )
    register(
        "clip-vit-l-14/openai",
        "d3qe_plugin.clip:ClipVision",
        summary="CLIP ViT-L/14 image tower, 224 pixels, 768 features",
        paper="CLIP, ICML 2021, arXiv 2103.00020",
        licence="MIT",
        trained_on="OpenAI's 400M image-text pairs",
        weights=(
            PublishedWeights(
                "hf:timm/vit_large_patch14_clip_224.openai", "open_clip_model.safetensors", licence="MIT"
            ),
        ),
    )


@hookimpl
def register_detectors(register: Register) -> None:
    """D³QE."""
    register(
        "d3qe",
        "d3qe_plugin.network:D3QE",
        protocols=PROTOCOLS,
        summary="quantisation error of a frozen VQ tokenizer, code statistics in attention, CLIP feature",
        paper=_PAPER,
        licence="MIT",
        trained_on="ARForensics LlamaGen split (100k generated, 100k ImageNet)",
        tables="D³QE",
        weights=(PublishedWeights("hf:Yanran21/D3QE", "model_epoch_best.pth", licence="MIT"),),
        reported=(
            Reported("ARForensics, mean of 7", "acc", 0.8211, _PAPER),
            Reported("ARForensics, mean of 7", "ap", 0.9207, _PAPER),
            Reported("VAR", "acc", 0.8533, _PAPER),
            Reported("VAR", "ap", 0.9530, _PAPER),
            Reported("GAN, mean of 7", "acc", 0.8373, _PAPER),
            Reported("GAN, mean of 7", "ap", 0.9223, _PAPER),
            Reported("diffusion, mean of 6", "acc", 0.7861, _PAPER),
            Reported("diffusion, mean of 6", "ap", 0.8960, _PAPER),
        ),
    )
    register(
        "d3qe_mini",
        "d3qe_plugin.mini:d3qe_mini",
        summary="D³QE on the mini benchmark's tokenizer and image encoder, for 64×64 px",
        paper=_PAPER,
        licence="MIT",
        trained_on="mini benchmark, raster generator",
        protocols=("original",),
        weights=(
            PublishedWeights("package:benchmarks", "mini/weights/d3qe_mini.safetensors", licence="MIT"),
        ),
    )


@hookimpl
def register_figures(register: Register) -> None:
    """What D³QE sees."""
    figures = {
        "code_usage": "rank–frequency of codes in real and generated pictures",
        "delta_map": "ΔD over the codebook, from the counts in the weights",
        "picture_maps": "ΔD and quantisation error over pictures",
        "attention": "attention received, over pictures",
        "delta_sensitivity": "how far logits move when ΔD is changed by its own spread",
    }
    for name, summary in figures.items():
        register(
            name, f"d3qe_plugin.figures.{name}:draw", summary=summary, paper=_PAPER, of=("d3qe", "d3qe_mini")
        )
