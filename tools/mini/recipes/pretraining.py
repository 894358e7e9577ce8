"""Where a detector that learns from pixels starts: telling apart what was done to crops of photographs.

The published counterparts start from ImageNet. A thousand pictures are too few to start from random numbers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import Detector, UserError, View
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe, mixed_precision
from tools.mini.recipes.treatments import TREATMENTS, treated_batch


class PretrainingRecipe(Recipe):
    """Cross-entropy of a linear layer on what the detector's own last linear layer reads.

    Raises:
        UserError: the detector reads something else than one normalised view of the picture as it is.
    """

    def __init__(self, detector: Detector, crops: TrainingCrops, steps: int, batch: int = 32) -> None:
        super().__init__()
        self.steps, self.batch, self.crops, self.detector = steps, batch, crops, detector
        ((self.name, view),) = detector.inputs.items()
        if not isinstance(view, View) or view.mean is None or view.std is None or view.resize or view.crop:
            raise UserError(f"{type(detector).__name__} cannot be pretrained on crops: it reads {view}")
        self.mean, self.std = view.mean, view.std
        last = [module for module in detector.modules() if isinstance(module, nn.Linear)][-1]
        last.register_forward_pre_hook(self._keep)
        self.head = nn.Linear(last.in_features, len(TREATMENTS))
        self.optimizers = [torch.optim.AdamW(self.parameters(), 2e-3, weight_decay=0.02)]

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (self.features,) = inputs

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, _, kinds = treated_batch(self.crops, self.batch, rng, self.mean, self.std)
        with mixed_precision():
            self.detector({self.name: images})
            scores = self.head(self.features).float()
        loss = F.cross_entropy(scores, kinds)
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"treatment": loss.item(), "right": float((scores.argmax(1) == kinds).float().mean())}

    def trained(self) -> nn.Module:
        return self.detector
