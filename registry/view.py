"""A view: the hashable recipe from a decoded picture to the tensor a network reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class View:
    """Resize, crop, scale and normalise, in that order. Equal views are computed once per picture.

    resize: length of the short side in pixels; `None` leaves the size alone.
    crop: side of the centred square in pixels; where the picture is smaller it is padded with
        black first. `None` keeps the whole picture, so pictures of one batch may differ in size.
    interpolation: one of `INTERPOLATIONS`.
    antialias: `True` resizes as Pillow does; `False` as torchvision does a tensor without a
        low-pass filter (not for lanczos). Either way the result has 8 bits per channel.
    scale: the value that the brightest 8-bit level (255) becomes: 1.0 gives [0, 1].
    mean, std: per-channel RGB normalisation in units of the scaled values, or `None`.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    antialias: bool = True
    scale: float = 1.0
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation {self.interpolation!r} is not one of {INTERPOLATIONS}")
        if not self.antialias and self.interpolation == "lanczos":
            raise ValueError("lanczos always filters: it has no form with antialias=False")
        if (self.mean is None) != (self.std is None):
            raise ValueError("give both mean and std, or neither")
        for field in ("resize", "crop"):
            side = getattr(self, field)
            if side is not None and side < 1:
                raise ValueError(f"{field} must be at least 1 pixel, got {side}")

    def __call__(self, picture: Image) -> torch.Tensor:
        """The view of one RGB picture: float32 (3, height, width)."""
        return self.tensor(self.cropped(self.resized(picture)))

    def resized(self, picture: Image) -> Image:
        """The picture with its short side at `resize` pixels (unchanged where `resize` is None)."""
        if self.resize is None:
            return picture
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms import functional as F

        mode = InterpolationMode(self.interpolation)
        if self.antialias:
            return F.resize(picture, [self.resize], interpolation=mode)
        tensor = F.resize(F.pil_to_tensor(picture), [self.resize], interpolation=mode, antialias=False)
        return F.to_pil_image(tensor)

    def cropped(self, picture: Image) -> Image:
        """The centred square of `crop` pixels (unchanged where `crop` is None)."""
        if self.crop is None:
            return picture
        from torchvision.transforms import functional as F

        return F.center_crop(picture, [self.crop, self.crop])

    def tensor(self, picture: Image) -> torch.Tensor:
        """Scaled and normalised values of a picture, float32 (3, height, width)."""
        from torchvision.transforms import functional as F

        values = F.to_tensor(picture)
        if self.scale != 1.0:
            values = values * self.scale
        if self.mean is not None:
            values = F.normalize(values, list(self.mean), list(self.std or ()))
        return values


@dataclass(frozen=True)
class EncoderSpec:
    """Which frozen network: its name in the encoder catalogue and its constructor's options.

    Equal specs share one network. `options` is a tuple of (name, value) pairs so that the whole
    is hashable; the published networks need none.
    """

    name: str
    options: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(cls, name: str, options: Mapping[str, object] | None = None) -> EncoderSpec:
        """The spec with these options; lists become tuples, mappings tuples of pairs, and the order in which they were given is lost."""
        return cls(name, tuple(sorted((key, _frozen(value)) for key, value in (options or {}).items())))

    @property
    def variant(self) -> str:
        """Which of the networks of its name: the name and the values of its options, `timm/resnet50`."""
        return "/".join([self.name, *(str(value) for _, value in self.options)])


def _frozen(value: object) -> object:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Feature:
    """One named output of a frozen encoder on a view. Equal (encoder, view) pairs run once per batch."""

    encoder: EncoderSpec
    view: View
    output: str
