"""Jinja templates of the reports."""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(escape: Callable[[object], str]) -> Environment:
    """An environment for plain-text formats; names go through the filter `esc`, and a missing one is an error.

    Tags are `<% %>`, `<< >>` and `<# #>`: braces belong to LaTeX.
    """
    made = Environment(
        loader=PackageLoader("benchmarks.reports", "templates"),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    made.filters["esc"] = escape
    made.filters["zip"] = zip
    return made
