"""A detector as mmengine trains it: frozen encoders read outside of the graph, BCE on the logit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.training.batches import Batch
from registry import Detector, EncoderPool, EncoderSpec, Feature, View


class InputReader:
    """Computes a detector's inputs from a batch: each frozen encoder once, without gradient.

    Not a module, so that encoders are never part of a checkpoint nor moved or wrapped with the detector.

    precision: autocast of the encoders, float32 for none.
    """

    def __init__(
        self, inputs: Mapping[str, View | Feature], encoders: EncoderPool, precision: str = "float32"
    ) -> None:
        self.inputs = dict(inputs)
        self.encoders = encoders
        self.precision = precision
        self._outputs: dict[tuple[EncoderSpec, View], set[str]] = defaultdict(set)
        for source in self.inputs.values():
            if isinstance(source, Feature):
                self._outputs[source.encoder, source.view].add(source.output)

    def groups(self) -> Mapping[tuple[EncoderSpec, View], set[str]]:
        """Each distinct (encoder, view) and the outputs that the detector reads of it."""
        return self._outputs

    @torch.no_grad()
    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The tensors that `Detector.forward` takes."""
        tensors = dict(batch.tensors)
        for (encoder, view), outputs in self._outputs.items():
            features = {output: Feature(encoder, view, output) for output in outputs}
            if any(feature not in tensors for feature in features.values()):
                computed = self.encode(encoder, tensors[view], outputs)
                tensors.update({features[output]: value for output, value in computed.items()})
        return {name: tensors[source] for name, source in self.inputs.items()}

    def encode(self, encoder: EncoderSpec, images: Tensor, outputs: set[str]) -> dict[str, Tensor]:
        """Outputs of one frozen encoder on one view, whatever autocast surrounds the call."""
        dtype = getattr(torch, self.precision)
        with torch.autocast(images.device.type, dtype=dtype, enabled=dtype != torch.float32):
            return self.encoders.get(encoder)(images, outputs)


class ToDevice(BaseDataPreprocessor):
    """Moves a batch to where the model is."""

    def forward(self, data: Batch, training: bool = False) -> dict[str, Batch]:
        return {"batch": data.to(self.device)}


class TrainingModel(BaseModel):
    """What mmengine's Runner steps: binary cross-entropy of a detector's logits.

    `forward` raises `NonFiniteLoss` before any parameter has changed.
    """

    def __init__(self, detector: Detector, reader: InputReader) -> None:
        super().__init__(data_preprocessor=ToDevice())
        self.detector = detector
        self.reader = reader

    def init_weights(self) -> None:
        """Nothing: the detector's constructor drew its weights; mmengine would look for more to do."""

    def forward(self, batch: Batch, mode: str = "loss") -> dict[str, Tensor] | Tensor:
        """`loss`: the batch's mean loss, and the detector's training-time state moves on; `predict`: logits."""
        inputs = self.reader(batch)
        logits = self.detector(inputs)
        if mode == "predict":
            return logits
        # an autocast forward ends in half precision, in which the loss of a confident logit underflows
        loss = binary_cross_entropy_with_logits(logits.float(), batch.labels.float())
        if not torch.isfinite(loss):
            raise NonFiniteLoss(float(loss.detach()), batch.indices.tolist())
        with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):
            self.detector.after_step(inputs, batch.labels)
        return {"loss": loss}


class NonFiniteLoss(Exception):
    """The loss of a batch is NaN or infinite. indices: which pictures the batch held."""

    def __init__(self, value: float, indices: list[int]) -> None:
        super().__init__(f"loss {value}")
        self.indices = indices
