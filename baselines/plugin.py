"""Registers the wrapped baselines. Imports no torch."""

from __future__ import annotations

from registry import PublishedWeights, Reported, hookimpl
from registry.hookspecs import Register

_GITHUB = "https://raw.githubusercontent.com"
_SIDBENCH = "hf:dkarageo/sidbench"
_RETRAINED = "D³QE, arXiv 2510.05891, after retraining on ARForensics' LlamaGen split"


@hookimpl
def register_detectors(register: Register) -> None:
    """The baselines, one file each."""
    register(
        "univfd",
        "baselines.univfd:UnivFD",
        summary="linear classifier on the frozen CLIP ViT-L/14 feature",
        paper="Towards Universal Fake Image Detectors, CVPR 2023, arXiv 2302.10174",
        licence="MIT",
        trained_on="ForenSynths ProGAN, 20 classes",
        weights=(
            PublishedWeights(
                f"{_GITHUB}/WisconsinAIVision/UniversalFakeDetect/"
                "76a0e3e60a8a06458707a625d269ba815a2e5919/pretrained_weights",
                "fc_weights.pth",
                licence="MIT",
                sha256="477100745713bcc957beb2b40859536859b6483fd6301b3b9293151b194c7847",
            ),
        ),
        reported=(Reported("VAR", "acc", 0.8053, _RETRAINED),),
    )
    register(
        "cnnspot",
        "baselines.cnnspot:CNNSpot",
        summary="ResNet-50 on the picture",
        paper="CNN-generated images are surprisingly easy to spot, CVPR 2020, arXiv 1912.11035",
        licence="CC BY-NC-SA 4.0",
        trained_on="ForenSynths ProGAN, 20 classes",
        weights=(
            PublishedWeights(_SIDBENCH, "blur_jpg_prob0.5.pth", licence="CC BY-NC-SA 4.0"),
            PublishedWeights(_SIDBENCH, "blur_jpg_prob0.1.pth", licence="CC BY-NC-SA 4.0"),
        ),
        reported=(
            Reported("VAR", "acc", 0.5026, _RETRAINED),
            Reported("LlamaGen", "acc", 0.999, _RETRAINED),
        ),
    )
    register(
        "ferretnet_s",
        "baselines.ferretnet:FerretNet",
        summary="small network (126k parameters) on the difference from the neighbours' median",
        paper="FerretNet, NeurIPS 2025, arXiv 2509.20890",
        licence="Apache-2.0",
        trained_on="ForenSynths ProGAN, 4 classes (car, cat, chair, horse)",
        weights=(
            PublishedWeights(
                f"{_GITHUB}/xigua7105/FerretNet/e92796c1a2fb07ccc57ecd7e718e6dce067be5fa/"
                "checkpoints/4cls_ckpt",
                "ferretnet-s-median-3.pth",
                licence="Apache-2.0",
                sha256="5604ab1ade78dc615181b7d014242bf26f7bc5e2bc82351e6e8d42ce5f28f485",
            ),
        ),
    )
    register(
        "random_score",
        "baselines.random_score:RandomScore",
        summary="uniform scores drawn from the picture's bytes: the floor, and a check for leaks",
        licence="MIT",
        needs_weights=False,
    )
    for name, summary, paper in (
        ("univfd_mini", "UnivFD on the mini benchmark's image encoder, for 64×64 px", "arXiv 2302.10174"),
        ("cnnspot_mini", "CNNSpot's network cut after its second stage, for 64×64 px", "arXiv 1912.11035"),
    ):
        register(
            name,
            f"baselines.mini:{name}",
            summary=summary,
            paper=paper,
            licence="MIT",
            trained_on="mini benchmark, raster generator",
            protocols=("original",),
            weights=(
                PublishedWeights("package:benchmarks", f"mini/weights/{name}.safetensors", licence="MIT"),
            ),
        )
