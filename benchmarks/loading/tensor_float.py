"""Whether a GPU rounds what goes into the products of float32 numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def use_tensor_float(use: bool) -> None:
    """Let tensor cores round the factors in float32 convolutions to TF32's 10 bits, as torch does by default, or in nothing.

    Detectors that read codes and quantisation errors feel what is rounded off. On a CPU, with factors rounded so by hand, logits of the
    embedded one moved by up to 3.6 in 120 pictures, as far as in bfloat16, and those of the full-size one without
    training by up to 7; noise of 1e-6 of each factor, which is about float32's own, moved them by 6e-4 and 3e-3.
    """
    torch.backends.cudnn.allow_tf32 = use
    torch.backends.cuda.matmul.allow_tf32 = False  # torch's default, but not that of NVIDIA's containers


@contextmanager
def exact_float32() -> Iterator[None]:
    """Float32 as it is, and what was set before again afterwards: for processes in which others compute, too."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, products.allow_tf32
    use_tensor_float(False)
    try:
        yield
    finally:
        cudnn.allow_tf32, products.allow_tf32 = before
