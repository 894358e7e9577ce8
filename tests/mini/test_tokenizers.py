"""The tokenizers: codes, bits, grids and codebook learning."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import bernoulli

from benchmarks.mini.bitwise_tokenizer import BITS, BinaryCodebook, BitwiseTokenizer
from benchmarks.mini.masked_tokenizer import MaskedTokenizer
from benchmarks.mini.multiscale import SCALES, MultiScaleTokenizer
from benchmarks.mini.tokenizer import CODES, Codebook, Tokenizer
from tools.mini.recipes.tokenizer import CodebookLearner, bit_entropy


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_nearest_is_the_code_at_the_least_distance() -> None:
    codebook = Codebook(codes=30)
    codebook.vectors.mul_(torch.rand(30, 1) * 3)
    latents = torch.randn(50, 8)
    expected = cdist(latents.numpy(), codebook.vectors.numpy()).argmin(1)
    assert codebook.nearest(latents).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("kind", "tokens", "shape"),
    [
        (Tokenizer, 256, (8, 16, 16)),
        (MultiScaleTokenizer, 341, (8, 16, 16)),
        (MaskedTokenizer, 256, (16, 16, 16)),
        (BitwiseTokenizer, 413, (12, 16, 16)),
    ],
)
def test_tokens_alone_give_what_the_decoder_reads(
    kind: type[Tokenizer], tokens: int, shape: tuple[int, int, int]
) -> None:
    tokenizer = kind(channels=16)
    latents = tokenizer.encode(torch.rand(2, 3, 64, 64) * 2 - 1)
    quantized = tokenizer.quantize(latents)
    assert latents.shape == quantized.vectors.shape == (2, *shape)
    assert quantized.indices.shape == (2, tokens)
    assert quantized.chosen_by.shape == (2, tokens, shape[0])
    assert 0 <= int(quantized.indices.min()) <= int(quantized.indices.max()) < len(tokenizer.codebook.vectors)
    torch.testing.assert_close(tokenizer.vectors(quantized.indices), quantized.vectors)
    assert tokenizer.decode(quantized.indices).shape == (2, 3, 64, 64)


def test_a_binary_code_is_the_nearest_corner_of_the_cube() -> None:
    codebook = BinaryCodebook()
    latents = torch.randn(50, BITS)
    expected = cdist(latents.numpy(), codebook.vectors.numpy()).argmin(1)
    found = codebook.nearest(latents)
    assert found.tolist() == expected.tolist()
    bits = codebook.bits(found)
    # number 5 is 101 in binary: channels 0 and 2
    assert codebook.bits(torch.tensor(5)).nonzero().flatten().tolist() == [0, 2]
    assert torch.equal(codebook.to_indices(bits), found)
    assert torch.equal(codebook.from_bits(bits), codebook(found))
    assert len(codebook.vectors.unique(dim=0)) == 2**BITS
    torch.testing.assert_close(codebook.vectors.norm(dim=1), torch.ones(2**BITS))
    assert not codebook.state_dict(), "nothing of it is learned"


def test_bits_are_best_sure_and_even() -> None:
    sure_and_even = torch.tensor([[[30.0], [-30.0]]])
    torch.testing.assert_close(
        bit_entropy(sure_and_even),
        torch.tensor(bernoulli(0.880797).entropy() - bernoulli(0.5).entropy()).float(),
    )
    always_one = torch.tensor([[[30.0], [30.0]]])
    assert bit_entropy(always_one) == pytest.approx(0.0, abs=1e-6)


def test_first_tokenizer_compares_directions() -> None:
    tokenizer = Tokenizer(channels=16)
    latents = tokenizer.encode(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(latents.norm(dim=1), torch.ones(2, 16, 16))
    torch.testing.assert_close(tokenizer.codebook.vectors.norm(dim=1), torch.ones(CODES))


@torch.no_grad()
def test_finer_maps_leave_less_over() -> None:
    tokenizer = MultiScaleTokenizer(channels=16)
    latents = torch.randn(4, 8, 16, 16) / 4
    for smoother in tokenizer.smoothers:
        torch.nn.init.dirac_(smoother.weight)
        torch.nn.init.zeros_(smoother.bias)
    indices = tokenizer.quantize(latents).indices.split([side * side for side in SCALES], 1)
    last = tokenizer.contribution(len(SCALES) - 1, indices[-1])
    coarser = tokenizer.quantize(latents).vectors - last
    left_over = latents - coarser
    expected = cdist(left_over.movedim(1, -1).reshape(-1, 8), tokenizer.codebook.vectors).argmin(1)
    assert (indices[-1].flatten().numpy() == expected).mean() > 0.999


def test_codes_that_nobody_chooses_are_moved_onto_latents() -> None:
    codebook = Codebook(codes=16)
    codebook.vectors.copy_(-torch.ones(16, 8) / 8**0.5)
    learner = CodebookLearner(codebook, unit=True)
    latents = torch.nn.functional.normalize(torch.rand(4, 64, 8), dim=2)
    for _ in range(200):
        learner.update(codebook, latents, codebook.nearest(latents))
    assert len(codebook.nearest(latents).unique()) > 12
    torch.testing.assert_close(codebook.vectors.norm(dim=1), torch.ones(16))
