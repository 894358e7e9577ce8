"""Finds class folders and the pictures in them; what all folder layouts share.

Everything is sorted by name, so that every machine lists a data set in the same order. A link that
leads out of the data root is refused, not skipped: a skipped one would silently shrink the set.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.pictures import is_junk, is_picture
from benchmarks.remote import Address, AddressStore
from benchmarks.storage import Folder, entries, relative
from registry.dataset import FAKE, REAL, Picture, TestSet
from registry.errors import LayoutMismatch, UserError

logger = logging.getLogger(__name__)

Pair = tuple[Folder, Folder]
"""The folder of real pictures and the folder of generated ones."""

REAL_FAKE = ("0_real", "1_fake")
NATURE_AI = ("nature", "ai")


def require_folder(root: Folder) -> None:
    """Raise `LayoutMismatch` unless `root` is a folder."""
    if not root.is_dir():
        raise LayoutMismatch("not a folder")


def subfolders(folder: Folder) -> list[Folder]:
    """Folders directly below, hidden ones left out, sorted by name."""
    try:
        return sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir()),
            key=lambda path: path.name,
        )
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}") from error


def find_pair(folder: Folder, names: tuple[str, str] = REAL_FAKE) -> Pair | None:
    """The two class folders in `folder`, or None where there is neither; one alone is refused."""
    real, fake = folder / names[0], folder / names[1]
    present = [path for path in (real, fake) if path.is_dir()]
    if len(present) == 1:
        missing = fake if present[0] == real else real
        raise UserError(f"{folder} has {present[0].name} but no {missing.name}")
    return (real, fake) if present else None


def find_pairs(folder: Folder, names: tuple[str, str] = REAL_FAKE) -> list[Pair]:
    """The pair in `folder`, or those in its class folders one level below (`horse/0_real`)."""
    pair = find_pair(folder, names)
    if pair:
        return [pair]
    return [pair for below in subfolders(folder) if (pair := find_pair(below, names))]


def make_test_set(
    name: str,
    root: Folder,
    generator: str,
    paradigm: str,
    pairs: Sequence[tuple[Folder | None, Folder]],
    follow_links: bool = False,
) -> TestSet:
    """A test set of all pictures in class folders below `root`, at any depth.

    pairs: the folders of real and of generated pictures; the former None where there are none.

    Raises:
        UserError: a class folder without a picture, a link that leaves `root`, or a file name
            that is not Unicode.
    """
    pictures = [
        Picture(relative(path, root), label)
        for pair in pairs
        for label, folder in zip((REAL, FAKE), pair, strict=True)
        if folder is not None
        for path in _pictures_in(folder, root, follow_links)
    ]
    listed = tuple(sorted(pictures, key=lambda p: p.path))
    if not isinstance(root, Address):
        return TestSet(name, root, generator, paradigm, listed)
    sizes = {one.path: size for one in listed if (size := root.listed_size(one.path)) >= 0}
    return TestSet(name, Path(), generator, paradigm, listed, store=AddressStore(root, sizes))


def _pictures_in(folder: Folder, root: Folder, follow_links: bool) -> list[Folder]:
    files = list(_files_below(folder, root, follow_links, ()))
    pictures = [path for path in files if is_picture(path)]
    others = Counter(
        path.suffix.lower() or "no suffix" for path in files if not is_picture(path) and not is_junk(path)
    )
    found = ", ".join(f"{count} × {suffix}" for suffix, count in sorted(others.items()))
    if not pictures:
        raise UserError(f"no pictures in {folder}" + (f" (other files: {found})" if others else ""))
    if others:
        logger.warning("%s: left out files that are no pictures by their suffix (%s)", folder, found)
    for path in pictures:
        name = relative(path, root)
        if not name.isprintable() and _undecodable(name):
            raise UserError(f"file name {name!a} in {root} is not Unicode: rename it")
    return pictures


def _undecodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def _files_below(
    folder: Folder, root: Folder, follow_links: bool, above: tuple[Folder, ...]
) -> Iterator[Folder]:
    """Visible files at any depth. above: the real folders we came through, so that a cycle of links ends."""
    real = folder.resolve()
    if not follow_links:
        check_inside(folder, root)
    if real in above:
        raise UserError(f"{folder} is a link to a folder that it lies in")
    try:
        found = entries(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}") from error
    for path in found:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files_below(path, root, follow_links, (*above, real))
        else:
            if path.is_symlink() and not follow_links:
                check_inside(path, root)
            yield path


def check_inside(path: Folder, root: Folder) -> None:
    """Refuse a path whose links lead out of `root`; at an address there are none."""
    if isinstance(path, Address) or isinstance(root, Address):
        return
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(
            f"{path} is a link to {path.resolve()}, outside of {root}: "
            "set the data set option follow_links=true if that is meant"
        )


def note_left_out(folders: Iterable[Folder], wanted: str) -> None:
    """Say which folders of a data root were passed over because they hold no pair."""
    names = ", ".join(path.name for path in folders)
    if names:
        logger.warning("left out folders without %s: %s", wanted, names)
