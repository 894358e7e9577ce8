"""Where D³AT looks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from d3qe_plugin.d3at import D3AT, Block
from d3qe_plugin.figures.common import (
    class_counts,
    grid,
    network,
    over_picture,
    seen_by_tokenizer,
    show_picture,
    some_of_each,
)
from d3qe_plugin.network import D3QE
from registry.figure import Drawing, Subject


def draw(subject: Subject) -> Drawing:
    """Attention that each position receives, a column per block, beside the picture."""
    detector = network(subject)
    shown = some_of_each(subject)
    maps = received_attention(detector, shown.inputs).cpu().numpy()
    counts = class_counts(shown.labels)
    figure, panels = grid(
        len(shown.pictures),
        1 + maps.shape[1],
        f"{counts['real']} real and {counts['generated']} generated pictures, "
        f"mean over {detector.options.heads} heads and all queries",
    )
    limit = float(maps.max())
    for row, picture in enumerate(shown.pictures):
        seen = seen_by_tokenizer(detector, picture)
        show_picture(panels[row, 0], seen, int(shown.labels[row]))
        for block in range(maps.shape[1]):
            drawn = over_picture(
                panels[row, 1 + block], seen, maps[row, block], cmap="inferno", vmin=0, vmax=limit
            )
            panels[0, 1 + block].set_title(f"block {block + 1}", fontsize=10)
    panels[0, 0].set_title("picture", fontsize=10)
    figure.colorbar(
        drawn,
        ax=panels[:, 1:],
        location="bottom",
        shrink=0.7,
        label="attention received, in units of uniform attention",
    )
    return Drawing(figure, {"pictures": list(shown.paths), "labels": shown.labels.tolist(), "maximum": limit})


@torch.no_grad()
def received_attention(detector: D3QE, inputs: Mapping[str, Tensor]) -> Tensor:
    """Attention received (N, blocks, h, w), mean over heads and queries; 1 everywhere if uniform."""
    transformer = detector.feature_processor[3]
    assert isinstance(transformer, D3AT)
    delta = detector.delta()[inputs["indices"]] if detector.options.attention == "d3at" else None
    tokens = detector.stem(inputs).flatten(2).transpose(1, 2) + transformer.pos_embed
    received = []
    for layer in transformer.layers:
        assert isinstance(layer, Block)
        weights, _ = layer.attend(tokens, delta)
        received.append(weights.mean(dim=(1, 2)) * weights.shape[-1])
        tokens = layer(tokens, delta)
    return torch.stack(received, dim=1).unflatten(2, detector.options.grid)
