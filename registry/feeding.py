"""Other ways of making a picture into what a detector reads: resized or cut, how large, by which interpolation.

A way is written as a kind, some with a length in pixels: `crop`, `resize:300`, `bicubic`; an interpolation may follow, as in
`resize:300+bicubic`. Lengths that are not given are the detector's own: the longest side of a square that it reads, or 256
for one that reads whole pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from registry.detector import Detector
from registry.errors import UserError, nearest
from registry.inputs import Source, view_of
from registry.protocol import UNIFORM_RESIZE
from registry.view import INTERPOLATIONS, OPENCV_BILINEAR, Feature, View

UNIFORM, INPUT = "uniform", "input"
ALIASED = "aliased"

KINDS: dict[str, str] = {
    "crop": "a centred square of the picture as it is: nothing is resized (crop:N: of N pixels)",
    "resize": "short side at its own side, then its own square (resize:N: short side at N pixels)",
    "size": "short side at N pixels and a square of N: another size of the network's input (needs N)",
    "stretch": "both sides at its own side, whatever the proportions (stretch:N: at N pixels)",
    "whole": "the whole picture (whole:N: with its short side at N pixels)",
    **{name: f"its own resizing, by {name} interpolation" for name in INTERPOLATIONS},
    OPENCV_BILINEAR: "stretched by OpenCV's bilinear interpolation, which has no low-pass filter",
    ALIASED: "its own resizing without a low-pass filter, as of a tensor with antialias=False",
    UNIFORM: "the protocol uniform: short side 256, a square of 224 or of what it needs",
    INPUT: "another input that it was published with (input:NAME, its option `input`)",
}
"""Each kind with what it does. Interpolations are of `resize` where a detector resizes nothing itself."""

_SIZED = ("crop", "resize", "size", "stretch", "whole")
_DRAWN = (*INTERPOLATIONS, ALIASED)


class CannotFeed(ValueError):
    """A detector cannot be fed so; the text says why."""


@dataclass(frozen=True)
class Feed:
    """One way.

    kind: of `KINDS`. length: in pixels, None for the detector's own. name: of a published input. drawn: by which
    interpolation a picture is resized, empty for the detector's own.
    """

    kind: str
    length: int | None = None
    name: str = ""
    drawn: str = ""

    @classmethod
    def parse(cls, text: str) -> Feed:
        """The way that `text` names.

        Raises:
            UserError: no such kind, or a length that is none or is not taken.
        """
        first, plus, drawn = text.rpartition("+") if not text.startswith(f"{INPUT}:") else ("", "", text)
        if plus:
            one = cls.parse(first)
            if drawn not in _DRAWN or one.kind not in ("resize", "size", "stretch", "whole") or one.drawn:
                raise UserError(
                    f"feed {text!r}: behind + one interpolation of what is resized ({', '.join(_DRAWN)})"
                )
            return replace(one, drawn=drawn)
        kind, colon, rest = text.partition(":")
        if kind not in KINDS:
            raise UserError(f"unknown feed {text!r}{nearest(kind, KINDS)} (known: {', '.join(KINDS)})")
        if kind == INPUT:
            if not rest:
                raise UserError(
                    f"feed {text!r}: write input:NAME, an input that the detector was published with"
                )
            return cls(kind, name=rest)
        if colon and kind not in _SIZED:
            raise UserError(f"feed {text!r}: {kind} takes no length")
        if colon and not (rest.isdecimal() and int(rest) > 0):
            raise UserError(f"feed {text!r}: {rest!r} is no number of pixels, write {kind}:N")
        if kind == "size" and not rest:
            raise UserError(f"feed {text!r}: say how many pixels, size:N")
        return cls(kind, int(rest) if rest else None)

    def __str__(self) -> str:
        end = self.name or (str(self.length) if self.length else "")
        return f"{self.kind}{f':{end}' if end else ''}{f'+{self.drawn}' if self.drawn else ''}"

    @property
    def of_options(self) -> bool:
        """Whether it is an option of the detector's constructor, and not a change of its views."""
        return self.kind in (UNIFORM, INPUT)

    def changed(self, view: View, own: int | None) -> View:
        """The view, made so. own: side in pixels of the largest square that the detector reads; None without any.

        Raises:
            CannotFeed: it has no meaning for this view.
        """
        if self.drawn:
            resized = replace(self, drawn="").changed(view, own)
            if resized.resize is None:
                raise CannotFeed("nothing is resized: say how long, such as whole:N")
            return self._interpolated(resized, self.drawn)
        length = self.length or own or UNIFORM_RESIZE
        smaller = None if view.crop is None else min(view.crop, length)
        upright = replace(view, stretch=False, interpolation=_plain(view.interpolation))
        match self.kind:
            case "crop":
                if self.length is None and own is None:
                    raise CannotFeed("it reads whole pictures and has no square of its own: say crop:N")
                return replace(upright, resize=None, crop=self.length or view.crop or own)
            case "resize":
                crop = smaller or (length if view.stretch else None)
                return replace(upright, resize=length, crop=crop)
            case "size":
                return replace(upright, resize=length, crop=length)
            case "stretch":
                return replace(view, resize=length, crop=smaller, stretch=True)
            case "whole":
                return replace(upright, resize=self.length, crop=None)
            case drawn:
                return self._interpolated(view if view.resize else Feed("resize").changed(view, own), drawn)

    def _interpolated(self, view: View, drawn: str) -> View:
        """The view, resized by another interpolation. Raises `CannotFeed` where there is none such."""
        try:
            if drawn == ALIASED:
                return replace(view, antialias=False, interpolation=_plain(view.interpolation))
            stretch = view.stretch or drawn == OPENCV_BILINEAR
            return replace(view, interpolation=drawn, antialias=True, stretch=stretch)
        except ValueError as error:
            raise CannotFeed(str(error)) from error


