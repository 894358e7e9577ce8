"""Which JPEG pasts and resampling factors `audit` finds in lossless files, measured on photographs.

Run in a checkout: `python -m tools.audit_power FOLDER`, with a folder of JPEG photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.audits.audit import audit_set
from benchmarks.audits.facts import Facts, read_facts
from benchmarks.audits.report import NOTHING
from benchmarks.perturbations.codec import reencode

SIDE = 256
QUALITIES = (100, 98, 95, 90, 85, 75)
FACTORS = (0.5, 0.7, 0.9, 1.1, 1.2, 1.5, 2.0)
CUES = ("jpeg past", "8-pixel grid", "resampling")
PERMUTATIONS = 999


def pictures(folder: Path) -> list[Image.Image]:
    """Square cut-outs of 256 px without a JPEG past of their own: halved or more before they are cut."""
    found = []
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = min(0.5, (SIDE + 8) / min(image.size))
        image = image.resize(
            (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS
        )
        side = min(SIDE, *image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        found.append(image.crop((left, top, left + side, top + side)))
    return found


def resampled(image: Image.Image, factor: float) -> Image.Image:
    """Resized by the factor, bicubic, and cut or left at the side that comes of it."""
    side = round(image.width * factor)
    return image.resize((side, side), Image.Resampling.BICUBIC)


def main() -> None:
    """Print the table of `docs/audit.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    originals = pictures(parser.parse_args().folder)
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {"nothing": lambda image: image}
    for quality in QUALITIES:
        changes[f"JPEG {quality}"] = lambda image, quality=quality: reencode(
            image, codec="JPEG", quality=quality
        )  # type: ignore[misc]
    for factor in FACTORS:
        changes[f"resized × {factor}"] = lambda image, factor=factor: resampled(image, factor)  # type: ignore[misc]
    print("| past of one class | " + " | ".join(f"{cue}: AUROC, p" for cue in CUES) + " |")
    print("|---" * (1 + len(CUES)) + "|")
    for name, change in changes.items():
        print(f"| {name} | " + " | ".join(_cells(originals, change, name)) + " |", flush=True)


def _cells(
    originals: list[Image.Image], change: Callable[[Image.Image], Image.Image], name: str
) -> list[str]:
    # the classes share no photograph: every other one is changed
    found = [_facts(change(image) if number % 2 else image) for number, image in enumerate(originals)]
    labels = np.arange(len(found)) % 2
    findings = {one.cue: one for one in audit_set(name, found, labels, PERMUTATIONS, 0).findings}
    cells = []
    for cue in CUES:
        one = findings[cue]
        shown = f"{one.auroc:.2f}, {one.p_value:.3f}"
        cells.append(f"**{shown}**" if one.verdict != NOTHING else shown)
    return cells


def _facts(image: Image.Image) -> Facts:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        image.save(path)
        return read_facts(path)


if __name__ == "__main__":
    main()
