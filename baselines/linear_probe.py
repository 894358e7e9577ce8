"""A linear classifier on what any frozen open_clip or timm backbone computes."""

from __future__ import annotations

from collections.abc import Mapping

from timm.layers import AttentionPoolLatent
from torch import Tensor, nn

from baselines.backbones import find_backbone, output_shapes
from registry.detector import Detector
from registry.errors import UserError, nearest
from registry.protocol import view_for
from registry.tokens import BLOCK_FEATURES, TOKENS
from registry.view import Feature, View

POOLINGS = ("own", "attention")
_HEAD_WIDTH = 64
"""Channels of one attention head, as in the vision transformers themselves."""


class LinearProbe(Detector):
    """Short side and crop are the backbone's own size (`original`); under `uniform` the backbone resizes.

    backbone: `open_clip/MODEL/PRETRAINED` or `timm/MODEL` with names of these libraries, for example
        `timm/vit_base_patch14_dinov2.lvd142m`. The backbone's weights are fetched and given under this
        name, or to the encoder `open_clip` or `timm` where a run has one backbone of that library.
    pooling: `own` reads the feature that the backbone pools itself; `attention` learns one query over the last
        block's tokens, followed by an MLP with a residual connection: the attentive probe of V-JEPA
        (arXiv 2404.08471), in timm's implementation.
    layers: with `own`, how many of the last blocks are read, their class tokens (or means of patches) side by
        side, as in the linear evaluation of DINOv2 (arXiv 2304.07193); 1 reads the pooled feature alone.

    Raises:
        UserError: no such backbone or pooling, or the backbone has fewer blocks than `layers`.
    """

    def __init__(
        self,
        protocol: str = "original",
        backbone: str = "open_clip/ViT-L-14-quickgelu/openai",
        pooling: str = "own",
        layers: int = 1,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise UserError(
                f"linear_probe has no pooling {pooling!r}{nearest(pooling, POOLINGS)} (known: {', '.join(POOLINGS)})"
            )
        chosen = find_backbone(backbone)
        self.layers = layers
        output, width = "feature", chosen.features
        self.pool: AttentionPoolLatent | None = None
        if pooling == "attention":
            if layers != 1:
                raise UserError(f"attention pooling reads the last block: layers must be 1, got {layers}")
            output, width = TOKENS, output_shapes(backbone)[TOKENS][-1]
            heads = width // _HEAD_WIDTH if width % _HEAD_WIDTH == 0 else 1
            self.pool = AttentionPoolLatent(width, num_heads=heads)
        elif layers != 1:
            blocks, each = output_shapes(backbone).get(BLOCK_FEATURES, (1, 0))
            if not 1 <= layers <= blocks:
                has = f"{blocks} blocks" if each else "no blocks of one width"
                raise UserError(f"layers={layers}: {backbone} has {has}")
            output, width = BLOCK_FEATURES, layers * each
        original = View(resize=chosen.size, crop=chosen.size, mean=chosen.mean, std=chosen.std)
        self.feature = Feature(chosen.encoder, view_for(protocol, original), output)
        self.fc = nn.Linear(width, 1)

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return {"feature": self.feature}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        feature = inputs["feature"]
        if self.pool is not None:
            feature = self.pool(feature)
        elif self.feature.output == BLOCK_FEATURES:
            feature = feature[:, -self.layers :].flatten(1)
        return self.fc(feature).squeeze(1)