def _plain(interpolation: str) -> str:
    """Its name, or that of the nearest one which need not stretch."""
    return "bilinear" if interpolation == OPENCV_BILINEAR else interpolation


def own_side(sources: Mapping[str, Source]) -> int | None:
    """Side in pixels of the largest square among a detector's inputs; None where it reads whole pictures only."""
    views = [view_of(source) for source in sources.values()]
    return max(
        (side for view in views if (side := view.crop or (view.resize if view.stretch else None))),
        default=None,
    )


def usual_feeds(sources: Mapping[str, Source], published: Sequence[str], uniform: bool) -> list[Feed]:
    """The ways that are worth a try for a detector.

    sources: its inputs. published: its published inputs, the default first; uniform: whether it offers that protocol.
    """
    side = own_side(sources)
    length = side or UNIFORM_RESIZE
    kinds = [
        *([] if side is None else [Feed("crop")]),
        Feed("resize"),
        # as 256 is to 224, the usual margin of a classifier's evaluation
        *([] if side is None else [Feed("resize", round(side * 8 / 7))]),
        Feed("size", length // 2),
        Feed("size", length * 2),
        Feed("stretch"),
        Feed("whole"),
        *map(Feed, _DRAWN),
        *([Feed(UNIFORM)] if uniform else []),
    ]
    return [*kinds, *(Feed(INPUT, name=name) for name in published[1:])]


class Fed(Detector):
    """A detector whose pictures are made into its inputs in another way; network and weights are its own.

    Raises:
        CannotFeed: the way has no meaning for one of its inputs.
    """

    def __init__(self, detector: Detector, feed: Feed) -> None:
        super().__init__()
        own = own_side(detector.inputs)
        self.detector = detector
        self._inputs: dict[str, View | Feature] = {
            name: replace(source, view=feed.changed(source.view, own))
            if isinstance(source, Feature)
            else feed.changed(source, own)
            for name, source in detector.inputs.items()
        }

    @property
    def inputs(self) -> Mapping[str, View | Feature]:
        return self._inputs

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.detector(inputs)
        return logits

    def identity(self) -> str:
        return self.detector.identity()
