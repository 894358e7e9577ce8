"""The generators: sampling agrees with what was trained, and depends on its seed alone."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from benchmarks.mini.autoregressive import RasterGenerator, RasterTransformer
from benchmarks.mini.layers import draw_tokens, to_tensor
from benchmarks.mini.next_scale import LENGTHS, ScaleGenerator, coarser
from tools.mini.diffusion import UNet, signal_level
from tools.mini.gan import ConvolutionalGenerator
from tools.mini.making import to_pictures


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_tokens_are_drawn_by_their_probability_among_the_best() -> None:
    logits = torch.randn(6, dtype=torch.float64)
    tokens = draw_tokens(logits.expand(20000, 6), 4, torch.Generator().manual_seed(0))
    best = logits.topk(4)
    expected = torch.zeros(6, dtype=torch.float64).scatter(0, best.indices, best.values.softmax(0))
    counts = torch.bincount(tokens, minlength=6)
    allowed = expected > 0
    assert counts[~allowed].sum() == 0
    assert chisquare(counts[allowed].numpy(), (expected[allowed] * 20000).numpy()).pvalue > 0.001


@torch.no_grad()
def test_raster_sampling_with_a_cache_follows_the_trained_network() -> None:
    network = RasterTransformer(3, width=32, depth=2, heads=2).double()
    network.head.weight.mul_(20)
    classes = torch.tensor([0, 2])
    tokens = network.sample(classes, torch.Generator(), top_k=1)
    assert len(tokens.unique()) > 3
    assert torch.equal(network(classes, tokens).argmax(-1), tokens)


@torch.no_grad()
def test_raster_logits_see_earlier_tokens_only() -> None:
    network = RasterTransformer(3, width=32, depth=2, heads=2).double()
    tokens = torch.randint(0, 512, (1, 256))
    changed = tokens.clone()
    changed[0, 100] = (changed[0, 100] + 1) % 512
    moved = (network(torch.tensor([0]), tokens) != network(torch.tensor([0]), changed)).any(-1)[0]
    assert not moved[:101].any()
    assert moved[101]


@torch.no_grad()
def test_next_scale_sampling_with_a_cache_follows_the_trained_network() -> None:
    generator = ScaleGenerator(3).double()
    generator.transformer.head.weight.mul_(20)
    classes = torch.tensor([0, 2])
    drawn: list[Tensor] = []
    decode = generator.tokenizer.decoder.forward
    generator.tokenizer.decoder.forward = lambda total: drawn.append(total) or decode(total)  # type: ignore[func-returns-value]
    generator.sample(classes, torch.Generator(), top_k=1)
    tokens = torch.zeros(2, sum(LENGTHS), dtype=torch.int64)
    start = 0
    for length in LENGTHS:
        # greedy tokens of one map after another, by the network as it is trained
        logits = generator.transformer(classes, coarser(generator.tokenizer, tokens))
        tokens[:, start : start + length] = logits[:, start : start + length].argmax(-1)
        start += length
    torch.testing.assert_close(drawn[0], generator.tokenizer.vectors(tokens))


def test_signal_level_falls_from_one_to_zero() -> None:
    levels = signal_level(torch.linspace(0, 1, 101, dtype=torch.float64))
    assert levels[0] > 0.999
    assert levels[-1] < 0.001
    assert (levels.diff() <= 0).all()
    assert levels[50] == pytest.approx(0.4937, abs=1e-3)


class Oracle(UNet):
    """Knows the picture, and so the exact v of any noisy version of it."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__(classes=1)
        self.picture = picture

    def forward(self, noisy: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        level = signal_level(time)[:, None, None, None]
        noise = (noisy - level.sqrt() * self.picture) / (1 - level).sqrt()
        return level.sqrt() * noise - (1 - level).sqrt() * self.picture


def test_ddim_finds_the_picture_that_an_exact_denoiser_knows() -> None:
    picture = torch.rand(1, 3, 64, 64, dtype=torch.float64) * 2 - 1
    found = Oracle(picture).double().sample(torch.zeros(1, dtype=torch.int64), torch.Generator(), steps=5)
    torch.testing.assert_close(found, picture)


@torch.no_grad()
@pytest.mark.parametrize("build", [RasterGenerator, ScaleGenerator, ConvolutionalGenerator, UNet])
def test_pictures_depend_on_class_and_seed_alone(build: type[RasterGenerator]) -> None:
    network = build(3).double()
    options = {"steps": 2} if build is UNet else {}
    classes = torch.tensor([0, 1, 1])

    def draw(seed: int) -> Tensor:
        return network.sample(classes, torch.Generator().manual_seed(seed), **options)

    first, second, other = draw(1), draw(1), draw(2)
    assert first.shape == (3, 3, 64, 64)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not torch.equal(first[1], first[2])


def test_pictures_survive_the_way_to_a_tensor_and_back() -> None:
    pictures = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    assert torch.equal(to_pictures(to_tensor(pictures)), pictures)
