"""Where each detector loses: errors in slices of size, format, JPEG quality, saturation and what the user knows, within test sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import pandas as pd
import scipy.stats

from benchmarks.audits.traits import Traits
from benchmarks.metrics.intervals import Limits, exact
from benchmarks.reports.failures.scored import Bools, Scored
from benchmarks.reports.statistics.paired import holm
from registry.dataset import FAKE, REAL

LEAST = 10
"""Fewest pictures inside and outside of a slice, within sets that have both, for a test."""
_SIDES = (0, 128, 256, 512, 1024)
_QUALITIES = (0, 50, 70, 85, 95)


@dataclass(frozen=True)
class Slice:
    """One detector on the pictures of one class in one slice.

    pictures, wrong: over all test sets; low, high: exact binomial 95 % interval of the error rate.
    more: how much higher the error rate is inside than outside of the slice, within the test sets that have both
    (Mantel–Haenszel risk difference); p: of no difference (Cochran–Mantel–Haenszel), p_holm corrected for all slices,
    classes and detectors. None where fewer than `LEAST` pictures could tell.
    """

    detector: str
    trait: str
    value: str
    label: int
    pictures: int
    wrong: int
    low: float
    high: float
    more: float | None
    p: float | None
    p_holm: float | None = None


def slices(scored: Scored, traits: Mapping[str, pd.DataFrame]) -> list[Slice]:
    """Every slice that has pictures, of traits that vary.

    traits: by test set and path, the rows of `PicturesAtHand.traits` or of `own_traits.read`, or both beside each other;
    pictures of which a trait is not known take no part in its slices.
    """
    frames, missed = [], []
    for number, one in enumerate(scored.sets):
        if one.dataset in traits:
            mine = traits[one.dataset].reindex(one.paths).reset_index(drop=True)
            place = pd.DataFrame({"set": number, "label": one.labels, "at": np.arange(len(one.paths))})
            frames.append(pd.concat([place, mine], axis=1))
            missed.append(~one.right)
    if not frames:
        return []
    everything = pd.concat(frames, ignore_index=True)
    all_wrong = np.concatenate(missed, axis=1)
    found = []
    for trait, (column, naming) in _traits(everything).items():
        known = everything[column].notna()
        table, wrong = everything[known].reset_index(drop=True), all_wrong[:, known.to_numpy()]
        if table.empty:
            continue
        names = naming(table)
        if names.nunique() < 2:
            continue  # nothing to compare with
        for value in sorted(names.unique(), key=_order):
            inside = (names == value).to_numpy()
            for label in (REAL, FAKE):
                of_class = (table["label"] == label).to_numpy()
                if (inside & of_class).any():
                    sets = table["set"].to_numpy()[of_class]
                    found += _of_slice(
                        scored.detectors, trait, value, label, wrong[:, of_class], inside[of_class], sets
                    )
    tested = [i for i, one in enumerate(found) if one.p is not None]
    corrected = holm(np.array([found[i].p for i in tested], dtype=float))
    for i, p in zip(tested, corrected, strict=True):
        found[i] = Slice(**{**vars(found[i]), "p_holm": float(p)})
    return found


def _of_slice(
    detectors: list[str],
    trait: str,
    value: str,
    label: int,
    wrong: Bools,
    inside: Bools,
    sets: np.ndarray,
) -> list[Slice]:
    found = []
    n = int(inside.sum())
    for name, mine in zip(detectors, wrong, strict=True):
        errors = int(mine[inside].sum())
        bounds = error_rate(errors, n)
        more, p = within_sets(mine, inside, sets)
        found.append(Slice(name, trait, value, label, n, errors, bounds.low, bounds.high, more, p))
    return found


def error_rate(wrong: int, pictures: int) -> Limits:
    """Error rate with its exact binomial 95 % interval: a score interval covers rare errors too seldom."""
    return exact(wrong, pictures)


def within_sets(wrong: Bools, inside: Bools, sets: np.ndarray) -> tuple[float | None, float | None]:
    """Risk difference of being wrong inside against outside, and its p-value; all (N,).

    Mantel–Haenszel's pooled difference (Greenland and Robins, 1985) and the Cochran–Mantel–Haenszel test without
    correction, stratified by set: a set that has no picture inside, or none outside, says nothing. (None, None) with
    fewer than `LEAST` telling pictures on either side, and p is None where errors do not vary.
    """
    excess = variance = weight = difference = 0.0
    counted = [0, 0]
    for number in np.unique(sets):
        here = sets == number
        n, n1 = int(here.sum()), int((here & inside).sum())
        n0 = n - n1
        if not n1 or not n0:
            continue
        counted = [counted[0] + n1, counted[1] + n0]
        a, m = int((here & inside & wrong).sum()), int((here & wrong).sum())
        excess += a - n1 * m / n
        variance += n1 * n0 * m * (n - m) / (n * n * (n - 1))
        difference += (a * n0 - (m - a) * n1) / n
        weight += n1 * n0 / n
    if min(counted) < LEAST:
        return None, None
    p = float(scipy.stats.chi2.sf(excess**2 / variance, 1)) if variance > 0 else None
    return difference / weight, p


def _banded(edges: tuple[int, ...], unit: str) -> Callable[[pd.Series], pd.Series]:
    def name(values: pd.Series) -> pd.Series:
        places = np.searchsorted(edges, values.to_numpy(float), side="right") - 1
        return pd.Series([_band(edges, int(place), unit) for place in places])

    return name


def _band(edges: tuple[int, ...], place: int, unit: str) -> str:
    if place + 1 == len(edges):
        return f"{edges[place]}{unit} and more"
    return f"{edges[place]}–{edges[place + 1] - 1}{unit}" if place else f"under {edges[1]}{unit}"


def _quality(table: pd.DataFrame) -> pd.Series:
    named = _banded(_QUALITIES, "")(table["quality"].fillna(0))
    return named.where(table["quality"].notna(), "no JPEG")


def _saturation(table: pd.DataFrame) -> pd.Series:
    """Thirds of all pictures, so that each slice has some; the bounds are part of the name."""
    low, high = np.quantile(table["saturation"], (1 / 3, 2 / 3))
    names = [f"lowest third (to {low:.0f})", "middle third", f"highest third (from {high:.0f})"]
    return pd.Series(
        np.select([table["saturation"] <= low, table["saturation"] >= high], [names[0], names[2]], names[1])
    )


_TRAITS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "short side": lambda table: _banded(_SIDES, " px")(table[["width", "height"]].min(axis=1)),
    "format": lambda table: table["format"],
    "JPEG quality": _quality,
    "saturation": _saturation,
}


def _traits(table: pd.DataFrame) -> dict[str, tuple[str, Callable[[pd.DataFrame], pd.Series]]]:
    """By name, the column that says whether a trait is known of a picture, and what names its slice."""
    made = {name: ("width", naming) for name, naming in _TRAITS.items()} if "width" in table else {}
    own = [name for name in table.columns if name not in {"set", "label", "at", *Traits.__annotations__}]
    return {**made, **{name: (name, itemgetter(name)) for name in own}}


def _order(value: str) -> tuple[float, str]:
    """Bands by their first number, thirds from low to high, other names by the alphabet."""
    rank = {"under": -1.0, "lowest": 0.0, "middle": 1.0, "highest": 2.0}.get(value.split(" ")[0])
    digits = value.split("–")[0].split(" ")[0]
    return (rank if rank is not None else float(digits) if digits.isdigit() else np.inf, value)


def losing(found: list[Slice], alpha: float = 0.05) -> list[Slice]:
    """Slices where a detector errs significantly more than elsewhere in the same sets, the worst first."""
    worse = [one for one in found if one.p_holm is not None and one.p_holm < alpha and (one.more or 0) > 0]
    return sorted(worse, key=lambda one: -(one.more or 0))
