"""What the figures share: the code counts behind ΔD, chosen pictures, and how a map is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from d3qe_plugin.network import D3QE
from d3qe_plugin.statistics import DELTA_FORMS
from registry.errors import UserError
from registry.figure import ShownBatch, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

REAL_COLOUR, FAKE_COLOUR = "#0072b2", "#d55e00"
"""Told apart by readers with any colour vision (Okabe and Ito)."""

SHOWN = 3
"""Pictures of each class in figures that show pictures."""


def network(subject: Subject) -> D3QE:
    """The subject's detector, which has to be a D³QE with a tokenizer branch."""
    detector = subject.detector
    if not isinstance(detector, D3QE):
        raise UserError(f"{subject.title} is a {type(detector).__name__}; this figure is of d3qe")
    if not detector.options.use_tokenizer:
        raise UserError(f"{subject.title} has no tokenizer branch (use_tokenizer is off): nothing to draw")
    return detector


def counted_delta(detector: D3QE, form: str = "raw") -> torch.Tensor:
    """ΔD (codebook_size,) of the counts in the weights, whatever the mode makes of it, on the CPU.

    Raises:
        UserError: nothing was counted, as before any training.
    """
    real, fake = detector.real_codebook_count.cpu(), detector.fake_codebook_count.cpu()
    if not real.sum() or not fake.sum():
        raise UserError(
            "these weights hold no code counts: train d3qe, or give a checkpoint that has them with --weights"
        )
    return DELTA_FORMS[form](real, fake)


def some_of_each(subject: Subject, count: int = SHOWN) -> ShownBatch:
    """The first `count` real and the first `count` generated pictures, as one batch."""
    left = {0: count, 1: count}
    batches: list[tuple[ShownBatch, list[int]]] = []
    for batch in subject.batches():
        chosen = []
        for index, label in enumerate(batch.labels.tolist()):
            if left[label]:
                left[label] -= 1
                chosen.append(index)
        batches.append((batch, chosen))
        if not any(left.values()):
            break
    order = sorted(
        ((int(b.labels[i]), n, i) for n, (b, chosen) in enumerate(batches) for i in chosen),
    )
    return ShownBatch(
        [batches[n][0].pictures[i] for _, n, i in order],
        [batches[n][0].paths[i] for _, n, i in order],
        torch.tensor([label for label, _, _ in order]),
        {
            name: torch.stack([batches[n][0].inputs[name][i] for _, n, i in order])
            for name in batches[0][0].inputs
        },
    )


def seen_by_tokenizer(detector: D3QE, picture: Image) -> Image:
    """The part of a picture that the tokenizer reads, before normalisation."""
    source: Any = detector.inputs["indices"]
    return source.view.cropped(source.view.resized(picture))


def grid(rows: int, columns: int, title: str) -> tuple[Figure, NDArray[Any]]:
    """A figure with rows × columns square panels."""
    figure = Figure(figsize=(2.2 * columns + 1.0, 2.1 * rows + 0.9), layout="compressed")
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure, figure.subplots(rows, columns, squeeze=False)


def show_picture(axes: Axes, picture: Image, label: int) -> None:
    """A picture with a frame in the colour of its class."""
    axes.imshow(picture)
    axes.set_ylabel("generated" if label else "real", color=FAKE_COLOUR if label else REAL_COLOUR)
    bare(axes)


def bare(axes: Axes) -> None:
    """No ticks: the axes are positions in a picture."""
    axes.set_xticks([])
    axes.set_yticks([])


def over_picture(axes: Axes, picture: Image, values: NDArray[Any], **style: Any) -> Any:
    """Values (h, w) over a greyed picture, each position covering its patch."""
    width, height = picture.size
    axes.imshow(picture.convert("L"), cmap="gray", extent=(0, width, height, 0))
    drawn = axes.imshow(values, alpha=0.72, extent=(0, width, height, 0), interpolation="nearest", **style)
    bare(axes)
    return drawn


def class_counts(labels: Sequence[int] | torch.Tensor) -> dict[str, int]:
    """How many pictures of each class."""
    found = np.asarray(labels)
    return {"real": int((found == 0).sum()), "generated": int((found == 1).sum())}
