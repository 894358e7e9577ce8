"""Views that PRADA reads: ADM's centre crop, and a picture with the class that its folder names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from registry.errors import UserError
from registry.view import View

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


@dataclass(frozen=True)
class ADMView(View):
    """As github.com/openai/guided-diffusion, `center_crop_arr`, of a square of `resize` = `crop` pixels.

    The picture is halved by averaging as long as its short side stays at `resize` or above, then resized
    bicubically (both sides rounded to whole pixels) and cut; the crop's offset is rounded down.
    """

    def resized(self, picture: Image) -> Image:
        from PIL.Image import Resampling

        side = self.resize or min(picture.size)
        while min(picture.size) >= 2 * side:
            width, height = picture.size
            picture = picture.resize((width // 2, height // 2), Resampling.BOX)
        scale = side / min(picture.size)
        width, height = (round(length * scale) for length in picture.size)
        return picture.resize((width, height), Resampling.BICUBIC)

    def cropped(self, picture: Image) -> Image:
        side = self.crop or min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        return picture.crop((left, top, left + side, top + side))


@dataclass(frozen=True)
class FolderClass(View):
    """Another view with a fourth channel: the number of the class that the picture's folder names.

    The nearest folder above the picture whose name is a number or an ImageNet synset (`n02099601` is 207,
    by the order of ImageNet-1k). Where a picture lies is known to runs over data sets only.
    """

    view: View = field(default_factory=View)

    reads_path: ClassVar[bool] = True

    def __call__(self, picture: Image) -> Tensor:
        import torch

        values = self.view(picture)
        label = folder_class(str(picture.info.get("path", "")))
        return torch.cat([values, torch.full_like(values[:1], label)])


def folder_class(path: str) -> int:
    """The class number in a path. Raises `UserError` where no folder names a class."""
    for folder in PurePath(path).parts[-2::-1]:
        if folder.isdecimal():
            return int(folder)
        if re.fullmatch(r"n\d{8}", folder) and folder in _synsets():
            return _synsets()[folder]
    raise UserError(f"no folder of {path or 'a picture without a path'} names a class: 207, or n02099601")


@cache
def _synsets() -> dict[str, int]:
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return {info.index_to_label_name(index): index for index in range(info.num_classes())}
