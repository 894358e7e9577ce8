"""Reads a folder of real-*.png and fake-*.png."""

from pathlib import Path

from registry import LayoutMismatch, Picture, TestSet


def scan(root):
    names = sorted(path.name for path in Path(root).glob("*.png"))
    pictures = tuple(
        Picture(name, int(name.startswith("fake-"))) for name in names if name.startswith(("real-", "fake-"))
    )
    if not pictures:
        raise LayoutMismatch(f"{root} has no real-*.png or fake-*.png")
    return [TestSet("tiles", Path(root), "stranger", "unknown", pictures)]
