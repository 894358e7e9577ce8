"""RINE: the class token inside every CLIP block, weighted over blocks, through an MLP.

"Leveraging Representations from Intermediate Encoder-blocks for Synthetic Image Detection",
ECCV 2024, arXiv 2402.19091; parameter names are those of the published heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from baselines.contrastive import supervised_contrastive
from baselines.crops import ten_crops
from registry.detector import Detector
from registry.errors import UserError, WeightsError, nearest
from registry.protocol import published_input, view_for
from registry.view import CLIP_MEAN, CLIP_STD, EncoderSpec, Feature, View
from registry.weights import load_strict, read_state_dict

VARIANTS = {"4class": (2, 1024), "2class": (4, 128), "1class": (4, 1024), "ldm": (4, 1024)}
"""Published head → (layers of each projection, width)."""

CONTRAST = {"4class": 0.2, "2class": 0.2, "1class": 0.1, "ldm": 0.2}
"""Published head → weight of the contrastive loss; for `ldm` the authors searched 0.2 and 0.4."""


class RINE(Detector):
    """Reads a square of 224 pixels cut from the picture without resizing (`original`).

    variant: which published head it is shaped as; `layers` and `width` give another shape.
    clip, clip_options: a registered encoder with an output `block_tokens` (N, `blocks`, `channels`).
    size: side of the square that it takes, in pixels.
    input: the test sets whose published figures are to be compared with. Those of `ForenSynths` and
        `UniversalFakeDetect` are of the square in the centre; those of `Synthbuster`, which are all there are of the
        variant `ldm`, average the logits of ten squares: corners and centre, and those of the mirrored picture.
    contrast: weight of the contrastive loss in training (the paper's ξ), by default the variant's;
        0 leaves it out.
    """

    def __init__(
        self,
        protocol: str = "original",
        variant: str = "4class",
        layers: int | None = None,
        width: int | None = None,
        clip: str = "clip-vit-l-14/openai",
        clip_options: Mapping[str, Any] | None = None,
        blocks: int = 24,
        channels: int = 1024,
        size: int = 224,
        contrast: float | None = None,
        input: str = "ForenSynths",
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise UserError(
                f"rine has no variant {variant!r}{nearest(variant, VARIANTS)} (known: {', '.join(VARIANTS)})"
            )
        layers = layers or VARIANTS[variant][0]
        width = width or VARIANTS[variant][1]
        self.contrast = CONTRAST[variant] if contrast is None else contrast
        centre = View(crop=size, mean=CLIP_MEAN, std=CLIP_STD)
        offered: dict[str, Sequence[View]] = {
            **dict.fromkeys(("ForenSynths", "UniversalFakeDetect"), (centre,)),
            "Synthbuster": ten_crops(centre),
        }
        originals = published_input("rine", protocol, input, offered)
        encoder = EncoderSpec.of(clip, clip_options)
        self.features = [
            Feature(encoder, view_for(protocol, one, crop=size), "block_tokens") for one in originals
        ]
        self.alpha = nn.Parameter(torch.randn(1, blocks, width))
        self.proj1 = _projection(channels, width, layers)
        self.proj2 = _projection(width, width, layers)
        self.head = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(width, 1),
        )

    @property
    def inputs(self) -> Mapping[str, Feature]:
        """`tokens` of the square in the centre, or `tokens_0` and so on of several."""
        if len(self.features) == 1:
            return {"tokens": self.features[0]}
        return {f"tokens_{number}": feature for number, feature in enumerate(self.features)}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = self.head(self.embed(self._all_squares(inputs)))
        return logits.view(len(self.features), -1).mean(dim=0)

    def _all_squares(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Tokens (squares · N, blocks, channels): of the first square of all pictures, then of the second, …"""
        return torch.cat([inputs[name] for name in self.inputs])

    def training_loss(self, inputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """Cross-entropy and contrastive loss, in the proportion of the released code.

        That adds the contrastive loss to the sum of the batch's cross-entropies; both are divided by
        the batch here, so that the learning rate means what it means for other detectors.
        """
        embeddings = self.embed(self._all_squares(inputs))
        labels = labels.repeat(len(self.features))
        logits = self.head(embeddings).squeeze(1)
        loss = binary_cross_entropy_with_logits(logits.float(), labels.float())
        if not self.contrast:
            return loss
        return loss + self.contrast / len(labels) * supervised_contrastive(embeddings.float(), labels)

    def embed(self, tokens: Tensor) -> Tensor:
        """The class tokens (N, blocks, channels) projected, averaged with softmax weights, projected: (N, width)."""
        return self.proj2((self.alpha.softmax(dim=1) * self.proj1(tokens)).sum(dim=1))

    def load_weights(self, path: Path) -> None:
        """Load a published head, or a checkpoint of this module; a head of another shape is named."""
        state = read_state_dict(path)
        found = _shape(state)
        if found not in (None, _shape(self.state_dict())):
            names = [name for name, shape in VARIANTS.items() if shape == found]
            hint = f": set the option variant to {' or '.join(names)}" if names else ""
            raise WeightsError(f"{path} is a RINE head of (layers, width) {found}{hint}")
        load_strict(self, state, path)


def _projection(in_channels: int, width: int, layers: int) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Dropout()]
    for layer in range(layers):
        parts += [nn.Linear(in_channels if layer == 0 else width, width), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*parts)


def _shape(state: Mapping[str, Tensor]) -> tuple[int, int] | None:
    """(layers, width) of a head's state, or None where it is something else."""
    if "alpha" not in state:
        return None
    layers = sum(name.startswith("proj2.") and name.endswith(".weight") for name in state)
    return layers, state["alpha"].shape[-1]
