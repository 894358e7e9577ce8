"""The network has the released checkpoint's parameters, and its options do what they say."""

import pytest
import torch

from d3qe_plugin.network import D3QE, WARM_UP
from registry import UserError
from tests.d3qe_plugin.small import CODES, small_d3qe, small_inputs
from tests.parity.filling import golden_names


@pytest.fixture(scope="module")
def released() -> D3QE:
    with torch.device("meta"):
        return D3QE()


def test_state_is_the_released_layout(released):
    shapes = {name: tuple(value.shape) for name, value in released.state_dict().items()}
    assert shapes.pop("update_count") == ()
    assert shapes == golden_names("d3qe", ignore=("vq_model.", "clip_model."))


def test_trainable_parameters_are_the_published_number(released):
    assert sum(value.numel() for value in released.parameters()) == 7_680_003


def _train(detector: D3QE, updates: int) -> None:
    inputs = small_inputs()
    for _ in range(updates):
        detector.after_step(inputs, torch.tensor([0, 0, 1, 1]))


def test_released_mode_uses_delta_from_the_200th_update():
    detector = small_d3qe(delta_mode="released")
    _train(detector, WARM_UP - 1)
    assert not detector.delta().any()
    _train(detector, 1)
    assert detector.delta().any()


def test_paper_mode_always_uses_delta_and_off_never():
    for mode, used in (("paper", True), ("off", False)):
        detector = small_d3qe(delta_mode=mode)
        _train(detector, 1)
        assert bool(detector.delta().any()) is used


def test_delta_moves_the_logits_only_where_attention_reads_it():
    inputs = small_inputs()
    for attention, moved in (("d3at", True), ("plain", False)):
        detector = small_d3qe(delta_mode="paper", delta_form="standardised", attention=attention)
        before = detector(inputs)
        _train(detector, 1)
        assert bool((detector(inputs) != before).any()) is moved


def test_every_parameter_learns():
    detector = small_d3qe(delta_mode="paper", delta_form="times_codes").train()
    _train(detector, 1)
    detector(small_inputs()).square().sum().backward()
    silent = [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@pytest.mark.parametrize(
    ("options", "reads"),
    [
        ({}, ["indices", "tokens", "clip"]),
        ({"token_features": "codes"}, ["indices", "clip"]),
        ({"token_features": "latent", "attention": "plain"}, ["indices", "tokens", "clip"]),
        ({"token_features": "quantized"}, ["indices", "tokens", "clip"]),
        ({"use_clip": False}, ["indices", "tokens"]),
        ({"use_tokenizer": False}, ["clip"]),
    ],
)
def test_ablations_score(options, reads):
    detector = small_d3qe(**options)
    assert list(detector.inputs) == reads
    given = {name: value for name, value in small_inputs().items() if name in reads}
    logits = detector(given)
    assert logits.shape == (4,)
    assert len(logits.unique()) == 4
    detector.after_step(given, torch.tensor([0, 1, 0, 1]))


def test_token_features_name_the_encoder_output():
    outputs = {
        kind: small_d3qe(token_features=kind).inputs["tokens"].output
        for kind in ("quantization_error", "latent", "quantized")
    }
    assert outputs == {
        "quantization_error": "quantization_error",
        "latent": "normalized_latent",
        "quantized": "quantized",
    }


def test_tokenizer_range():
    assert small_d3qe().inputs["tokens"].view.mean is None
    view = small_d3qe(tokenizer_range="minus_one_one").inputs["tokens"].view
    assert (view.mean, view.std) == ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize("width", [128, 256, 1024])
def test_published_widths_build(width):
    with torch.device("meta"):
        assert D3QE(width=width).fc[1].in_features == 2 * min(256, width)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"width": 100, "heads": 8}, "width 100 cannot be divided among 8 heads"),
        ({"delta_mode": "relased"}, "did you mean 'released'"),
        ({"atention": "plain"}, "did you mean 'attention'"),
        ({"use_clip": False, "use_tokenizer": False}, "nothing to read"),
        ({"protocol": "uniforn"}, "did you mean 'uniform'"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(UserError, match=text):
        D3QE(**options)


def test_counts_go_to_the_label():
    detector = small_d3qe()
    inputs = small_inputs(batch=2)
    detector.after_step(inputs, torch.tensor([1, 0]))
    real = torch.bincount(inputs["indices"][1], minlength=CODES).float()
    fake = torch.bincount(inputs["indices"][0], minlength=CODES).float()
    assert torch.equal(detector.real_codebook_count, real)
    assert torch.equal(detector.fake_codebook_count, fake)
    assert detector.update_count == 1


def test_another_grid_than_the_tokenizers_is_refused():
    with pytest.raises(UserError, match="gives 15 positions per picture, the option grid has 4 × 4"):
        small_d3qe(grid=4)(small_inputs())
