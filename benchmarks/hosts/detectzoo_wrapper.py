"""One of DetectZoo's image detectors as a detector of ours."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import to_pil_image

from benchmarks.hosts.detectzoo import load_suite
from benchmarks.hosts.detectzoo_batches import score_together
from benchmarks.hosts.suite import Notes
from registry import Detector, View, WeightsError
from registry.weights import parameter_digest, read_checkpoint

NOT_PROBABILITIES = frozenset(
    name.removeprefix("detectzoo:") for name in ("detectzoo:aeroblade", "detectzoo:manifold_bias")
)
"""DetectZoo's detectors, not ours of these names, whose score is an error measure: their logit is the score less the suite's threshold."""

# DetectZoo takes the sigmoid in float32, which is exactly 0 or 1 for confident pictures
_SMALLEST, _LARGEST = 2.0**-126, 1 - 2.0**-24


class DetectZooDetector(Detector):
    """Hands the whole picture to DetectZoo's `predict`, which preprocesses and scores it.

    The suite's network is built when its `identity` is asked for, or when the first picture comes: with the checkpoint given to
    `load_weights`, else with the weights that DetectZoo fetches. Either is read with
    `weights_only=True`. Pictures of one size that reach the network in one shape pass it as one batch.
    """

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__()
        self.name = name
        self.options = dict(options)
        self._suite: Any = None

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"image": View()}

    def load_weights(self, path: Path) -> None:
        """Build DetectZoo's detector with this checkpoint.

        Raises:
            WeightsError: the file is unsafe or does not fit, or this detector takes none.
        """
        read_checkpoint(path, convert=False)
        suite = load_suite(Notes())
        kind = suite.core.registry._REGISTRY[self.name]
        if "checkpoint_path" not in inspect.signature(kind).parameters:
            raise WeightsError(
                f"detectzoo:{self.name} takes no checkpoint file; DetectZoo fetches its weights"
            )
        try:
            self._suite = self._build({**self.options, "checkpoint_path": path}, "cpu")
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise WeightsError(f"{path} does not fit detectzoo:{self.name}: {reason}") from error

    def _build(self, options: Mapping[str, object], device: str) -> Any:
        with patch.object(torch, "load", partial(_load_tensors, torch.load)):
            return load_suite(Notes()).load_detector(self.name, device=device, **options)

    def identity(self) -> str:
        """Digest of the parameters that DetectZoo's detector works with, fetched by it or read from the file."""
        if self._suite is None:
            self._suite = self._build(self.options, "cpu")
        networks = [value for value in vars(self._suite).values() if isinstance(value, nn.Module)]
        return " ".join(parameter_digest(network) for network in networks)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        images = inputs["image"]
        if self._suite is None:
            self._suite = self._build(self.options, str(images.device))
        elif self._suite.device != images.device:
            self._suite.to(str(images.device))
        pictures = [to_pil_image(image) for image in images.cpu()]
        # gradients are part of some methods (LGrad), and inference mode forbids them
        with torch.inference_mode(False), torch.enable_grad():
            scores = score_together(self._suite, pictures)
        return torch.tensor([self.logit(score) for score in scores], device=images.device)

    def logit(self, score: float) -> float:
        """The suite's score as a logit: of a probability, or above the suite's threshold."""
        if self.name in NOT_PROBABILITIES:
            return score - float(self._suite.threshold)
        if not 0 <= score <= 1:
            raise ValueError(f"detectzoo:{self.name} gave the score {score}, which is no probability")
        score = min(max(score, _SMALLEST), _LARGEST)
        return math.log(score) - math.log1p(-score)


def _load_tensors(load: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return load(*args, **{**kwargs, "weights_only": True})
