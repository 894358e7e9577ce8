"""Views of one square of a picture each, of which several are averaged."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from registry.errors import UserError
from registry.view import View

if TYPE_CHECKING:
    from PIL.Image import Image

PLACES = ("top left", "top right", "bottom left", "bottom right", "centre")


@dataclass(frozen=True)
class PlacedCrop(View):
    """A square of `crop` pixels at one of `PLACES`, of the mirrored picture if `mirrored`: torchvision's ten crops.

    A picture that is smaller is an error, as it is there.
    """

    place: str = "centre"
    mirrored: bool = False

    def cropped(self, picture: Image) -> Image:
        from torchvision.transforms import functional as F

        side = self.crop or min(picture.size)
        if min(picture.size) < side:
            raise UserError(f"a picture of {picture.width}×{picture.height} has no crops of {side} pixels")
        seen = F.hflip(picture) if self.mirrored else picture
        if self.place == "centre":
            return F.center_crop(seen, [side, side])
        left = 0 if self.place.endswith("left") else seen.width - side
        top = 0 if self.place.startswith("top") else seen.height - side
        return F.crop(seen, top, left, side, side)


def ten_crops(view: View) -> list[PlacedCrop]:
    """The corners and the centre of what `view` reads, then those of the mirrored picture, in torchvision's order.

    view: one of a plain resize, with a crop.
    """
    facts = {field.name: getattr(view, field.name) for field in fields(View)}
    upright = [PlacedCrop(**facts, place=place) for place in PLACES]
    return [*upright, *(replace(one, mirrored=True) for one in upright)]
