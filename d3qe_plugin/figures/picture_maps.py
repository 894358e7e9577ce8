"""Where in a picture ΔD and the quantisation error lie."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from d3qe_plugin.figures.common import (
    class_counts,
    counted_delta,
    grid,
    network,
    over_picture,
    seen_by_tokenizer,
    show_picture,
    some_of_each,
)
from registry.errors import UserError
from registry.figure import Drawing, Subject


def draw(subject: Subject) -> Drawing:
    """Each picture beside ΔD of its codes and the length of its quantisation error."""
    detector = network(subject)
    if detector.options.token_features != "quantization_error":
        raise UserError(
            f"{subject.title} reads the {detector.options.token_features}, not the quantisation error"
        )
    shown = some_of_each(subject)
    delta = counted_delta(detector)
    maps = delta[shown.inputs["indices"].cpu()].unflatten(1, detector.options.grid).numpy()
    errors = shown.inputs["tokens"].float().norm(dim=1).cpu().numpy()
    counts = class_counts(shown.labels)
    figure, panels = grid(
        len(shown.pictures), 3, f"{counts['real']} real and {counts['generated']} generated pictures"
    )
    limit = float(abs(maps).max()) or 1.0
    for row, picture in enumerate(shown.pictures):
        seen = seen_by_tokenizer(detector, picture)
        show_picture(panels[row, 0], seen, int(shown.labels[row]))
        drawn_delta = over_picture(panels[row, 1], seen, maps[row], cmap="RdBu", vmin=-limit, vmax=limit)
        drawn_error = over_picture(
            panels[row, 2], seen, errors[row], cmap="viridis", vmin=0, vmax=errors.max()
        )
    panels[0, 0].set_title("picture", fontsize=10)
    panels[0, 1].set_title("ΔD of the code", fontsize=10)
    panels[0, 2].set_title("quantisation error", fontsize=10)
    for column, (drawn, unit) in enumerate(
        ((drawn_delta, "p(real) − p(generated)"), (drawn_error, "Euclidean length")), 1
    ):
        bar = figure.colorbar(drawn, ax=panels[:, column], location="bottom", shrink=0.9, label=unit)
        bar.ax.xaxis.set_major_locator(MaxNLocator(4))
        bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]
    numbers = {
        "pictures": list(shown.paths),
        "labels": shown.labels.tolist(),
        "mean_delta": maps.mean(axis=(1, 2)).tolist(),
        "mean_quantization_error": errors.mean(axis=(1, 2)).tolist(),
    }
    return Drawing(figure, numbers)
