"""Frozen image backbones of open_clip and timm by name, described without building them twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import torch.nn.functional as F
from open_clip.model import _build_vision_tower
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from registry.card import PublishedWeights
from registry.encoder import Encoder
from registry.errors import UserError, unknown_name
from registry.tokens import BLOCK_FEATURES, TOKENS, token_outputs
from registry.view import CLIP_MEAN, CLIP_STD, EncoderSpec
from registry.weights import load_strict, read_state_dict

Triple = tuple[float, float, float]

CLIP = "clip-vit-l-14/openai"
_CLIP_BY_LIBRARY = (("ViT-L-14-quickgelu", "openai"), ("ViT-L-14", "openai"))
"""What open_clip calls the network that is registered as `CLIP`, quick GELU or not in its name."""


@dataclass(frozen=True)
class Backbone:
    """What a detector has to know of a backbone: the encoder, its input and the length of its feature."""

    encoder: EncoderSpec
    size: int
    mean: Triple
    std: Triple
    features: int


def find_backbone(name: str) -> Backbone:
    """The backbone called `open_clip/MODEL/PRETRAINED` or `timm/MODEL`.

    Raises:
        UserError: another library, or no such model; names the nearest one.
    """
    library, _, model = name.partition("/")
    if library not in _LIBRARIES:
        raise unknown_name("backbone library", library, _LIBRARIES)
    return _LIBRARIES[library](model)


def _open_clip(name: str) -> Backbone:
    model, tag = _model_and_tag(name)
    config = _open_clip_config(model)
    pretrained = open_clip.get_pretrained_cfg(model, tag)
    own = OpenClipBackbone.registered_as(model=model, pretrained=tag)
    return Backbone(
        EncoderSpec(own) if own else EncoderSpec.of("open_clip", {"model": model, "pretrained": tag}),
        _one_side(config["vision_cfg"]["image_size"]),
        pretrained.get("mean") or CLIP_MEAN,
        pretrained.get("std") or CLIP_STD,
        config["embed_dim"],
    )


def _model_and_tag(name: str) -> tuple[str, str]:
    """Model and pretrained tag of `MODEL/TAG`. Raises `UserError` for an unknown one, with the nearest."""
    model, _, tag = name.partition("/")
    _open_clip_config(model)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag not in tags:
        raise unknown_name(f"pretrained tag of open_clip model {model!r}:", tag, tags)
    return model, tag


def _open_clip_config(model: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(model)
    if config is None:
        raise unknown_name("open_clip model", model, open_clip.list_models())
    return config


def _check_timm(name: str) -> None:
    """Raise `UserError` for an unknown model or pretrained tag, with the nearest one."""
    if not timm.is_model(name):
        raise unknown_name("timm model", name, timm.list_models())
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError:  # timm's answer to an unknown tag after the dot
        known = timm.list_pretrained(f"{name.partition('.')[0]}.*")
        raise unknown_name("timm model", name, known) from None


def _timm(name: str) -> Backbone:
    _check_timm(name)
    with torch.device("meta"):
        network: Any = timm.create_model(name, num_classes=0)
    config = network.pretrained_cfg
    return Backbone(
        EncoderSpec.of("timm", {"model": name}),
        _one_side(config["input_size"][1:]),
        tuple(config["mean"]),
        tuple(config["std"]),
        network.num_features,
    )


def _one_side(size: int | Collection[int]) -> int:
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise UserError(f"a backbone that reads {size} pixels is not square")
    return sides.pop()


@cache
def output_shapes(name: str) -> Mapping[str, tuple[int, ...]]:
    """Each output of the backbone called `name` → its shape for one picture, without the batch's length.

    Raises:
        UserError: as `find_backbone`.
    """
    library, _, model = name.partition("/")
    find_backbone(name)
    kind: type[OpenClipBackbone | TimmBackbone] = OpenClipBackbone if library == "open_clip" else TimmBackbone
    with torch.device("meta"):
        encoder = kind(**kind.variant_options(model))  # type: ignore[arg-type]  # options by name
        computed = encoder.eval()(torch.empty(1, 3, encoder.size, encoder.size), encoder.outputs)
    return {output: tuple(value.shape[1:]) for output, value in computed.items()}


def _fit(images: Tensor, size: int) -> Tensor:
    """Square images brought to the size that a backbone reads."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True)


_LIBRARIES = {"open_clip": _open_clip, "timm": _timm}
_OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip tries in a repository whose file it does not name, in this order."""
_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")


def _has_blocks(network: Any) -> bool:
    """Whether a network is a plain transformer: blocks of one width and one number of tokens."""
    return hasattr(network, "num_prefix_tokens") or isinstance(network, VisionTransformer)


def _blocks(within: str, count: int) -> tuple[str, ...]:
    """Names of a transformer's blocks, which are called one by one, whichever way the network is."""
    return tuple(f"{within}.{number}" for number in range(count))


