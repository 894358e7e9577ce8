"""Trains the transformers of the autoregressive generators on tokens of training crops: cross-entropy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.mini.autoregressive import RasterGenerator
from benchmarks.mini.bitwise_tokenizer import BitwiseTokenizer
from benchmarks.mini.next_scale import ScaleGenerator, coarser, pooled
from tools.mini.bitwise import BitwiseGenerator
from tools.mini.masked import MASK, MaskedGenerator, masked_share
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe, mixed_precision

Generator = RasterGenerator | ScaleGenerator | MaskedGenerator | BitwiseGenerator

_MOST_FLIPPED = 0.2
"""Bits flipped in training, at most: Infinity flips up to 20 to 30 %."""


class TransformerRecipe(Recipe):
    """The tokenizer stays as it is."""

    def __init__(self, generator: Generator, crops: TrainingCrops, steps: int, batch: int = 16) -> None:
        super().__init__()
        self.steps, self.batch, self.crops = steps, batch, crops
        self.generator = generator
        generator.tokenizer.requires_grad_(False)
        self.optimizers = [
            torch.optim.AdamW(generator.transformer.parameters(), 1e-3, betas=(0.9, 0.95), weight_decay=0.05)
        ]

    def loss(self, classes: Tensor, latents: Tensor) -> Tensor:
        """Nats per token that is predicted, of pictures with these latents (N, width, side, side)."""
        if isinstance(self.generator, MaskedGenerator):
            return masked_loss(self.generator, classes, latents)
        if isinstance(self.generator, BitwiseGenerator):
            return bitwise_loss(self.generator, classes, latents)
        with torch.no_grad():
            tokens = self.generator.tokenizer.quantize(latents).indices
        with mixed_precision():
            if isinstance(self.generator, ScaleGenerator):
                logits = self.generator.transformer(classes, coarser(self.generator.tokenizer, tokens))
            else:
                logits = self.generator.transformer(classes, tokens)
        return F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten())

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, classes = self.crops.draw(self.batch, rng)
        with torch.no_grad():
            latents = self.generator.tokenizer.encode(images)
        loss = self.loss(classes, latents)
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.transformer.parameters(), 1.0)
        optimizer.step()
        return {"nats per token": loss.item()}

    def trained(self) -> nn.Module:
        return self.generator


def masked_loss(generator: MaskedGenerator, classes: Tensor, latents: Tensor) -> Tensor:
    """Cross-entropy of the masked tokens; a picture's masked share follows the schedule at a uniform time."""
    tokens = generator.tokenizer.quantize(latents).indices
    wanted = (masked_share(torch.rand(len(tokens))) * tokens.shape[1]).ceil().long().clamp(min=1)
    rank = torch.rand(tokens.shape).argsort(1).argsort(1)
    masked = rank < wanted[:, None]
    with mixed_precision():
        logits = generator.transformer(classes, tokens.masked_fill(masked, MASK))
    return F.cross_entropy(logits.float()[masked], tokens[masked])


def bitwise_loss(generator: BitwiseGenerator, classes: Tensor, latents: Tensor) -> Tensor:
    """Cross-entropy of all bits, summed over a token's."""
    tokenizer = generator.tokenizer
    flipped = torch.rand(len(latents), 1, 1) * _MOST_FLIPPED
    inputs, tokens = self_corrected(tokenizer, latents, flipped)
    with mixed_precision():
        logits = generator.transformer(classes, inputs)
    bits = tokenizer.codebook.bits(tokens).float()
    return F.binary_cross_entropy_with_logits(logits.float(), bits) * bits.shape[-1]


def self_corrected(tokenizer: BitwiseTokenizer, latents: Tensor, flipped: Tensor) -> tuple[Tensor, Tensor]:
    """Infinity's bitwise self-correction: the transformer's input with mistakes in it, and tokens that mend them.

    flipped: probability (N, 1, 1) with which each bit is wrong in what the finer maps go on from.

    Returns:
        inputs (N, tokens - 1, bits) as of `coarser`, and tokens (N, tokens), each of what is left over by the
        wrong maps before it.
    """
    total = torch.zeros_like(latents)
    inputs, targets = [], []
    for scale, side in enumerate(tokenizer.scales):
        if scale:
            inputs.append(pooled(total, side))
        tokens = tokenizer.codebook.nearest(pooled(latents - total, side))
        targets.append(tokens)
        bits = tokenizer.codebook.bits(tokens)
        wrong = torch.rand(bits.shape) < flipped
        total = total + tokenizer.contribution(scale, tokenizer.codebook.to_indices(bits ^ wrong))
    return torch.cat(inputs, 1), torch.cat(targets, 1)
