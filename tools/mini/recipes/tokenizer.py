"""Trains a tokenizer as VQGAN does (arXiv 2012.09841): reconstruction, then a patch discriminator as well."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.mini.bitwise_tokenizer import BinaryCodebook
from benchmarks.mini.tokenizer import Codebook, Tokenizer
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.recipe import Recipe, mixed_precision

_COMMITMENT = 0.25
_DETAIL = 1.0
_ADVERSARIAL = 0.05
_ENTROPY = 0.02
_ADVERSARIAL_FROM = 0.5


class CodebookLearner(nn.Module):
    """Moves the vectors of a codebook while its encoder learns.

    unit: keep the vectors at length 1. decay: of the moving averages. dead: a code that fewer
    latents of a batch chose, on average, is moved.
    """

    def __init__(self, codebook: Codebook, unit: bool, decay: float = 0.98, dead: float = 0.5) -> None:
        super().__init__()
        self.unit, self.decay, self.dead = unit, decay, dead
        self.register_buffer("counts", torch.ones(len(codebook.vectors)))
        self.register_buffer("sums", codebook.vectors.clone())
        self.counts: Tensor
        self.sums: Tensor

    @torch.no_grad()
    def update(self, codebook: Codebook, latents: Tensor, indices: Tensor) -> None:
        """One step from latents (N, tokens, width) and the codes (N, tokens) they chose."""
        latents = latents.flatten(0, 1).float()
        chosen = F.one_hot(indices.flatten(), len(self.counts)).float()
        self.counts.lerp_(chosen.sum(0), 1 - self.decay)
        self.sums.lerp_(chosen.T @ latents, 1 - self.decay)
        dead = self.counts < self.dead
        self.sums[dead] = latents[torch.randint(len(latents), (int(dead.sum()),))]
        self.counts[dead] = 1.0
        means = self.sums / self.counts[:, None]
        codebook.vectors.copy_(F.normalize(means, dim=1) if self.unit else means)


class PatchDiscriminator(nn.Sequential):
    """Pictures (N, 3, 64, 64) to a logit per overlapping patch (N, 1, 16, 16)."""

    def __init__(self, channels: int = 48) -> None:
        super().__init__(
            spectral_norm(nn.Conv2d(3, channels, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * channels, 1, 3, padding=1)),
        )


class TokenizerRecipe(Recipe):
    """Absolute error on the picture and on its fine detail, commitment, and hinge adversarial loss.

    dead: see `CodebookLearner`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        crops: TrainingCrops,
        steps: int,
        batch: int = 16,
        dead: float = 0.5,
    ) -> None:
        super().__init__()
        self.steps, self.batch, self.crops = steps, batch, crops
        self.tokenizer = tokenizer
        self.learner = None
        if not isinstance(tokenizer.codebook, BinaryCodebook):
            self.learner = CodebookLearner(tokenizer.codebook, unit=tokenizer.unit_codes, dead=dead)
        self.discriminator = PatchDiscriminator()
        self.optimizers = [
            torch.optim.AdamW(tokenizer.parameters(), 2e-3, betas=(0.9, 0.95), weight_decay=0.01),
            torch.optim.AdamW(self.discriminator.parameters(), 3e-4, betas=(0.5, 0.95), weight_decay=0.01),
        ]

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        images, _ = self.crops.draw(self.batch, rng)
        with mixed_precision():
            latents = self.tokenizer.encode(images).float()
            with torch.autocast("cpu", enabled=False):
                quantized = self.tokenizer.quantize(latents)
            passed_through = latents + (quantized.vectors - latents).detach()
            rebuilt = self.tokenizer.decoder(passed_through).float()
        error = F.l1_loss(rebuilt, images)
        detail = F.l1_loss(_fine(rebuilt), _fine(images))
        commitment = F.mse_loss(latents, quantized.vectors.detach())
        smoothing = F.mse_loss(quantized.vectors, latents.detach())
        loss = error + _DETAIL * detail + _COMMITMENT * commitment
        if not self.tokenizer.unit_codes:
            loss = loss + smoothing
        if self.learner is None:
            loss = loss + _ENTROPY * bit_entropy(quantized.chosen_by)
        adversarial = step >= _ADVERSARIAL_FROM * self.steps
        if adversarial:
            with mixed_precision():
                loss = loss - _ADVERSARIAL * self.discriminator(rebuilt).float().mean()
        generator, critic = self.optimizers
        generator.zero_grad()
        loss.backward()
        generator.step()
        watched = {"error": error.item(), "detail": detail.item(), "commitment": commitment.item()}
        if self.learner is None:
            counts = torch.bincount(
                quantized.indices.flatten(), minlength=len(self.tokenizer.codebook.vectors)
            )
        else:
            self.learner.update(self.tokenizer.codebook, quantized.chosen_by, quantized.indices)
            counts = self.learner.counts
        watched["perplexity"] = _perplexity(counts)
        if adversarial:
            with mixed_precision():
                real = self.discriminator(images).float()
                fake = self.discriminator(rebuilt.detach()).float()
            hinge = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            critic.zero_grad()
            hinge.backward()
            critic.step()
            watched["hinge"] = hinge.item()
        return watched

    def trained(self) -> nn.Module:
        return self.tokenizer


def bit_entropy(latents: Tensor) -> Tensor:
    """What BSQ (arXiv 2406.07548) makes small, in nats a bit: each bit's uncertainty, less that of its mean.

    latents: (N, tokens, bits). Bits then are sure of themselves, and each is 1 as often as 0.
    """
    sides = F.normalize(latents, dim=-1) * latents.shape[-1] ** 0.5
    one = torch.sigmoid(2 * sides)

    def entropy(share: Tensor) -> Tensor:
        return (torch.special.entr(share) + torch.special.entr(1 - share)).mean()

    return entropy(one) - entropy(one.mean((0, 1)))


def _fine(images: Tensor) -> Tensor:
    """What a 3×3 mean takes away."""
    return images - F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, stride=1)


def _perplexity(counts: Tensor) -> float:
    """exp(entropy) of the code usage: how many codes are in real use."""
    share = counts / counts.sum()
    return float(torch.exp(-(share * torch.log(share + 1e-10)).sum()))