class OpenClipBackbone(Encoder):
    """The image tower of an open_clip model as one pretrained tag has it.

    Outputs, the last two after the tower's final normalisation:
        feature: (N, embedding), not normalised.
        block_features, tokens: as `registry.tokens` says; convolutional towers have no `block_features`.

    The tag decides the weights and, where it says so, the activation: OpenAI's and some others' were trained with
    quick GELU whatever the model's name. Squares of another size than the model's are resized to it, bicubic and
    antialiased.
    """

    outputs: tuple[str, ...] = ("feature", BLOCK_FEATURES, TOKENS)

    def __init__(self, model: str = "ViT-L-14-quickgelu", pretrained: str = "") -> None:
        super().__init__()
        config = _open_clip_config(model)
        self.size = _one_side(config["vision_cfg"]["image_size"])
        tag = open_clip.get_pretrained_cfg(model, pretrained) if pretrained else {}
        # the public `create_model` builds the text tower too, and some of these download their configuration
        self.visual = _build_vision_tower(
            config["embed_dim"],
            config["vision_cfg"],
            quick_gelu=bool(tag.get("quick_gelu") or config.get("quick_gelu", False)),
        )
        if isinstance(self.visual, VisionTransformer):
            self.converts = _blocks("visual.transformer.resblocks", len(self.visual.transformer.resblocks))
        if not _has_blocks(getattr(self.visual, "trunk", self.visual)):
            self.outputs = ("feature", TOKENS)

    @classmethod
    def variant_options(cls, variant: str) -> dict[str, object]:
        """`MODEL/TAG` as `open_clip.list_pretrained()` names them."""
        model, tag = _model_and_tag(variant)
        return {"model": model, "pretrained": tag}

    @classmethod
    def registered_as(cls, **options: object) -> str:
        """OpenAI's ViT-L/14 has a name of its own, which more detectors read."""
        return CLIP if (options["model"], options["pretrained"]) in _CLIP_BY_LIBRARY else ""

    @classmethod
    def published_weights(cls, **options: object) -> tuple[PublishedWeights, ...]:
        """Where open_clip says that the tag's file lies: on the hub, else at an address."""
        config = open_clip.get_pretrained_cfg(str(options["model"]), str(options["pretrained"]))
        if config.get("hf_hub"):
            repository, _, file = str(config["hf_hub"]).rpartition("/")
            return tuple(
                PublishedWeights(f"hf:{repository}", one) for one in ([file] if file else _OPEN_CLIP_FILES)
            )
        address, _, file = str(config.get("url", "")).rpartition("/")
        return (PublishedWeights(address, file, sha256=str(config.get("sha256", ""))),) if file else ()

    def forward(self, images: Tensor, outputs: Collection[str] = ("feature",)) -> dict[str, Tensor]:
        images = _fit(images, self.size)
        if set(outputs) == {"feature"}:
            return {"feature": self.visual(images)}
        has_blocks = BLOCK_FEATURES in self.outputs
        computed = self.visual.forward_intermediates(
            images, normalize_intermediates=has_blocks, output_extra_tokens=has_blocks
        )
        return {
            "feature": computed["image_features"],
            **token_outputs(
                computed["image_intermediates"], computed.get("image_intermediates_prefix", ()), outputs
            ),
        }

    def load_weights(self, path: Path) -> None:
        """Load open_clip's file of the whole model; the text tower in it is left out."""
        state = read_state_dict(path)
        load_strict(self, {name: value for name, value in state.items() if name.startswith("visual.")}, path)


class TimmBackbone(Encoder):
    """A timm model without its classifier.

    Outputs, the last two after the model's final normalisation:
        feature: (N, num_features), pooled as the model does.
        block_features, tokens: as `registry.tokens` says; convolutional models have no `block_features`.

    Squares of another size than the model's are resized to it, bicubic and antialiased.
    """

    outputs: tuple[str, ...] = ("feature", BLOCK_FEATURES, TOKENS)

    def __init__(self, model: str = "vit_base_patch14_dinov2.lvd142m") -> None:
        super().__init__()
        network: Any = timm.create_model(model, num_classes=0)
        self.network = network
        self.size = _one_side(network.pretrained_cfg["input_size"][1:])
        if not _has_blocks(network):
            self.outputs = ("feature", TOKENS)
        elif isinstance(getattr(network, "blocks", None), nn.Sequential | nn.ModuleList):
            self.converts = _blocks("network.blocks", len(network.blocks))

    @classmethod
    def variant_options(cls, variant: str) -> dict[str, object]:
        """`MODEL`, with the pretrained tag after a dot, as `timm.list_pretrained()` names them."""
        _check_timm(variant)
        return {"model": variant}

    @classmethod
    def published_weights(cls, **options: object) -> tuple[PublishedWeights, ...]:
        """Where timm says that the model's file lies: on the hub, else at an address."""
        config = timm.get_pretrained_cfg(str(options["model"]))
        if config is None:
            return ()
        if config.hf_hub_id:
            files = (config.hf_hub_filename,) if config.hf_hub_filename else _TIMM_FILES
            return tuple(PublishedWeights(f"hf:{config.hf_hub_id}", file) for file in files)
        address, _, file = str(config.url or "").rpartition("/")
        return (PublishedWeights(address, file),) if file else ()

    def forward(self, images: Tensor, outputs: Collection[str] = ("feature",)) -> dict[str, Tensor]:
        images = _fit(images, self.size)
        if set(outputs) == {"feature"}:
            return {"feature": self.network(images)}
        of_blocks = {"norm": True, "return_prefix_tokens": True} if BLOCK_FEATURES in self.outputs else {}
        last, blocks = self.network.forward_intermediates(images, **of_blocks)
        with_prefix = isinstance(blocks[0], tuple)
        maps = [block[0] for block in blocks] if with_prefix else blocks
        prefixes = [block[1] for block in blocks] if with_prefix else ()
        return {"feature": self.network.forward_head(last), **token_outputs(maps, prefixes, outputs)}

    def load_weights(self, path: Path) -> None:
        """Load timm's file of the model; the classifier in it is left out."""
        classifiers = self.network.pretrained_cfg.get("classifier") or ()
        names = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
        unused = tuple(f"{name}." for name in names)
        state = {name: value for name, value in read_state_dict(path).items() if not name.startswith(unused)}
        load_strict(self.network, state, path)
