"""The one interface of every detector, ours and strangers'."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from registry.errors import OutputError, UserError
from registry.view import Feature, View
from registry.weights import load_strict, read_state_dict, save_state


class Detector(nn.Module, ABC):
    """Tells generated pictures from real ones: named inputs in, one logit per picture out.

    A detector owns its trainable part and nothing else. What it reads is declared in `inputs`:
    views of the picture, and outputs of frozen encoders on views. Whoever runs it computes each
    distinct view and each distinct (encoder, view) once for all detectors together.

    The constructor builds the architecture offline, downloads nothing, and takes options with
    defaults that give the published network.
    """

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, View | Feature]:
        """Name of each input of `forward` to the view or encoder feature that it is."""

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Score a batch.

        inputs: the tensors named in `inputs`, batch first: (N, 3, height, width) float32 for a
            view, the encoder's own shape for a feature. All pictures of a batch have one size.

        Returns:
            float32 logits (N,); higher means more likely generated, sigmoid(logit) = P(generated).
        """

    def load_weights(self, path: Path) -> None:
        """Load a checkpoint whose names are this module's, under `model`, `state_dict` or at the top.

        Raises:
            WeightsError: no such file, unsafe, or not of this network; nothing is loaded then.
        """
        load_strict(self, read_state_dict(path), path)

    def identity(self) -> str:
        """What decides the scores besides weights files, encoders and options; by default nothing.

        For detectors whose weights come another way: a digest, which is recorded with a run and compared
        when it is resumed.
        """
        return ""

    def save_weights(self, path: Path) -> None:
        """Write a checkpoint that `load_weights` of an equally built detector reads, whole or not at all.

        path: `.safetensors`, or any other suffix for a torch file.
        """
        save_state(self, path)

    def before_training(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Called once before a training from scratch, without gradient; by default nothing happens.

        For statistics of the training pictures that the network normalises with. Where several
        processes train together, each is called with its own part of them: sum over all.

        batches: what `forward` gets, once through the training pictures as the first epoch sees them.
        """

    def training_loss(self, inputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """The loss of a training batch, a scalar: by default the mean binary cross-entropy of the logits.

        For detectors that learn from more than their logit.

        inputs: what `forward` takes. labels: int64 (N,), 0 real, 1 generated.
        """
        # an autocast forward ends in half precision, in which the loss of a confident logit underflows
        logits = check_logits(type(self).__name__, self(inputs), len(labels))
        return binary_cross_entropy_with_logits(logits.float(), labels.float())

    def start_from(self, path: Path) -> None:
        """Begin a training from published weights of a network that this one is built on, such as ImageNet's.

        Raises:
            UserError: there is no such network in it. WeightsError: the file does not fit.
        """
        raise UserError(f"{type(self).__name__} is not built on a network whose weights it could start from")

    def after_step(self, inputs: Mapping[str, Tensor], labels: Tensor) -> None:
        """Called in training after each forward pass, without gradient; by default nothing happens.

        For state that is learned without a gradient, such as counts. Where several processes train
        together, each is called with its own part of the batch: sum over them, so that all agree.

        inputs: what `forward` got. labels: int64 (N,), 0 real, 1 generated.
        """


def check_logits(name: str, logits: object, pictures: int) -> Tensor:
    """What a detector returned for so many pictures: one number each, of a floating type.

    Raises:
        OutputError: it is something else; decisions of 0 and 1, for example, are no logits.
    """
    if not isinstance(logits, Tensor):
        raise OutputError(f"{name} returned {type(logits).__name__}, expected a tensor of logits")
    if logits.shape != (pictures,):
        raise OutputError(
            f"{name} returned logits of shape {tuple(logits.shape)} for {pictures} pictures, expected ({pictures},)"
        )
    if not torch.is_floating_point(logits):
        raise OutputError(f"{name} returned {logits.dtype}, expected logits of a floating type")
    return logits
