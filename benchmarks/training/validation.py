"""Scores the validation pictures after an epoch."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import average_precision_score, log_loss
from torch.utils.data import DataLoader

from benchmarks.training.batches import Batch
from benchmarks.training.model import NonFiniteLoss, TrainingModel
from benchmarks.training.processes import Processes


@torch.inference_mode()
def validate(model: TrainingModel, batches: DataLoader[Batch], processes: Processes) -> dict[str, float]:
    """Accuracy at 0.5, average precision and mean BCE over the pictures of all processes together.

    Raises:
        NonFiniteLoss: a logit is NaN or infinite.
    """
    model.eval()
    scored: list[tuple[int, int, float]] = []
    for batch in batches:
        logits = model(**model.data_preprocessor(batch), mode="predict").float().cpu()
        if not torch.isfinite(logits).all():
            raise NonFiniteLoss(float(logits.sum()), batch.indices.tolist())
        scored += zip(batch.indices.tolist(), batch.labels.tolist(), logits.tolist(), strict=True)
    everything = sorted(row for rows in processes.gather(scored) for row in rows)
    labels = np.array([label for _, label, _ in everything])
    logits_ = np.array([logit for _, _, logit in everything], dtype=np.float64)
    return {
        "acc": float(np.mean((logits_ > 0) == (labels == 1))),
        "ap": float(average_precision_score(labels, logits_)),
        "loss": float(log_loss(labels, 1 / (1 + np.exp(-logits_)), labels=[0, 1])),
    }
