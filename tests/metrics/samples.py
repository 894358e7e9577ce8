"""Samples for tests of metrics: labels (N,) and float32 logits (N,), with heavy ties."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

TIED = st.integers(-4, 4).map(lambda level: level / 2)
SPREAD = st.floats(-80, 80, width=32)


@st.composite
def samples(draw: st.DrawFn, real: int = 5, fake: int = 5, most: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """At least `real` and `fake` pictures, in any order; logits on few levels, spread, or all equal."""
    n_real, n_fake = draw(st.integers(real, most)), draw(st.integers(fake, most))
    labels = np.array(draw(st.permutations([0] * n_real + [1] * n_fake)))
    elements = draw(st.sampled_from([TIED, SPREAD, st.just(0.0), st.sampled_from([-1e-7, 0.0, 1e-7])]))
    logits = draw(arrays.arrays(np.float32, len(labels), elements=elements))
    return labels, logits


def normal(n_real: int, n_fake: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two normal clouds `shift` apart, rounded so that some logits tie."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [n_real, n_fake])
    logits = rng.normal(size=len(labels)) * 2 + shift * labels - shift / 2
    return labels, logits.round(2).astype(np.float32)
