"""Which known generator made a picture: white-box scores against those of real pictures.

Each white box gives a picture an empirical p-value, (1 + real pictures that score as high) / (1 + real
pictures): at most a share α of real pictures has a p-value of α or less, whatever the detector's scale. A picture is
attributed to the generator of its smallest one, times the number of white boxes (Bonferroni), if that is at
most the false-positive rate asked for; else to none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from registry.errors import UserError

NONE, REAL = "none of these", "real"


def p_values(scores: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Of scores (N,) among those of real pictures (M,); NaN where a score is."""
    real = np.sort(real)
    as_high = len(real) - np.searchsorted(real, scores, side="left")
    return np.where(np.isnan(scores), np.nan, (1 + as_high) / (1 + len(real)))


def attribute(
    scores: pd.DataFrame, real: pd.DataFrame, generators: Mapping[str, str], false_positive_rate: float
) -> pd.DataFrame:
    """Attribute pictures.

    scores, real: rows of `Session.score`, of the pictures and of real ones. generators: detector → the one it
        is a white box for.

    Returns:
        One row per picture: `path`, `attributed` (a generator or `none of these`; missing where a score is),
        `p` (adjusted for the number of white boxes, at most 1), and the logit of each detector.

    Raises:
        UserError: too few real pictures for the false-positive rate.
    """
    names = list(generators)
    logits = _table(scores)[names]
    known = _table(real)[names].dropna()
    least = len(names) / (1 + len(known))
    if least > false_positive_rate:
        raise UserError(
            f"a false-positive rate of {false_positive_rate:g} among {len(names)} white boxes needs "
            f"{int(np.ceil(len(names) / false_positive_rate)) - 1} real pictures, got {len(known)}"
        )
    each = np.column_stack([p_values(logits[name].to_numpy(), known[name].to_numpy()) for name in names])
    whole = ~np.isnan(each).any(axis=1)
    best = np.where(whole, np.nan_to_num(each, nan=2.0).argmin(axis=1), 0)
    p = np.where(whole, np.minimum(each.min(axis=1) * len(names), 1.0), np.nan)
    chosen = np.array([generators[names[index]] for index in best], dtype=object)
    attributed = np.where(p <= false_positive_rate, chosen, NONE)
    attributed[~whole] = None
    return logits.reset_index().assign(attributed=attributed, p=p)[["path", "attributed", "p", *names]]


def confusion(truth: pd.Series, attributed: pd.Series, generators: Mapping[str, str]) -> pd.DataFrame:
    """Counts: what made a picture (rows, as given) against what it is attributed to (`none of these` last)."""
    columns = [*dict.fromkeys(generators.values()), NONE]
    counted = pd.crosstab(truth, attributed).reindex(
        index=list(dict.fromkeys(truth)), columns=columns, fill_value=0
    )
    counted.index.name, counted.columns.name = "made by", None
    return counted


def _table(scores: pd.DataFrame) -> pd.DataFrame:
    """Logits by picture (rows, in the order given) and detector."""
    order = list(dict.fromkeys(scores["path"]))
    return scores.pivot(index="path", columns="detector", values="logit").reindex(order)
