"""D³QE's variants: more tokenizers, EncLoss beside the quantisation error, another encoder in CLIP's place."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
import torch

from baselines.backbones import find_backbone
from baselines.iar import enc_loss
from benchmarks.training.trainer import read_training, train
from d3qe_plugin.network import D3QE
from d3qe_plugin.vqvae import VQVAETokenizer
from registry import EncoderPool, Feature, UserError, WeightsError, load_plugins
from registry.inputs import encoder_outputs
from tests.conftest import ROOT
from tests.d3qe_plugin.small import CHANNELS, GRID, small_d3qe, small_inputs

FURTHER = [{"tokenizer": "var-vq16", "latent_channels": 3}]
VARIANTS = {
    "enc_loss": {"enc_loss": True},
    "two tokenizers": {"further_tokenizers": FURTHER},
    "both": {"enc_loss": True, "further_tokenizers": FURTHER},
    "both, codes": {"enc_loss": True, "further_tokenizers": FURTHER, "token_features": "codes"},
}


def inputs_of(detector: D3QE) -> dict[str, torch.Tensor]:
    """Random inputs of a small network with further maps."""
    generator = torch.Generator().manual_seed(1)
    further = {
        name: torch.randn(4, channels, *GRID, generator=generator)
        for name, channels in detector.options.further_maps().items()
    }
    return {name: {**small_inputs(), **further}[name] for name in detector.inputs}


def counted(detector: D3QE) -> D3QE:
    """With code counts, so that ΔD is not 0."""
    detector.after_step(inputs_of(detector), torch.tensor([0, 0, 1, 1]))
    return detector


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_learns_and_every_map_moves_the_logits(name):
    detector = counted(small_d3qe(delta_mode="paper", delta_form="times_codes", **VARIANTS[name]))
    given = inputs_of(detector)
    logits = detector(given)
    assert logits.shape == (4,)
    for changed in detector.options.further_maps():
        assert (detector({**given, changed: given[changed].flip(0)}) != logits).any(), changed
    detector.train()(given).square().sum().backward()
    silent = [n for n, p in detector.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_inputs_share_the_encoders_passes():
    """EncLoss of a tokenizer that is fed its own range costs a decoder, not a second pass."""
    one_range = small_d3qe(tokenizer_range="minus_one_one", **VARIANTS["both"])
    reads = {name: source for name, source in one_range.inputs.items() if name != "clip"}
    assert [source.output for source in reads.values()] == [
        "indices", "quantization_error", "enc_loss", "quantization_error", "enc_loss",
    ]  # fmt: skip
    assert len({(source.encoder, source.view) for source in reads.values()}) == 2
    published = small_d3qe(enc_loss=True).inputs
    assert published["tokens"].view.mean is None
    assert published["enc_loss"].view.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", VARIANTS)
def test_checkpoint_keeps_everything(tmp_path, name):
    source = counted(small_d3qe(seed=1, **VARIANTS[name]))
    source.save_weights(tmp_path / "best.safetensors")
    detector = small_d3qe(seed=2, **VARIANTS[name])
    detector.load_weights(tmp_path / "best.safetensors")
    assert torch.equal(detector(inputs_of(detector)), source(inputs_of(source)))
    with pytest.raises(WeightsError, match=r"with the option (enc_loss|further_tokenizers)="):
        small_d3qe(token_features=source.options.token_features).load_weights(tmp_path / "best.safetensors")


def test_a_file_from_before_the_variants_loads(tmp_path):
    """Its note lacks their options: it is the published network."""

    small_d3qe(seed=1).save_weights(tmp_path / "best.safetensors")
    note = json.loads((tmp_path / "best.json").read_text())
    for option in ("enc_loss", "enc_loss_range", "further_tokenizers", "clip_range"):
        del note["options"][option]
    (tmp_path / "best.json").write_text(json.dumps(note))
    small_d3qe(seed=2).load_weights(tmp_path / "best.safetensors")
    with pytest.raises(WeightsError, match=r"missing.*further_stems"):
        small_d3qe(enc_loss=True).load_weights(tmp_path / "best.safetensors")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"further_tokenizers": FURTHER[0]}, "takes a list of mappings"),
        ({"further_tokenizers": ["var-vq16"]}, r"takes mappings such as .*got 'var-vq16'"),
        ({"further_tokenizers": [{"tokenizer": "var-vq16"}]}, "lacks latent_channels"),
        ({"further_tokenizers": [{"tokenizr": "var-vq16"}]}, "did you mean 'tokenizer'"),
        ({"further_tokenizers": [{**FURTHER[0], "tokenizer_range": "one"}]}, "tokenizer_range 'one' is not"),
        ({"further_tokenizers": 2 * FURTHER}, "'var-vq16', which is read already"),
        ({"further_tokenizers": [{"tokenizer": "llamagen-vq16", "latent_channels": 8}]}, "read already"),
        ({"enc_loss": True, "use_tokenizer": False}, "branch that use_tokenizer turns off"),
        ({"enc_loss_range": "minus_one"}, "did you mean 'minus_one_one'"),
        ({"clip_range": "imagnet"}, "did you mean 'imagenet'"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(UserError, match=text):
        D3QE(**options)


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        ("tokens_2", (4, 5, *GRID), "var-vq16 gives 5 × 3 × 5 per picture as tokens_2.*say 3 × 3 × 5"),
        ("tokens_2", (4, 3, 12, 20), "gives 3 × 12 × 20 .* set latent_channels, grid or size"),
        ("tokens", (4, 9, *GRID), f"llamagen-vq16 gives 9 × 3 × 5 .* say {CHANNELS} × 3 × 5"),
        ("clip", (4, 7), "clip-vit-l-14/openai gives 7 per picture as clip.* set clip_features"),
    ],
)
def test_an_encoder_of_another_shape_is_named(name, shape, text):
    detector = small_d3qe(**VARIANTS["two tokenizers"])
    with pytest.raises(UserError, match=text):
        detector({**inputs_of(detector), name: torch.zeros(shape)})


def test_enc_loss_of_each_patch_is_iars():
    """A patch of the map is EncLoss as `iar` computes it, of pictures that are that patch."""
    torch.manual_seed(0)
    tokenizer = VQVAETokenizer(16, 8, 1, 32).eval()
    pictures = torch.rand(2, 3, 16, 24) - 0.5
    with torch.no_grad():
        found = tokenizer(pictures, ["enc_loss", "continuous_reconstruction", "second_reconstruction"])
        assert torch.equal(tokenizer(pictures + 0, ["enc_loss"])["enc_loss"], found["enc_loss"])
    assert found["enc_loss"].shape == (2, 1, 4, 6)
    for row, column in np.ndindex(4, 6):
        patch = (..., slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        each = (pictures, found["continuous_reconstruction"], found["second_reconstruction"])
        expected = enc_loss(*(one[patch] for one in each)).log()
        assert torch.allclose(found["enc_loss"][:, 0, row, column], expected, atol=1e-5)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks/configs/variants").glob("*.yaml")), ids=lambda path: path.stem
)
@torch.no_grad()
def test_full_size_configurations_fit_the_encoders_they_name(path, monkeypatch):
    """Built and run at full size without weights or memory: every shape is what the options say."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # knows no meta device

    settings, catalogs = read_training(path), load_plugins()
    with torch.device("meta"):
        detector = catalogs.detectors.create(settings.detector.name, **settings.detector.options).eval()
    given = {}
    for (encoder, view), outputs in encoder_outputs(detector.inputs.values()).items():
        with torch.device("meta"):
            network = catalogs.encoders.create(encoder.name, **dict(encoder.options)).eval()
        found = network(torch.empty(2, 3, view.crop, view.crop, device="meta"), outputs)
        for output in outputs:
            of = Feature(encoder, view, output)
            given[of] = torch.empty(found[output].shape, dtype=found[output].dtype, device="meta")
    assert detector({name: given[of] for name, of in detector.inputs.items()}).shape == (2,)


