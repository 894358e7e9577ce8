"""The generators: sampling agrees with what was trained, and depends on its seed alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from benchmarks.mini.autoregressive import RasterGenerator, RasterTransformer
from benchmarks.mini.bitwise_tokenizer import BITS, BitwiseTokenizer
from benchmarks.mini.layers import draw_tokens, to_tensor
from benchmarks.mini.next_scale import LENGTHS, ScaleGenerator, coarser
from tools.mini.bitwise import BitwiseGenerator
from tools.mini.diffusion import UNet, signal_level
from tools.mini.gan import ConvolutionalGenerator
from tools.mini.making import to_pictures
from tools.mini.masked import MASK, STEPS, TOKENS, MaskedGenerator, MaskedTransformer, masked_share
from tools.mini.recipes.transformers import self_corrected


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


def decoded_by(generator: ScaleGenerator | BitwiseGenerator) -> list[Tensor]:
    """What a generator's decoder is given from now on."""
    drawn: list[Tensor] = []
    decode = generator.tokenizer.decoder.forward
    generator.tokenizer.decoder.forward = lambda total: drawn.append(total) or decode(total)  # type: ignore[func-returns-value]
    return drawn


@torch.no_grad()
def test_next_scale_sampling_with_a_cache_follows_the_trained_network() -> None:
    generator = ScaleGenerator(3).double()
    generator.transformer.head.weight.mul_(20)
    classes = torch.tensor([0, 2])
    drawn = decoded_by(generator)
    generator.sample(classes, torch.Generator(), top_k=1)
    tokens = torch.zeros(2, sum(LENGTHS), dtype=torch.int64)
    start = 0
    for length in LENGTHS:
        # greedy tokens of one map after another, by the network as it is trained
        logits = generator.transformer(classes, coarser(generator.tokenizer, tokens))
        tokens[:, start : start + length] = logits[:, start : start + length].argmax(-1)
        start += length
    torch.testing.assert_close(drawn[0], generator.tokenizer.vectors(tokens))


@torch.no_grad()
def test_bitwise_sampling_with_a_cache_follows_the_trained_network() -> None:
    generator = BitwiseGenerator(3).double()
    generator.transformer.head.weight.mul_(20)
    classes = torch.tensor([0, 2])
    drawn = decoded_by(generator)
    # almost no randomness is left at these temperatures
    generator.sample(classes, torch.Generator().manual_seed(0), temperatures=[1e-9] * 6)
    lengths = [side * side for side in generator.tokenizer.scales]
    tokens = torch.zeros(2, sum(lengths), dtype=torch.int64)
    start = 0
    for length in lengths:
        logits = generator.transformer(classes, coarser(generator.tokenizer, tokens))
        assert logits.shape == (2, 413, BITS)
        tokens[:, start : start + length] = generator.tokenizer.codebook.to_indices(
            logits[:, start : start + length] > 0
        )
        start += length
    torch.testing.assert_close(drawn[0], generator.tokenizer.vectors(tokens))


@torch.no_grad()
def test_self_correction_without_mistakes_is_the_tokenizer_itself() -> None:
    tokenizer = BitwiseTokenizer(channels=16).double()
    latents = torch.randn(3, BITS, 16, 16, dtype=torch.float64)
    known = tokenizer.quantize(latents).indices
    inputs, tokens = self_corrected(tokenizer, latents, torch.zeros(3, 1, 1))
    assert torch.equal(tokens, known)
    torch.testing.assert_close(inputs, coarser(tokenizer, known))
    _, mended = self_corrected(tokenizer, latents, torch.tensor([0.0, 0.2, 1.0])[:, None, None])
    changed = (mended != known).double().mean(1)
    assert changed[0] == 0
    # the first map has nothing before it
    assert torch.equal(mended[:, 0], known[:, 0])
    assert 0 < changed[1] < changed[2]


def test_every_pass_masks_fewer_tokens() -> None:
    shares = masked_share(torch.linspace(0, 1, STEPS + 1))
    assert shares[0] == 1
    assert (shares * TOKENS).int().diff().max() < 0
    assert shares[STEPS // 2] == pytest.approx(0.5**0.5)


class Certain(MaskedTransformer):
    """Sure of the same token everywhere, the surer the later the position; remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__(1, width=8, depth=1, heads=1)
        self.seen: list[Tensor] = []

    def forward(self, classes: Tensor, tokens: Tensor) -> Tensor:
        self.seen.append(tokens)
        logits = torch.zeros(len(classes), TOKENS, MASK, dtype=torch.float64)
        logits[:, :, 7] = 100 + torch.arange(TOKENS) * 8 / TOKENS
        logits[:, :, 8] = 100
        return logits


def test_tokens_are_kept_once_they_are_drawn_and_the_surest_ones_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tools.mini.masked.RANDOMNESS", 0.0)
    network = Certain()
    tokens = network.sample(torch.zeros(2, dtype=torch.int64), torch.Generator().manual_seed(0))
    assert set(tokens.unique().tolist()) <= {7, 8}
    known = [shown != MASK for shown in network.seen]
    assert len(known) == STEPS
    assert not known[0].any()
    for earlier, later in pairwise(known):
        assert (later | ~earlier).all()
        assert later.sum() > earlier.sum()
    # likelihoods rise with the position, so the last ones stay first
    assert known[3][0].nonzero().min() > TOKENS // 2


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
@pytest.mark.parametrize(
    "build",
    [RasterGenerator, ScaleGenerator, MaskedGenerator, BitwiseGenerator, ConvolutionalGenerator, UNet],
)
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
