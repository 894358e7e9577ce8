"""Registers the wrapped baselines. Imports no torch."""

from __future__ import annotations

from registry import PublishedWeights, hookimpl
from registry.hookspecs import Register


@hookimpl
def register_detectors(register: Register) -> None:
    """The baselines, one file each."""
    register(
        "ferretnet_s",
        "baselines.ferretnet:FerretNet",
        summary="small network (126k parameters) on the difference from the neighbours' median",
        paper="FerretNet, NeurIPS 2025, arXiv 2509.20890",
        licence="Apache-2.0",
        trained_on="ForenSynths ProGAN, 4 classes (car, cat, chair, horse)",
        weights=(
            PublishedWeights(
                "https://github.com/xigua7105/FerretNet/raw/e92796c1a2fb07ccc57ecd7e718e6dce067be5fa/"
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
