"""FreDect: ResNet-50 on the picture's logarithmic cosine spectrum.

"Leveraging Frequency Analysis for Deep Fake Image Recognition", ICML 2020, arXiv 2003.08685.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from baselines.imagenet import load_imagenet
from baselines.network import RESNET50, NetworkDetector, binary_resnet50
from registry.errors import WeightsError
from registry.protocol import view_for
from registry.view import View
from registry.weights import load_strict, read_checkpoint

_EPSILON = 1e-12
_STATISTICS = ("dct_mean", "dct_var")


class FreDect(NetworkDetector):
    """Both protocols are the same: short side 256, square of `size` pixels.

    The spectrum is normalised by the mean and variance of the training set's, which are part of the
    state; a training takes them over its pictures before the first epoch.
    """

    keys = ("netC", "model", "state_dict")
    dct_mean: Tensor
    dct_var: Tensor

    def __init__(self, protocol: str = "original", blocks: Sequence[int] = RESNET50, size: int = 224) -> None:
        view = view_for(protocol, View(resize=256, crop=size, scale=255), crop=size)
        super().__init__(view, binary_resnet50(blocks))
        self.register_buffer("dct_mean", torch.zeros(3, size, size))
        self.register_buffer("dct_var", torch.ones(3, size, size))
        self.register_buffer("basis", cosine_basis(size), persistent=False)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(self.spectrum(inputs["image"])).squeeze(1)

    def spectrum(self, levels: Tensor) -> Tensor:
        """Normalised log |DCT| per channel of 8-bit levels 0–255 (N, 3, size, size), same shape, float32."""
        return ((self._logarithm(levels) - self.dct_mean) / self.dct_var.double().sqrt()).float()

    def _logarithm(self, levels: Tensor) -> Tensor:
        # double precision and whole levels: coefficients that are 0 must stay below the epsilon
        basis = self.get_buffer("basis")
        coefficients = basis @ levels.double().round() @ basis.T
        return (coefficients.abs() + _EPSILON).log()

    @torch.no_grad()
    def before_training(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Take mean and variance of each coefficient over the training pictures of all processes."""
        # logarithms lie between −28 and 11: in double precision their squares leave the variance 10 digits
        sums = torch.zeros(2, *self.dct_mean.shape, dtype=torch.float64, device=self.dct_mean.device)
        pictures = torch.zeros((), dtype=torch.float64, device=sums.device)
        for inputs in batches:
            logarithm = self._logarithm(inputs["image"])
            sums += torch.stack([logarithm.sum(0), logarithm.square().sum(0)])
            pictures += len(logarithm)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sums)
            torch.distributed.all_reduce(pictures)
        mean, squares = sums / pictures
        self.dct_mean.copy_(mean)
        # a coefficient that is the same in all pictures stays as it is, less its mean
        variance = squares - mean.square()
        self.dct_var.copy_(torch.where(variance > _EPSILON, variance, 1.0))

    def start_from(self, path: Path) -> None:
        """Begin from torchvision's ImageNet weights of the same ResNet, classifier apart."""
        load_imagenet(self.network, path)

    def load_weights(self, path: Path) -> None:
        """Load the published network with `dct_mean` and `dct_var` beside it, or a checkpoint of this module.

        Raises:
            WeightsError: as elsewhere, or a statistics file is not there.
        """
        state = self.published_state(path)
        if not any(name in state for name in _STATISTICS):
            state |= {name: _statistics(Path(path).with_name(name)) for name in _STATISTICS}
        prefixed = {
            name if name in _STATISTICS else f"network.{name}": value for name, value in state.items()
        }
        load_strict(self, prefixed, path)


def _statistics(path: Path) -> Tensor:
    found = read_checkpoint(path)
    if not isinstance(found, Tensor):
        raise WeightsError(f"{path} holds a {type(found).__name__}, not the tensor that FreDect needs")
    return found


def cosine_basis(size: int) -> Tensor:
    """The orthonormal DCT-II as a matrix (size, size), float64: `basis @ x` transforms columns."""
    position = torch.arange(size, dtype=torch.float64)
    basis = torch.cos(math.pi / size * (position + 0.5) * position.unsqueeze(1)) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis
