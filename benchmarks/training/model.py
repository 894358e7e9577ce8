"""A detector as mmengine trains it: frozen encoders read outside of the graph, the detector's own loss."""

from __future__ import annotations

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor

from benchmarks.training.batches import Batch
from benchmarks.training.reader import InputReader
from registry import Detector


class ToDevice(BaseDataPreprocessor):
    """Moves a batch to where the model is."""

    def forward(self, data: Batch, training: bool = False) -> dict[str, Batch]:
        return {"batch": data.to(self.device)}


class TrainingModel(BaseModel):
    """What mmengine's Runner steps: a detector's `training_loss`.

    `forward` raises `NonFiniteLoss` before any parameter has changed.
    """

    def __init__(self, detector: Detector, reader: InputReader) -> None:
        super().__init__(data_preprocessor=ToDevice())
        self.detector = detector
        self.reader = reader

    def init_weights(self) -> None:
        """Nothing: the detector's constructor drew its weights; mmengine would look for more to do."""

    def forward(self, batch: Batch, mode: str = "loss") -> dict[str, Tensor] | Tensor:
        """`loss`: the batch's loss, and the detector's training-time state moves on; `predict`: logits."""
        inputs = self.reader(batch)
        if mode == "predict":
            return self.detector(inputs)
        loss = self.detector.training_loss(inputs, batch.labels)
        if not torch.isfinite(loss):
            raise NonFiniteLoss(float(loss.detach()), batch.indices.tolist())
        with torch.no_grad(), torch.autocast(loss.device.type, enabled=False):
            self.detector.after_step(inputs, batch.labels)
        return {"loss": loss}


class NonFiniteLoss(Exception):
    """The loss of a batch is NaN or infinite. indices: which pictures the batch held."""

    def __init__(self, value: float, indices: list[int]) -> None:
        super().__init__(f"loss {value}")
        self.indices = indices
