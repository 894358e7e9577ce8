"""A linear classifier on the pooled feature of any frozen open_clip or timm backbone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from baselines.backbones import find_backbone
from registry.detector import Detector
from registry.protocol import view_for
from registry.view import Feature, View


class LinearProbe(Detector):
    """Short side and crop are the backbone's own size (`original`); under `uniform` the backbone resizes.

    backbone: `open_clip/MODEL/PRETRAINED` or `timm/MODEL` with names of these libraries, for example
        `timm/vit_base_patch14_dinov2.lvd142m`. The backbone's weights are fetched and given under this
        name, or to the encoder `open_clip` or `timm` where a run has one backbone of that library.
    """

    def __init__(
        self, protocol: str = "original", backbone: str = "open_clip/ViT-L-14-quickgelu/openai"
    ) -> None:
        super().__init__()
        chosen = find_backbone(backbone)
        original = View(resize=chosen.size, crop=chosen.size, mean=chosen.mean, std=chosen.std)
        view = view_for(protocol, original)
        self.feature = Feature(chosen.encoder, view, "feature")
        self.fc = nn.Linear(chosen.features, 1)

    @property
    def inputs(self) -> Mapping[str, Feature]:
        return {"feature": self.feature}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.fc(inputs["feature"]).squeeze(1)
