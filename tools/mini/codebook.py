"""Do real and autoregressive pictures use the tokenizer's codes differently? D³QE's Figure 5, at mini size.

python -m tools.mini.codebook
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from scipy.stats import permutation_test

from benchmarks.commands.outcome import run_script
from benchmarks.mini.dataset import TRAINED_ON, scan
from benchmarks.mini.generators import load_tokenizer
from benchmarks.mini.layers import to_tensor
from benchmarks.mini.tokenizer import CODES
from registry.dataset import FAKE, TestSet
from tools.mini.contact_sheet import DOCS

_BATCH = 100


def code_counts(test_set: TestSet) -> tuple[np.ndarray, np.ndarray]:
    """How often each picture uses each code of the first generator's tokenizer: int64 (N, codes); labels (N,)."""
    tokenizer = load_tokenizer()
    pictures = np.stack([np.asarray(Image.open(test_set.root / one.path)) for one in test_set.pictures])
    counts = []
    with torch.inference_mode():
        for batch in torch.from_numpy(pictures).split(_BATCH):
            indices = tokenizer.quantize(tokenizer.encode(to_tensor(batch))).indices
            counts += [torch.bincount(row, minlength=CODES).numpy() for row in indices]
    return np.stack(counts), np.array([one.label for one in test_set.pictures])


def frequencies(counts: np.ndarray) -> np.ndarray:
    """Share of each code over all pictures: counts (N, codes) to (codes,)."""
    total = counts.sum(0)
    return total / total.sum()


def total_variation(first: np.ndarray, second: np.ndarray) -> float:
    """Half the sum of absolute differences of two distributions: 0 equal, 1 disjoint."""
    return float(np.abs(first - second).sum() / 2)


def perplexity(shares: np.ndarray) -> float:
    """exp(entropy): how many codes, used alike, would be as uncertain."""
    used = shares[shares > 0]
    return float(np.exp(-(used * np.log(used)).sum()))


@dataclass(frozen=True)
class Discrepancy:
    """distance: total variation between the code shares of real and generated pictures.
    expected: its mean over relabelled pictures, which is what sampling alone gives.
    p_value: share of relabellings, the given one included, with at least that distance."""

    distance: float
    expected: float
    p_value: float


def discrepancy(counts: np.ndarray, labels: np.ndarray, resamples: int = 999, seed: int = 0) -> Discrepancy:
    """Permutation test over pictures, not tokens: tokens of one picture are not independent."""

    def statistic(first: np.ndarray, second: np.ndarray) -> float:
        return total_variation(frequencies(counts[first]), frequencies(counts[second]))

    groups = np.flatnonzero(labels != FAKE), np.flatnonzero(labels == FAKE)
    result = permutation_test(
        groups, statistic, n_resamples=resamples, alternative="greater", vectorized=False, rng=seed
    )
    return Discrepancy(float(result.statistic), float(result.null_distribution.mean()), float(result.pvalue))


def draw(shares: dict[str, np.ndarray], tokens: int, path: Path) -> None:
    """Shares of the codes on logarithmic axes: each curve sorted by itself; then the second in the first's order.

    tokens: how many each curve was counted from.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    sorted_alone, in_one_order = figure.subplots(1, 2, sharey=True)
    ranks = np.arange(1, CODES + 1)
    reference, other, *_ = shares
    order = np.argsort(shares[reference])[::-1]
    for name, share in shares.items():
        sorted_alone.loglog(ranks, np.sort(share)[::-1], label=name)
    in_one_order.loglog(ranks, shares[reference][order], label=reference)
    in_one_order.loglog(ranks, shares[other][order], ".", markersize=4, label=other)
    sorted_alone.set_xlabel("rank of the code in each curve")
    in_one_order.set_xlabel(f"rank of the code in {reference}")
    sorted_alone.set_ylabel("share of the tokens")
    sorted_alone.legend(title=f"{tokens:,} tokens each")
    in_one_order.legend()
    figure.savefig(path, dpi=120)


def main(
    out: Annotated[Path, typer.Option(help="File of the figure.")] = DOCS / "mini_codebook.png",
    resamples: Annotated[int, typer.Option(help="Relabellings of the permutation test.")] = 999,
) -> None:
    """Print how far real and generated pictures differ in code usage, and draw the rank–frequency figure."""
    shares: dict[str, np.ndarray] = {}
    for test_set in scan():
        counts, labels = code_counts(test_set)
        tokens = int(counts[labels == FAKE].sum())
        fake = frequencies(counts[labels == FAKE])
        if test_set.generator == TRAINED_ON:
            shares["photographs"] = frequencies(counts[labels != FAKE])
        shares[test_set.generator] = fake
        found = discrepancy(counts, labels, resamples)
        typer.echo(
            f"{test_set.name}: total variation {found.distance:.3f} (relabelled: {found.expected:.3f}), "
            f"p = {found.p_value:.3g}; perplexity real {perplexity(frequencies(counts[labels != FAKE])):.0f}, "
            f"generated {perplexity(fake):.0f} of {CODES}"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    draw(shares, tokens, out)
    typer.echo(out)


if __name__ == "__main__":
    run_script(main)
