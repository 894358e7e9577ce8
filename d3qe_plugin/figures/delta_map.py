"""ΔD over the codebook: which codes real, which generated training pictures use more."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from d3qe_plugin.figures.common import counted_delta, network
from registry.figure import Drawing, Subject


def draw(subject: Subject) -> Drawing:
    """A heat map in code order, row by row, from the counts in the weights; needs no pictures."""
    detector = network(subject)
    delta = counted_delta(detector).double().numpy()
    columns = math.ceil(math.sqrt(len(delta)))
    rows = math.ceil(len(delta) / columns)
    cells = np.full(rows * columns, np.nan)
    cells[: len(delta)] = delta
    # a few codes differ far more than the rest; saturating them leaves the others visible
    limit = float(np.quantile(np.abs(delta), 0.99)) or float(np.abs(delta).max()) or 1.0
    figure = Figure(figsize=(6.4, 5.2), layout="compressed")
    axes = figure.subplots()
    drawn = axes.imshow(
        cells.reshape(rows, columns), cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    axes.set_xlabel(f"code index modulo {columns}")
    axes.set_ylabel(f"code index // {columns}")
    counted = {
        "real": int(detector.real_codebook_count.sum()),
        "generated": int(detector.fake_codebook_count.sum()),
    }
    axes.set_title(
        f"ΔD of {len(delta):,} codes, from {counted['real']:,} real and "
        f"{counted['generated']:,} generated positions",
        fontsize=10,
    )
    bar = figure.colorbar(drawn, ax=axes, extend="both")
    bar.set_label("ΔD = p(code | real) − p(code | generated)\nred: generated pictures use it more")
    numbers = {
        "positions_counted": counted,
        "standard_deviation": float(delta.std()),
        "minimum": float(delta.min()),
        "maximum": float(delta.max()),
        "total_variation_distance": float(np.abs(delta).sum() / 2),
        "colour_limit": limit,
    }
    return Drawing(figure, numbers)
