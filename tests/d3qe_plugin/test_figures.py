"""D³QE's figures: the numbers in them against plain computations, and files that can be read."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.stats import entropy

from benchmarks.drawing import choose_figures, draw_figures, shown_batches
from d3qe_plugin.figures import attention, code_usage, delta_map, delta_sensitivity, picture_maps
from d3qe_plugin.figures.common import some_of_each
from registry import EncoderPool, Subject, UserError, load_plugins
from registry.encoder import seeded_init
from tests.contracts.test_detectors import CATALOGS, TOY
from tests.training.toy import write_pictures

NAMES = ["code_usage", "delta_map", "picture_maps", "attention", "delta_sensitivity"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("figures") / "set", 5)


def make_subject(pictures, counted: bool = True, **options) -> Subject:
    with seeded_init("d3qe", 0):
        detector = CATALOGS.detectors.create("d3qe", **{**TOY["d3qe"], "delta_mode": "paper", **options})
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True)
    if counted and detector.options.use_tokenizer:
        for batch in shown_batches(detector, pool, [pictures], 4):
            detector.after_step(batch.inputs, batch.labels)
    return Subject(detector.eval(), "toy d3qe", lambda: shown_batches(detector, pool, [pictures], 4))


@pytest.fixture(scope="module")
def subject(pictures) -> Subject:
    return make_subject(pictures)


def test_code_usage_counts_what_numpy_counts(subject):
    numbers = code_usage.draw(subject).numbers
    indices = torch.cat([batch.inputs["indices"] for batch in subject.batches()])
    labels = torch.cat([batch.labels for batch in subject.batches()])
    for label, name in enumerate(("real", "generated")):
        counts = np.bincount(indices[labels == label].flatten(), minlength=32)
        assert numbers[name]["pictures"] == 5
        assert numbers[name]["codes_used"] == (counts > 0).sum()
        assert numbers[name]["perplexity"] == pytest.approx(np.exp(entropy(counts)))
        assert numbers[name]["share_of_top_percent"] == pytest.approx(counts.max() / counts.sum())
    assert numbers["positions_per_picture"] == 64


def test_delta_map_shows_the_difference_of_frequencies(subject):
    drawing = delta_map.draw(subject)
    detector = subject.detector
    real, fake = detector.real_codebook_count.numpy(), detector.fake_codebook_count.numpy()
    expected = real / real.sum() - fake / fake.sum()
    shown = drawing.figure.axes[0].images[0].get_array()
    assert np.allclose(np.ma.filled(shown, np.nan).ravel()[:32], expected, atol=1e-6)
    assert drawing.numbers["total_variation_distance"] == pytest.approx(np.abs(expected).sum() / 2, rel=1e-5)


def test_picture_maps_show_each_positions_code(subject):
    numbers = picture_maps.draw(subject).numbers
    shown = some_of_each(subject)
    assert shown.labels.tolist() == numbers["labels"] == [0, 0, 0, 1, 1, 1]
    lengths = shown.inputs["tokens"].norm(dim=1).mean((1, 2))
    assert numbers["mean_quantization_error"] == pytest.approx(lengths.tolist(), rel=1e-5)


def test_attention_is_that_of_the_forward_pass(subject):
    shown = some_of_each(subject)
    detector = subject.detector
    received = attention.received_attention(detector, shown.inputs)
    assert received.shape == (6, 2, 8, 8)
    assert torch.allclose(received.mean((2, 3)), torch.ones(6, 2), atol=1e-5)
    kept = []
    layers = detector.feature_processor[3].layers
    hooks = [
        layer.dropout.register_forward_hook(lambda _m, inputs, _o: kept.append(inputs[0])) for layer in layers
    ]
    detector(shown.inputs)
    for hook in hooks:
        hook.remove()
    weights = [tensor for tensor in kept if tensor.dim() == 4]
    for block, tensor in enumerate(weights):
        assert torch.allclose(tensor.mean((1, 2)) * 64, received[:, block].flatten(1), atol=1e-5)


def test_sensitivity_is_zero_for_a_network_that_ignores_delta(pictures):
    subject = make_subject(pictures)
    for layer in subject.detector.feature_processor[3].layers:
        torch.nn.init.zeros_(layer.freq_scale)
    numbers = delta_sensitivity.draw(subject).numbers
    assert [numbers[change]["max"] for change in delta_sensitivity.CHANGES] == [0, 0, 0]


@torch.no_grad()
def test_sensitivity_measures_the_movement_of_logits(subject):
    numbers = delta_sensitivity.draw(subject).numbers
    detector = subject.detector
    before = torch.cat([detector(batch.inputs) for batch in subject.batches()])
    detector.real_codebook_count, saved = torch.zeros(32), detector.real_codebook_count
    detector.fake_codebook_count, also_saved = torch.zeros(32), detector.fake_codebook_count
    after = torch.cat([detector(batch.inputs) for batch in subject.batches()])
    detector.real_codebook_count, detector.fake_codebook_count = saved, also_saved
    assert numbers["off"]["mean"] == pytest.approx(float((after - before).abs().mean()), rel=1e-3)
    assert numbers["off"]["mean"] > 0
    assert numbers["pictures"] == 10


def test_pictures_are_shown_in_their_sets_own_view(subject, pictures):
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True)
    plain = next(shown_batches(subject.detector, pool, [pictures], 2))
    inverted = next(shown_batches(subject.detector, pool, [replace(pictures, prepare=ImageOps.invert)], 2))
    for before, after in zip(plain.pictures, inverted.pictures, strict=True):
        assert np.array_equal(np.asarray(after), 255 - np.asarray(before))
    assert not torch.equal(plain.inputs["indices"], inverted.inputs["indices"])


def test_every_figure_is_written_readable_and_repeatable(subject, pictures, tmp_path):
    catalogs = load_plugins()
    names = choose_figures(catalogs, "d3qe", [])
    assert names == NAMES
    pool = EncoderPool(catalogs.encoders, allow_untrained=True)
    for folder in ("a", "b"):
        draw_figures(catalogs, names, subject.detector, "toy d3qe", pool, [pictures], tmp_path / folder)
    for name in names:
        png, svg, numbers = (tmp_path / "a" / f"{name}.{kind}" for kind in ("png", "svg", "json"))
        with Image.open(png) as image:
            assert min(image.size) > 400
            assert len(image.convert("RGB").getcolors(1 << 24)) > 20
        text = " ".join(ET.parse(svg).getroot().itertext())
        assert "picture" in text or "positions" in text
        content = json.loads(numbers.read_text())
        with open(numbers.with_suffix(".csv"), newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert {row["number"].partition(".")[0] for row in rows} == set(content)
        for row in rows:
            found = content
            for part in row["number"].split("."):
                found = found[int(part)] if isinstance(found, list) else found[part]
            assert row["value"] == str(found)
        assert svg.read_bytes() == (tmp_path / "b" / svg.name).read_bytes()


@pytest.mark.parametrize(
    ("draw", "options", "message"),
    [
        (delta_map.draw, {"counted": False}, "hold no code counts"),
        (delta_sensitivity.draw, {"attention": "plain"}, "plain transformer"),
        (picture_maps.draw, {"token_features": "codes"}, "reads the codes"),
        (code_usage.draw, {"use_tokenizer": False}, "no tokenizer branch"),
    ],
)
def test_what_cannot_be_drawn_is_said(pictures, draw, options, message):
    with pytest.raises(UserError, match=message):
        draw(make_subject(pictures, **options))


def test_figures_are_chosen_by_detector():
    catalogs = load_plugins()
    with pytest.raises(UserError, match="unknown figure 'delta_mop', did you mean 'delta_map'"):
        choose_figures(catalogs, "d3qe", ["delta_mop"])
    with pytest.raises(UserError, match="is of d3qe, d3qe_mini, not of 'univfd'"):
        choose_figures(catalogs, "univfd", ["delta_map"])
    with pytest.raises(UserError, match="no figures are registered for detector 'univfd'"):
        choose_figures(catalogs, "univfd", [])
