"""How large what ΔD adds to D³AT's attention logits is before any training, at the released sizes and initialisation.

Run in a checkout: `python -m tools.attention_bias`. ΔD at each position is normal noise of a given standard deviation:
1e-4 is the order of differences of probabilities over 16384 codes (`raw`), 1 that of `standardised`.
"""

from __future__ import annotations

import torch

from d3qe_plugin.d3at import D3AT, Block
from d3qe_plugin.network import D3QE

SPREADS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
SEEDS = 5


@torch.no_grad()
def attention_bias(seed: int, spread: float) -> torch.Tensor:
    """What the first block of an untrained `d3qe` adds to its attention logits for one picture: (heads, L, L)."""
    torch.manual_seed(seed)
    detector = D3QE()
    transformer = detector.feature_processor[3]
    assert isinstance(transformer, D3AT)
    block = transformer.layers[0]
    assert isinstance(block, Block)
    height, width = detector.options.grid
    added = block.added(spread * torch.randn(1, height * width))
    assert added is not None
    return added[0]


def main() -> None:
    """Print the table of `docs/training.md`."""
    print(
        "| standard deviation of ΔD | mean \\|bias\\| | largest \\|bias\\| | its standard deviation along a row |"
    )
    print("|--:|--:|--:|--:|")
    for spread in SPREADS:
        found = [attention_bias(seed, spread) for seed in range(SEEDS)]
        mean = sum(float(bias.abs().mean()) for bias in found) / SEEDS
        largest = max(float(bias.abs().max()) for bias in found)
        along = sum(float(bias.std(dim=-1).mean()) for bias in found) / SEEDS
        print(f"| {spread:g} | {mean:.2g} | {largest:.2g} | {along:.2g} |")


if __name__ == "__main__":
    main()