def test_the_image_encoders_get_the_pictures_they_were_trained_on():

    for name in ("dinov3", "perception_encoder"):
        options = read_training(ROOT / f"benchmarks/configs/variants/{name}.yaml").detector.options
        source = D3QE(width=16, heads=2, **options).inputs["clip"]
        known = find_backbone(f"timm/{options['clip_options']['model']}")
        assert (source.encoder, source.view.mean, source.view.std) == (known.encoder, known.mean, known.std)
        assert options["clip_features"] == known.features


def test_mini_variants_train_on_one_feature_store(tmp_path, monkeypatch):
    """One step each by the configurations that ship; no encoder runs for what an earlier training has read."""
    ran: set[str] = set()
    compute = EncoderPool.compute

    def noted(self, spec, images, outputs):
        ran.add(spec.name)
        return compute(self, spec, images, outputs)

    monkeypatch.setattr(EncoderPool, "compute", noted)
    small = {"limit": 4, "epochs": 1, "batch_size": 8, "device": "cpu", "features": tmp_path / "features"}
    for name, runs in (
        ("two_tokenizers", {"mini-vq4", "mini-msvq4", "mini-image-encoder"}),
        ("enc_loss", {"mini-vq4"}),
        ("two_tokenizers_enc_loss", {"mini-msvq4"}),
    ):
        ran.clear()
        settings = read_training(
            ROOT / f"benchmarks/configs/variants/mini/{name}.yaml", {**small, "out": tmp_path / name}
        )
        train(settings)
        assert (settings.out / "best.safetensors").is_file()
        assert ran == runs, name


def test_a_variant_adds_stems_and_nothing_else():
    base, variant = small_d3qe().state_dict(), small_d3qe(**VARIANTS["both"]).state_dict()
    assert base.keys() <= variant.keys()
    added = {tuple(name.split(".")[:2]) for name in variant.keys() - base.keys()}
    assert added == {("further_stems", name) for name in ("enc_loss", "tokens_2", "enc_loss_2")}
