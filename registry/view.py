"""A view: the hashable recipe from a decoded picture to the tensor a network reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

OPENCV_BILINEAR = "opencv-bilinear"
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", OPENCV_BILINEAR)


@dataclass(frozen=True)
class View:
    """Resize, crop, scale and normalise, in that order. Equal views are computed once per picture.

    As torchvision does them, to the last bit; torchvision itself, a second of every start, is loaded where a
    resize needs it.

    A detector with a step of its own subclasses this, as a frozen dataclass whose fields decide that step,
    and overrides `resized` or `tensor`. Views of different classes are never equal.

    resize: length of the short side in pixels; `None` leaves the size alone.
    stretch: `True` makes both sides `resize` pixels long, whatever the picture's proportions.
    crop: side of the centred square in pixels; where the picture is smaller it is padded with
        black first. `None` keeps the whole picture, so pictures of one batch may differ in size.
    interpolation: one of `INTERPOLATIONS`; `opencv-bilinear` is OpenCV's, which has no low-pass filter and
        rounds in a way of its own, and only stretches.
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
    stretch: bool = False

    reads_path: ClassVar[bool] = False
    """Whether it is made of more than pixels, of `picture.info["path"]`: copies of a picture may then differ in it."""

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation {self.interpolation!r} is not one of {INTERPOLATIONS}")
        if not self.antialias and self.interpolation == "lanczos":
            raise ValueError("lanczos always filters: it has no form with antialias=False")
        if (self.mean is None) != (self.std is None):
            raise ValueError("give both mean and std, or neither")
        if self.stretch and self.resize is None:
            raise ValueError("stretch needs a resize")
        if self.interpolation == OPENCV_BILINEAR and not self.stretch:
            raise ValueError(f"{OPENCV_BILINEAR} needs stretch=True")
        for field in ("resize", "crop"):
            side = getattr(self, field)
            if side is not None and side < 1:
                raise ValueError(f"{field} must be at least 1 pixel, got {side}")

    def __call__(self, picture: Image) -> torch.Tensor:
        """The view of one RGB picture: float32 (3, height, width)."""
        return self.tensor(self.cropped(self.resized(picture)))

    def resized(self, picture: Image) -> Image:
        """The picture with its short side, or both, at `resize` pixels (unchanged where `resize` is None)."""
        if self.resize is None:
            return picture
        if self.interpolation == OPENCV_BILINEAR:
            return _opencv_bilinear(picture, self.resize)
        if self.antialias:
            from PIL.Image import Resampling

            short, long = sorted(picture.size)
            sides = self.resize, self.resize if self.stretch else int(self.resize * long / short)
            size = sides if picture.width <= picture.height else sides[::-1]
            return picture.resize(size, Resampling[self.interpolation.upper()])
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms import functional as F

        mode = InterpolationMode(self.interpolation)
        wanted = [self.resize] * (2 if self.stretch else 1)
        return F.to_pil_image(F.resize(F.pil_to_tensor(picture), wanted, interpolation=mode, antialias=False))

    def cropped(self, picture: Image) -> Image:
        """The centred square of `crop` pixels (unchanged where `crop` is None)."""
        if self.crop is None:
            return picture
        lacking = [max(0, self.crop - side) for side in picture.size]
        if any(lacking):
            from PIL import ImageOps

            width, height = lacking
            border = (width // 2, height // 2, (width + 1) // 2, (height + 1) // 2)
            picture = ImageOps.expand(picture, border)
        left, top = (round((side - self.crop) / 2) for side in picture.size)
        return picture.crop((left, top, left + self.crop, top + self.crop))

    def reduced(self, size: tuple[int, int]) -> View:
        """This view without the resize and the crop that change nothing of a picture of `size` (width, height).

        Views that are reduced to the same one give equal tensors, to the last bit. A subclass may do more with a
        field than is known here, and stays as it is.
        """
        if type(self) is not View:
            return self
        square = size[0] == size[1]
        if square and self.stretch and self.interpolation != OPENCV_BILINEAR:
            return replace(self, stretch=False).reduced(size)
        as_it_is = self.resize in (None, min(size)) and (square or not self.stretch)
        side = self.resize or size[0]
        crop = None if self.crop == side and (square or self.stretch) else self.crop
        if not as_it_is:
            return replace(self, crop=crop)
        return replace(self, resize=None, stretch=False, interpolation="bilinear", antialias=True, crop=crop)

    @property
    def before_crop(self) -> View:
        """This view less all that follows its resize: equal for views whose `resized` gives equal pictures."""
        return replace(self, crop=None, scale=1.0, mean=None, std=None)

    def tensor(self, picture: Image) -> torch.Tensor:
        """Scaled and normalised values of a picture, float32 (3, height, width)."""
        return self.values(_levels(picture))

    def values(self, levels: torch.Tensor) -> torch.Tensor:
        """Scaled and normalised values of 8-bit levels, float32 (…, 3, height, width), the same bits on any device.

        What is not uint8, as of a view with a step of its own, has its values already and comes back as it is.
        """
        import torch

        if levels.dtype != torch.uint8:
            return levels

        # by a tensor: CUDA divides by a number as it multiplies by its inverse, which is another last bit
        found = levels.to(torch.float32).div_(_constant(255.0, levels.device))
        if self.scale != 1.0:
            found.mul_(self.scale)
        if self.mean is not None and self.std is not None:
            found.sub_(_constant(self.mean, levels.device)).div_(_constant(self.std, levels.device))
        return found


def views_of(picture: Image, views: Iterable[View]) -> dict[View, torch.Tensor]:
    """What each view sees of one RGB picture: 8-bit levels (3, height, width), of which `View.values` makes what a network reads.

    They take a quarter of the values' memory on their way to it. A view with a step of its own gives its values. Views that
    come to the same pixels share one tensor, and equal resizes are done once.
    """
    made: dict[View, torch.Tensor] = {}
    resized: dict[View, Image] = {}
    found = {}
    for view in views:
        if type(view) is not View:
            found[view] = view(picture)
            continue
        pixels, size = _geometry(view, picture.size)
        if pixels not in made:
            if size not in resized:
                resized[size] = size.resized(picture)
            made[pixels] = _levels(pixels.cropped(resized[size]))
        found[view] = made[pixels]
    return found


@lru_cache(maxsize=4096)
def _geometry(view: View, size: tuple[int, int]) -> tuple[View, View]:
    """What decides the pixels that a plain view sees of a picture of `size`, and what of it decides the resize."""
    pixels = replace(view.reduced(size), scale=1.0, mean=None, std=None)
    return pixels, pixels.before_crop


@lru_cache(maxsize=256)
def _constant(values: float | tuple[float, ...], device: torch.device) -> torch.Tensor:
    """One number or one per channel, float32 (channels, 1, 1). Brought to a device once: each time it would wait for what a GPU has to do."""
    import torch

    return torch.tensor(values, dtype=torch.float32, device=device).reshape(-1, 1, 1)


def _levels(picture: Image) -> torch.Tensor:
    """8-bit levels of a picture, uint8 (3, height, width)."""
    import numpy as np
    import torch

    rows = np.asarray(picture).reshape(picture.height, picture.width, -1)
    return torch.from_numpy(rows.transpose(2, 0, 1).copy())


def _opencv_bilinear(picture: Image, side: int) -> Image:
    import cv2
    import numpy as np
    from PIL import Image

    return Image.fromarray(cv2.resize(np.asarray(picture), (side, side), interpolation=cv2.INTER_LINEAR))


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
