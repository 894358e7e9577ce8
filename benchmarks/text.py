"""Names that others chose (files, generators, detectors, reasons) as text and nothing else: one home per kind of output.

Parquet and JSON files keep every name as it is. What people look at shows each character that would act in place of being
seen: control characters, line ends, marks that turn the direction of writing round, halves of surrogate pairs.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from pylatexenc.latexencode import UnicodeToLatexEncoder

FORMULA = tuple("=+-@＝＋－＠")
"""What makes a cell of a spreadsheet a formula, in the wide forms of East Asian keyboards, too."""


def plain(text: object) -> str:
    """One line for a terminal: what is not printable is written out, a line end as `\\n`, an escape as `\\x1b`."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_shown, shown))


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def say(line: object, *, err: bool = False) -> None:
    """Print one line, `plain`; err: on standard error."""
    print(plain(line), file=sys.stderr if err else sys.stdout)


class PlainFormatter(logging.Formatter):
    """Log messages as `plain` lines."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def in_markdown(text: object) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    shown = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([\\`*|\[\]~#$])", r"\\\1", shown)
    shown = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", shown)  # inside of a word it is one
    # at the beginning of a line these make a list, a rule, or a heading of what stands above
    return re.sub(r"^(?:([-+=])(?=[-+=\s]|$)|(\d+)([.)])(?=\s|$))", r"\2\\\1\3", " ".join(shown.split()))


def in_latex(text: object) -> str:
    """Text that LaTeX typesets as it is; letters that have no command stay as they are."""
    return _encoder().unicode_to_latex(" ".join(plain(text).split())).replace("|", r"{\textbar}")


@functools.cache
def _encoder() -> UnicodeToLatexEncoder:
    from pylatexenc.latexencode import UnicodeToLatexEncoder

    return UnicodeToLatexEncoder(unknown_char_policy="keep", unknown_char_warning=False)


def in_spreadsheet(value: object) -> object:
    """A cell that a spreadsheet takes for text and not for a formula: an apostrophe stands before what would be one.

    Numbers stay numbers; None and NaN are empty.
    """
    if isinstance(value, str):
        return _spreadsheet_text(value)
    if value is None or value != value:
        return ""
    return value if isinstance(value, Number) else _spreadsheet_text(str(value))


@functools.lru_cache(maxsize=65536)  # tables name the same few detectors and sets in every line
def _spreadsheet_text(text: str) -> str:
    shown = plain(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[Any, object]]) -> str:
    """A CSV file that is safe to open in a spreadsheet. rows: by column; one that a row lacks is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(in_spreadsheet, columns))
    writer.writerows([in_spreadsheet(row.get(column)) for column in columns] for row in rows)
    return stream.getvalue()


def json_text(content: object) -> str:
    """JSON for a program that reads a command's output: true names, written in ASCII, so that a terminal sees no other."""
    return json.dumps(content, indent=2, allow_nan=False).replace("\x7f", "\\u007f") + "\n"


def page_environment(*folders: tuple[str, str], **options: Any) -> Environment:
    """Jinja for HTML pages: everything that is not `Markup` is `plain` and escaped, and a missing name is an error.

    folders: (package, folder within it) with templates; where two have one of a name, the first counts.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(package, folder) for package, folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_in_page,
        **options,
    )


def _in_page(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def in_script(content: object) -> Markup:
    """JSON that may stand inside a script element, its texts `plain`."""
    from markupsafe import Markup

    text = json.dumps(_plain_all(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _plain_all(content: Any) -> Any:
    if isinstance(content, str):
        return plain(content)
    if isinstance(content, Mapping):
        return {_plain_all(key): _plain_all(value) for key, value in content.items()}
    return [_plain_all(one) for one in content] if isinstance(content, list | tuple) else content
