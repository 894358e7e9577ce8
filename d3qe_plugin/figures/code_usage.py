"""How unevenly real and generated pictures use the codebook (D³QE, arXiv 2510.05891, figure 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from d3qe_plugin.figures.common import FAKE_COLOUR, REAL_COLOUR, network
from d3qe_plugin.statistics import count_codes
from registry.errors import UserError
from registry.figure import Drawing, Subject


def draw(subject: Subject) -> Drawing:
    """Rank–frequency of the codes of the given pictures, each class sorted by its own ranks."""
    detector = network(subject)
    size = detector.options.codebook_size
    counts, pictures = torch.zeros(2, size), np.zeros(2, dtype=int)
    for batch in subject.batches():
        counts += count_codes(batch.inputs["indices"].cpu(), batch.labels.cpu(), size)
        pictures += np.bincount(batch.labels.cpu().numpy(), minlength=2)
    if not pictures.all():
        raise UserError("code usage compares real with generated pictures: give some of both")
    positions = int(counts[0].sum()) // int(pictures[0])
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    numbers: dict[str, Any] = {"codebook_size": size, "positions_per_picture": positions}
    for label, (name, colour) in enumerate((("real", REAL_COLOUR), ("generated", FAKE_COLOUR))):
        shares = np.sort(counts[label].double().numpy())[::-1] / float(counts[label].sum())
        used = shares[shares > 0]
        facts = usage(shares)
        numbers[name] = {"pictures": int(pictures[label]), **facts}
        axes.loglog(
            np.arange(1, len(used) + 1),
            used,
            color=colour,
            label=f"{name}: {pictures[label]:,} pictures, {facts['codes_used']:,} codes, "
            f"perplexity {facts['perplexity']:,.0f}",
        )
    axes.axhline(1 / size, color="grey", linewidth=0.8, linestyle=":", label=f"uniform: 1/{size:,}")
    axes.set_xlabel("rank of the code within its class")
    axes.set_ylabel("share of all positions")
    axes.set_title(f"Use of {size:,} codes, {positions} positions per picture", fontsize=11)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=9)
    return Drawing(figure, numbers)


def usage(shares: NDArray[np.float64]) -> dict[str, float]:
    """How many codes are used, 2^entropy of their shares, and the share of the most used hundredth."""
    used = shares[shares > 0]
    top = max(1, len(shares) // 100)
    return {
        "codes_used": len(used),
        "perplexity": float(2 ** -(used * np.log2(used)).sum()),
        "share_of_top_percent": float(np.sort(shares)[::-1][:top].sum()),
    }
