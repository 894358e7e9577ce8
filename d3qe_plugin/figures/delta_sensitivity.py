"""Does a trained D³QE listen to ΔD? Change it by its own spread and see how far the logits move.

Entries of ΔD are of order 1e-4, and what they add to the attention logits before any training is of order 1e-5
(`tools.attention_bias`): whether training makes up for that is measured here, not assumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from d3qe_plugin.figures.common import FAKE_COLOUR, REAL_COLOUR, counted_delta, network
from d3qe_plugin.network import D3QE
from registry.errors import UserError
from registry.figure import Drawing, Subject

_SEED = 0
CHANGES = {
    "noise": "plus normal noise of its own standard deviation",
    "shuffled": "shuffled over the codes",
    "off": "set to 0",
}


def draw(subject: Subject) -> Drawing:
    """Logits with ΔD changed against logits with ΔD as counted, one panel per change."""
    detector = network(subject)
    if detector.options.attention != "d3at":
        raise UserError(f"{subject.title} is a plain transformer, which does not read ΔD")
    if detector.options.delta_mode == "off":
        raise UserError(f"{subject.title} takes ΔD as 0 (delta_mode is off)")
    delta = counted_delta(detector, detector.options.delta_form)
    labels, logits = _all_logits(detector, subject, delta)
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(
        f"{subject.title}: ΔD ({detector.options.delta_form}, standard deviation {float(delta.std()):.2g}), "
        f"{int((labels == 0).sum())} real and {int((labels == 1).sum())} generated pictures",
        fontsize=11,
        parse_math=False,
    )
    numbers: dict[str, Any] = {
        "delta_form": detector.options.delta_form,
        "delta_standard_deviation": float(delta.std()),
        "pictures": len(labels),
        "logit_standard_deviation": float(logits["as counted"].std()),
    }
    panels = figure.subplots(1, len(CHANGES), sharex=True, sharey=True)
    for axes, (name, what) in zip(panels, CHANGES.items(), strict=True):
        numbers[name] = moved = movement(logits["as counted"], logits[name])
        for label, (shown, colour) in enumerate((("real", REAL_COLOUR), ("generated", FAKE_COLOUR))):
            chosen = labels == label
            axes.plot(
                logits["as counted"][chosen],
                logits[name][chosen],
                "o",
                markersize=3,
                alpha=0.6,
                color=colour,
                label=shown,
            )
        axes.axline((0, 0), slope=1, color="grey", linewidth=0.8)
        axes.set_title(
            f"ΔD {what}\nmean |change| {moved['mean']:.3g}, decisions changed: {moved['decisions_changed']}",
            fontsize=9,
        )
        axes.set_xlabel("logit with ΔD as counted")
    panels[0].set_ylabel("logit with ΔD changed")
    panels[0].legend(fontsize=9)
    return Drawing(figure, numbers)


def movement(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """How far logits moved: mean and largest |change|, the mean over their spread, changed decisions."""
    moved = np.abs(after - before)
    spread = float(before.std())
    return {
        "mean": float(moved.mean()),
        "max": float(moved.max()),
        "mean_over_logit_standard_deviation": float(moved.mean() / spread) if spread else 0.0,
        "decisions_changed": int(((before > 0) != (after > 0)).sum()),
    }


@torch.no_grad()
def _all_logits(detector: D3QE, subject: Subject, delta: Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = torch.Generator().manual_seed(_SEED)
    versions = {
        "as counted": delta,
        "noise": delta + delta.std() * torch.randn(delta.shape, generator=random),
        "shuffled": delta[torch.randperm(len(delta), generator=random)],
        "off": torch.zeros_like(delta),
    }
    labels: list[int] = []
    logits: dict[str, list[float]] = {name: [] for name in versions}
    for batch in subject.batches():
        labels += batch.labels.tolist()
        for name, values in versions.items():
            with _delta_of(detector, values):
                logits[name] += detector(batch.inputs).float().cpu().tolist()
    return np.array(labels), {name: np.array(values) for name, values in logits.items()}


@contextmanager
def _delta_of(detector: D3QE, values: Tensor) -> Iterator[None]:
    """The detector with these values (codebook_size,) for ΔD, whatever its mode."""
    on_device = values.to(detector.real_codebook_count.device)
    detector.delta = lambda: on_device  # type: ignore[method-assign]
    try:
        yield
    finally:
        del detector.delta
