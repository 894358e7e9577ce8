"""Opens a picture file of any kind and age as RGB, or says in one line why it cannot be scored."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Protocol

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from registry.dataset import Picture, PictureFile, StoredFile, TestSet

MAX_PIXELS = 100_000_000
"""Default limit of width × height; one RGB picture of this size takes 300 MB."""

_UNREADABLE = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC"}
"""Registered in Pillow but not pictures it decodes by itself: PostScript runs an outside program,
metafiles need Windows, and the others are containers without a decoder."""

_OPTIONAL_CODECS = {".avif", ".heic", ".heif", ".jp2", ".jxl", ".webp"}
"""Pictures even where this machine's Pillow lacks the codec: an error row, not a silent gap."""

_JUNK = {"thumbs.db", "desktop.ini", "manifest.csv", "metadata.csv", "license", "checksums"}


class PictureError(Exception):
    """A picture cannot be decoded; the text gives the reason in one line, without the path."""


def open_picture(
    path: PictureFile,
    max_pixels: int = MAX_PIXELS,
    prepare: Callable[[Image.Image], Image.Image] | None = None,
) -> Image.Image:
    """Decode a file to an 8-bit RGB picture that holds its pixels and no open file or metadata.

    The first frame of an animation is taken. Palette, alpha, grey and CMYK pictures become what
    Pillow's `convert("RGB")` makes of them (alpha is dropped). 16-bit grey is divided by 257 and
    rounded, so that black stays 0 and white 255; integers that exceed 16 bits are read as 31-bit. Float
    pictures are read as [0, 1], or as 0–255 where a value exceeds 1. The EXIF orientation is ignored,
    as in the published pipelines of the field.

    max_pixels: largest width × height; checked from the header, before anything is decoded. Pillow's
        own limit (`PIL.Image.MAX_IMAGE_PIXELS` × 2, 179 million by default) stays in force above it.

    prepare: done to the decoded picture, as `registry.TestSet.prepare` says.

    Raises:
        PictureError: no such file, empty, not a picture, too large, truncated or damaged, or it
            cannot be prepared.
    """
    with picture_file(path, max_pixels) as image:
        decoded = to_rgb(image)
    return decoded if prepare is None else prepare(decoded)


def open_member(test_set: TestSet, picture: Picture, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture of a test set as `open_picture` decodes it, in the set's own view where it has one.

    Raises:
        PictureError: it cannot be decoded or brought into that view.
    """
    return open_picture(test_set.file(picture), max_pixels, test_set.prepare)


@contextmanager
def picture_file(path: PictureFile, max_pixels: int = MAX_PIXELS) -> Iterator[ImageFile.ImageFile]:
    """Pillow's image of a file, its header read and checked, its pixels not yet decoded.

    Pillow's warnings are silenced and its errors become `PictureError` for the whole block, so that
    decoding belongs inside.

    Raises:
        PictureError: as `open_picture`.
    """
    # much research code switches this on for the whole process; half a picture must not be scored
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with path.open("rb") as stream, _quiet(), Image.open(stream, formats=_formats()) as image:
            _check_size(image.size, max_pixels)
            yield image
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(_what_it_is(path)) from None
    except Image.DecompressionBombError as error:
        raise PictureError(_line(error)) from error
    except OSError as error:
        reason = error.strerror or f"truncated or damaged ({_line(error)})"
        raise PictureError(reason) from error
    # decoders fed with damaged bytes raise anything, from struct.error to AttributeError
    except Exception as error:
        raise PictureError(f"damaged ({type(error).__name__}: {_line(error)})") from error


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureError(f"{width}×{height} is more than the {max_pixels:,} pixels allowed")
    if width * height == 0:
        raise PictureError(f"{width}×{height} has no pixels")


def to_rgb(image: Image.Image) -> Image.Image:
    """The pixels of an image of any mode as 8-bit RGB, by the rules of `open_picture`, without metadata."""
    picture = _to_rgb(image)
    picture.info.clear()
    return picture


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.float64)
        white = 65535 if levels.max() <= 65535 else (1 << 31) - 1
        return _grey(np.rint(levels * (255 / white)))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image), nan=0.0)
        return _grey(np.rint(values * (255 if values.max() <= 1 else 1)))
    return image.convert("RGB")


def _grey(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")


def pixel_digest(picture: Image.Image) -> str:
    """SHA-256 in hexadecimal of a decoded picture's size and pixels, whatever file they came from."""
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def file_size(path: PictureFile) -> int:
    """Bytes of a picture's file; raises `OSError` where it is gone."""
    return path.store.size(path.path) if isinstance(path, StoredFile) else path.stat().st_size


def _what_it_is(path: PictureFile) -> str:
    with path.open("rb") as stream:
        start = stream.read(16)
    return (
        f"not a picture, or its header is damaged (starts with {start!r})"
        if start
        else "empty file (0 bytes)"
    )


@lru_cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in _UNREADABLE)


@lru_cache
def picture_suffixes() -> frozenset[str]:
    """Lower-case file suffixes, dot included, that make a file a picture of a data set."""
    readable = set(_formats())
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in readable}
    return frozenset(known | _OPTIONAL_CODECS)


class Named(Protocol):
    """A path, of this machine or not."""

    @property
    def name(self) -> str: ...

    @property
    def suffix(self) -> str: ...


def is_picture(path: Named) -> bool:
    """Whether a file of this name counts as a picture: by its last suffix, unless it is hidden."""
    return not path.name.startswith(".") and path.suffix.lower() in picture_suffixes()


def is_junk(path: Named) -> bool:
    """Whether a file of this name is expected beside pictures and can be passed over without a word."""
    folded = path.name.casefold()
    return folded.startswith((".", "readme")) or folded in _JUNK


_quiet_lock = threading.Lock()
_quiet_users = 0
_quiet_stack = ExitStack()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd but readable files.

    The warning filters belong to the whole process: the first of several decoding threads changes
    them and the last one restores them.
    """
    global _quiet_users
    with _quiet_lock:
        _quiet_users += 1
        if _quiet_users == 1:
            _quiet_stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_users -= 1
            if _quiet_users == 0:
                _quiet_stack.close()
