"""A loss that draws embeddings of one class together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

TEMPERATURE = 0.07


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Mean over pictures of −log softmax over all others at those of the same class.

    "Supervised Contrastive Learning", arXiv 2004.11362, equation 2 (`L_out`). A picture that is alone
    in its class adds 0.

    embeddings: float32 (N, C), normalised here. labels: (N,).

    Returns:
        A scalar, not negative; 0 where no two pictures are of one class.
    """
    directions = normalize(embeddings)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarity = (directions @ directions.T / temperature).masked_fill(itself, -torch.inf)
    log_share = (similarity - similarity.logsumexp(dim=1, keepdim=True)).masked_fill(itself, 0.0)
    same_class = (labels.unsqueeze(0) == labels.unsqueeze(1)) & ~itself
    each = (log_share * same_class).sum(dim=1) / same_class.sum(dim=1).clamp(min=1)
    return -each.mean()
