"""The cues by which real and generated pictures might be told apart without looking at the content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from benchmarks.audits.facts import Facts

BINS = 8
MOST_CATEGORIES = 32
"""Rarer categories of a fact count as one."""
FEWEST_PICTURES = 20
"""A cue that only some formats have is tested where at least this many pictures have it."""


@dataclass(frozen=True)
class Cue:
    """One kind of difference.

    categories, numbers: facts that are compared as they are, or by size. show, measure: what the
    report prints for a class: the most frequent values, or a median in format `digits`.
    content: it follows from what the pictures show as well, so a difference is no fault of the data.
    applies: to which pictures; the others are left out of its test.
    """

    name: str
    categories: Callable[[Facts], Sequence[str]] = lambda facts: ()
    numbers: Callable[[Facts], Sequence[float]] = lambda facts: ()
    show: Callable[[Facts], str] = str
    measure: Callable[[Facts], float] | None = None
    digits: str = ",.0f"
    content: bool = False
    applies: Callable[[Facts], bool] = lambda facts: True


def _is_jpeg(facts: Facts) -> bool:
    return facts.quality is not None


def _quality(facts: Facts) -> float:
    return facts.quality or 0


CUES = (
    Cue("format", lambda f: [f.format], show=lambda f: f.format),
    Cue(
        "size",
        lambda f: [f"{f.width}×{f.height}"],
        lambda f: [f.width, f.height],
        show=lambda f: f"{f.width}×{f.height}",
    ),
    Cue(
        "aspect",
        lambda f: [f"{f.width / f.height:.3f}"],
        lambda f: [f.width / f.height],
        show=lambda f: f"{f.width / f.height:.2f}",
    ),
    Cue("jpeg quality", numbers=lambda f: [_quality(f)], measure=_quality, applies=_is_jpeg),
    Cue("jpeg tables", lambda f: [f.tables], show=lambda f: f.tables, applies=_is_jpeg),
    Cue("bit depth", lambda f: [f.depth], show=lambda f: f.depth),
    Cue("encoder", lambda f: [f.encoder], show=lambda f: f.encoder or "plain"),
    Cue("metadata", lambda f: [f.metadata], show=lambda f: f.metadata or "none"),
    Cue("jpeg past", numbers=lambda f: [f.past], measure=lambda f: f.past, digits=".1f"),
    Cue(
        "resampling",
        numbers=lambda f: [f.resampling],
        measure=lambda f: f.resampling,
        digits=".1f",
        content=True,
    ),
    Cue("8-pixel grid", numbers=lambda f: [f.grid], measure=lambda f: f.grid, digits=".3f", content=True),
    Cue("byte size", numbers=lambda f: [f.bytes], measure=lambda f: f.bytes, content=True),
    Cue("colours", numbers=lambda f: f.colours, measure=lambda f: f.colours[0], content=True),
)
"""Colour statistics of a thumbnail and, among files of one format, the byte size follow from the content:
generators have colours and smoothness of their own, and the classes may show other things. An 8-pixel grid
is a JPEG past or the generator's own upsampling, and a period of resampling may be its upsampling too; only the
maker of the data knows which. Coefficients on a quantisation lattice ("jpeg past") come from no generator."""


def design(cue: Cue, pictures: Sequence[Facts]) -> np.ndarray:
    """One 0/1 column per category and per quantile bin of a number, (pictures, columns), float32.

    Bins come from all pictures without regard to their labels.
    """
    columns = [np.asarray([cue.categories(facts) for facts in pictures], dtype=object)]
    numbers = np.asarray([cue.numbers(facts) for facts in pictures], dtype=float)
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    for values in numbers.T:
        edges = np.unique(np.quantile(values, inner))
        columns.append(np.digitize(values, edges).astype(object)[:, None])
    table = np.concatenate([column for column in columns if column.size], axis=1)
    encoder = OneHotEncoder(max_categories=MOST_CATEGORIES, sparse_output=False, dtype=np.float32)
    return encoder.fit_transform(table)


def summary(cue: Cue, pictures: Sequence[Facts]) -> str:
    """What the pictures are like by this cue: the median, or the most frequent values with their shares."""
    chosen = [facts for facts in pictures if cue.applies(facts)]
    if not chosen:
        return "–"
    if cue.measure:
        return f"median {np.median([cue.measure(facts) for facts in chosen]):{cue.digits}}"
    counts = Counter(map(cue.show, chosen)).most_common()
    shown = ", ".join(f"{value} {count / len(chosen):.0%}" for value, count in counts[:2])
    return shown + (f", {len(counts) - 2} more" if len(counts) > 2 else "")
