"""CLIP's image tower, frozen: the picture's feature and the class token inside every block."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

import torch
from open_clip.transformer import LayerNorm, VisionTransformer
from torch import Tensor, nn

from registry.encoder import Encoder
from registry.errors import WeightsError
from registry.tokens import BLOCK_FEATURES, TOKENS, token_outputs
from registry.weights import load_strict, read_state_dict

_TOWER = "visual."


class ClipVision(Encoder):
    """ViT-L/14 by default, with OpenAI's quick GELU (arXiv 2103.00020).

    Outputs, for normalised pictures (N, 3, image_size, image_size):
        feature: (N, features) after the projection, not normalised.
        block_tokens: (N, layers, width), the class token after the second layer norm of every
            block; computed only where it is asked for.
        block_features, tokens: as `registry.tokens` says, after the tower's final layer norm.
    """

    outputs = ("feature", "block_tokens", BLOCK_FEATURES, TOKENS)

    def __init__(
        self,
        image_size: int = 224,
        patch_size: int = 14,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
        features: int = 768,
    ) -> None:
        super().__init__()
        self.visual = VisionTransformer(
            image_size=image_size,
            patch_size=patch_size,
            width=width,
            layers=layers,
            heads=heads,
            mlp_ratio=4.0,
            output_dim=features,
            act_layer=_QuickGELU,
        )
        for block in self.visual.transformer.resblocks:
            block.ln_2 = _KeepingNorm(width)
        # not the patch embedding: half precision rounds off the last bit of a pixel
        self.converts = tuple(f"visual.transformer.resblocks.{block}" for block in range(layers))

    def forward(
        self, images: Tensor, outputs: Collection[str] = ("feature", "block_tokens")
    ) -> dict[str, Tensor]:
        computed = self._pass(images, outputs)
        if "block_tokens" in outputs:
            tokens = [block.ln_2.token for block in self.visual.transformer.resblocks]
            computed["block_tokens"] = torch.stack(tokens, dim=1)
        return computed

    def _pass(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        if not {BLOCK_FEATURES, TOKENS} & set(outputs):
            return {"feature": self.visual(images)}
        computed = self.visual.forward_intermediates(
            images, normalize_intermediates=True, output_extra_tokens=True
        )
        maps, prefixes = computed["image_intermediates"], computed["image_intermediates_prefix"]
        return {"feature": computed["image_features"], **token_outputs(maps, prefixes, outputs)}

    def load_weights(self, path: Path) -> None:
        """Load open_clip's file of a whole model (`visual.…` among the text tower's) or of the image tower alone.

        Raises:
            WeightsError: it does not fit, or is OpenAI's TorchScript archive, which holds code.
        """
        if _is_torchscript(path):
            raise WeightsError(
                f"{path} is a TorchScript archive, which holds code: use open_clip's file of the same weights, "
                "open_clip_model.safetensors from hf:timm/vit_large_patch14_clip_224.openai"
            )
        state = read_state_dict(path)
        if any(name.startswith(_TOWER) for name in state):
            state = {
                name.removeprefix(_TOWER): value for name, value in state.items() if name.startswith(_TOWER)
            }
        load_strict(self.visual, state, path)


class _KeepingNorm(LayerNorm):
    """Keeps the class token that it last gave, (N, width): its own code, since what is compiled knows of no later hooks."""

    token: Tensor

    def forward(self, x: Tensor) -> Tensor:
        normed = super().forward(x)
        self.token = normed[:, 0].clone()  # a view would hold all tokens
        return normed


class _QuickGELU(nn.Module):
    """x · sigmoid(1.702 x), to the last bit open_clip's, in a third of its memory where no gradient is recorded."""

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid_(1.702 * x)
        return gate * x if gate.requires_grad else gate.mul_(x)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
