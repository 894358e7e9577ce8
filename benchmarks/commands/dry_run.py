"""`d3qe-bench run --dry-run`: a forecast in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from benchmarks.runner.forecast import Fetched, Forecast
from benchmarks.tables import print_table
from benchmarks.text import say


def print_forecast(found: Forecast, out: Path) -> None:
    """What is to be fetched, what is here, what is to be scored, and about how long that takes."""
    if found.fetch:
        say(f"to fetch: {_together(found.fetch)}")
        print_table((f"  {one.what}", _size(one.size), one.command) for one in found.fetch)
    else:
        say("to fetch: nothing")
    say("here:" if found.here else "here: nothing yet")
    for line in found.here:
        say(f"  {line}")
    for line in _scoring(found):
        say(line)
    for name, reason in found.failed.items():
        say(f"cannot be built: {name}: {reason}")
    say(f"run folder: {out}{'' if out.exists() else ' (new)'}")


def _scoring(found: Forecast) -> Iterator[str]:
    unknown = [one.name for one in found.absent if one.pictures is None]
    yield (
        f"to score: {_many(found.pictures, 'picture')} × {_many(found.conditions, 'condition')} × "
        f"{_many(found.detectors, 'detector')}"
        + (f", and {', '.join(unknown)}, whose size is not stated" if unknown else "")
    )
    if found.done:
        yield f"scored already: {found.done:,} of {found.total:,} rows of the test sets that are here"
    for encoder, passes in found.passes.items():
        yield f"  encoder passes of {encoder}: at most {passes:,}"
    if found.rate is None or found.seconds is None:
        yield f"time: {found.unmeasured}"
        return
    more = " and what is of unknown size" if unknown else ""
    yield (
        f"time: about {roughly(found.seconds)}{more}, at {1 / found.rate.seconds:.3g} pictures a second under all conditions"
        f" (measured on {found.rate.on})"
    )


def roughly(seconds: float) -> str:
    """A time as far as a forecast can know it: in the two largest units that it has."""
    units = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left, parts = max(1, round(seconds)), []
    for name, size in units:
        count, left = divmod(left, size)
        if count:
            parts.append(_many(count, name) if name == "day" else f"{count} {name}")
        if len(parts) == 2 or (parts and name == "min"):
            break
    return " ".join(parts)


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _together(fetch: list[Fetched]) -> str:
    unknown = sum(one.size is None for one in fetch)
    known = decimal(sum(one.size or 0 for one in fetch))
    return f"{known} and {unknown} of unknown size" if unknown else known


def _size(size: int | None) -> str:
    return "size unknown" if size is None else f"{decimal(size)} ({size:,} bytes)"
