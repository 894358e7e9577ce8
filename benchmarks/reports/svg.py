"""A matplotlib figure as SVG that stands within a page and takes on its colours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure, salt: str) -> str:
    """The `<svg>` element of a figure, the same for the same figure; black, said or not, becomes the colour of the text around it.

    salt: what tells its inner names from those of other figures.
    """
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    text = stream.getvalue()
    drawing = text[text.index("<svg") :].replace("#000000", "currentColor")
    return drawing.replace("<svg ", '<svg fill="currentColor" ', 1)  # what names no colour, as text
