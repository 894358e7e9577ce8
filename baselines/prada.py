"""PRADA: is a picture's token sequence likelier with the generator's condition than without?

"PRADA", CVPR 2026 Findings; github.com/jonasricker/prada. Of every token, with log-likelihoods c given
the condition and u without,

    t = (2 − α)·c − α·u,    score = Σ_scales w·mean over the scale's tokens of MLP(t)

α, w and the MLP (1 → 16 → 16 → 1, ELU) are learned per generator. Higher means this generator, threshold 0.
Names are those of the published heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from baselines.prada_views import ADMView, FolderClass
from registry.detector import Detector
from registry.errors import UserError, nearest
from registry.protocol import view_for
from registry.view import EncoderSpec, Feature, View

CONDITIONS = ("best", "marginal", "folder")
HEADS = ("mlp", "ratio")
_HALF = (0.5, 0.5, 0.5)
_SMOOTHING, _NOISE, _PENALTY = 0.05, 0.1, 0.1
VAR_SCALES = (1, 4, 9, 16, 25, 36, 64, 100, 169, 256)


class PRADA(Detector):
    """Reads the log-likelihoods that a registered `registry.likelihood.TokenLikelihood` gives.

    condition: which class c is given. The published code is told it by the picture's folder (`folder`:
        207 or n02099601). Without such folders: the class that finds the whole picture likeliest (`best`),
        or the mean over classes, weighted by how likely each is to have made the picture (`marginal`).
    classes: those that `best` and `marginal` try, all by default; each costs a pass.
    head: `mlp`, the learned one; `ratio`, the mean of c − u over all tokens, which has nothing to learn.
    model, model_options: the encoder and its options. scales: tokens of each scale, coarse to fine; one
        scale by default.
    input: the published preprocessing of `size` pixels: `adm` (LlamaGen's) or `lanczos` (VAR's); or
        `bilinear`.
    """

    def __init__(
        self,
        protocol: str = "original",
        condition: str = "best",
        head: str = "mlp",
        classes: Sequence[int] = (),
        model: str = "llamagen-gpt",
        model_options: Mapping[str, Any] | None = None,
        scales: Sequence[int] = (),
        size: int = 256,
        input: str = "adm",
    ) -> None:
        super().__init__()
        views = {
            "adm": ADMView(resize=size, crop=size, interpolation="bicubic", mean=_HALF, std=_HALF),
            "lanczos": View(resize=size, crop=size, interpolation="lanczos", mean=_HALF, std=_HALF),
            "bilinear": View(resize=size, crop=size, mean=_HALF, std=_HALF),
        }
        for name, value, allowed in (
            ("condition", condition, CONDITIONS),
            ("head", head, HEADS),
            ("input", input, tuple(views)),
        ):
            if value not in allowed:
                raise UserError(
                    f"prada: {name} {value!r} is not known{nearest(value, allowed)} (known: {', '.join(allowed)})"
                )
        self.condition = condition
        self.scales = tuple(scales)
        view: View = view_for(protocol, views[input], crop=size)
        output = "class_log_likelihood"
        if condition == "folder":
            view, output = FolderClass(view=view), "own_log_likelihood"
        encoder = EncoderSpec.of(
            model, {**(model_options or {}), **({"classes": tuple(classes)} if classes else {})}
        )
        self._inputs = {
            "conditional": Feature(encoder, view, output),
            "unconditional": Feature(encoder, view, "unconditional_log_likelihood"),
        }
        if head == "mlp":
            count = max(1, len(self.scales))
            self.alpha = nn.Parameter(torch.ones(1))
            self.w = nn.Parameter(torch.ones(count) / count, requires_grad=count > 1)
            self.net = nn.Sequential(
                nn.Linear(1, 16), nn.ELU(), nn.Linear(16, 16), nn.ELU(), nn.Linear(16, 1)
            )
        self.learned = head == "mlp"

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return self._inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.score(self.conditional(inputs["conditional"]), inputs["unconditional"])

    def conditional(self, each: Tensor) -> Tensor:
        """The c of every token (N, tokens), from those given each class (N, K, tokens)."""
        total = each.sum(2)
        weights = total.softmax(1) if self.condition == "marginal" else total == total.amax(1, keepdim=True)
        weights = weights / weights.sum(1, keepdim=True)
        return (weights[:, :, None] * each).sum(1)

    def score(self, c: Tensor, u: Tensor) -> Tensor:
        """Logits (N,) from log-likelihoods (N, tokens) with condition and without."""
        if not self.learned:
            return (c - u).mean(1)
        return (self.scale_means(self.token_scores(c, u)) * self.w).sum(1)

    def token_scores(self, c: Tensor, u: Tensor) -> Tensor:
        """What the MLP makes of every token: (N, tokens)."""
        combined = (2 - self.alpha) * c - self.alpha * u
        if self.training:
            combined = combined + _NOISE * combined.std() * torch.randn_like(combined)
        return self.net(combined[..., None])[..., 0]

    def scale_means(self, scores: Tensor) -> Tensor:
        """Mean of each scale (N, scales) of scores (N, tokens)."""
        parts = scores.split(list(self.scales), 1) if self.scales else [scores]
        return torch.stack([part.mean(1) for part in parts], 1)

    def training_loss(self, inputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """Cross-entropy of smoothed labels, and a pull of ‖w‖₁ towards 1, as published."""
        if not self.learned:
            raise UserError("prada: head=ratio has nothing to train; head=mlp has")
        smoothed = labels.float() * (1 - _SMOOTHING) + _SMOOTHING / 2
        loss = binary_cross_entropy_with_logits(self(inputs).float(), smoothed)
        return loss + _PENALTY * (self.w.abs().sum() - 1).square()


prada_llamagen_l = partial(PRADA, model="llamagen-gpt-l")
prada_var_d20 = partial(PRADA, model="var-d20", scales=VAR_SCALES, input="lanczos")
prada_var_d30 = partial(PRADA, model="var-d30", scales=VAR_SCALES, input="lanczos")
