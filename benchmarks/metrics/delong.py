"""AUROC of several detectors on the same pictures, with the covariance of the estimates."""

from __future__ import annotations

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from benchmarks.metrics.tally import Floats
from registry.dataset import FAKE


def delong(labels: NDArray[np.int64], logits: Floats) -> tuple[Floats, Floats]:
    """AUROC of D detectors on the same pictures, and the covariance of these estimates.

    labels: (N,); logits: (D, N). Returns (D,) and (D, D). DeLong, DeLong and Clarke-Pearson (1988),
    from midranks as in Sun and Xu (2014). Needs two pictures of each class.
    """
    fake, real = logits[:, labels == FAKE], logits[:, labels != FAKE]
    n_fake, n_real = fake.shape[1], real.shape[1]
    ranks = scipy.stats.rankdata(np.concatenate([fake, real], axis=1), axis=1)
    above_real = (ranks[:, :n_fake] - scipy.stats.rankdata(fake, axis=1)) / n_real
    below_fake = 1 - (ranks[:, n_fake:] - scipy.stats.rankdata(real, axis=1)) / n_fake
    covariance = np.cov(above_real).reshape(len(logits), -1) / n_fake
    covariance = covariance + np.cov(below_fake).reshape(len(logits), -1) / n_real
    return above_real.mean(1), covariance
