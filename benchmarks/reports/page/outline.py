"""What every page has in common: its frame and style, and the script that saves its tables and figures."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

from benchmarks.text import FORMULA, in_script, page_environment

if TYPE_CHECKING:
    from jinja2 import Environment

HOME = "benchmarks.reports.page"


def outlined(package: str, folder: str = ".") -> Environment:
    """Jinja for pages that extend `outline.html.j2`, their templates in a folder of a package.

    On such a page each table in a `.scroll` region can be saved as CSV, and each `.drawing` as SVG and as CSV: the
    text in its `data-csv`, or the table whose id is in `data-table`. What is saved is named by the `aria-label`.
    """
    made = page_environment((package, folder), (HOME, "."), trim_blocks=True, lstrip_blocks=True)
    made.globals |= {"css": page_file("page.css"), "saving": saving()}
    return made


def saving() -> Markup:
    """The script `saving.js`; it needs nothing but the page that it stands at the end of."""
    return Markup(f"const FORMULA_SIGNS = {in_script(list(FORMULA))};\n") + page_file("saving.js")


def page_file(name: str) -> Markup:
    """A style or script of this package, as it stands."""
    return Markup(resources.files(HOME).joinpath(name).read_text(encoding="utf-8"))
