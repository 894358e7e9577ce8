"""Backbones by name, and the files they load."""

import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file

from baselines.backbones import OpenClipBackbone, TimmBackbone, find_backbone
from baselines.linear_probe import LinearProbe
from baselines.univfd import UnivFD
from benchmarks.config import DetectorSettings, SessionSettings
from benchmarks.loading import open_session
from registry import EncoderPool, Pipeline, UserError, load_plugins
from registry.weights import sha256


def test_timm_backbone_is_described_as_timm_does():
    found = find_backbone("timm/vit_base_patch14_dinov2.lvd142m")
    config = timm.get_pretrained_cfg("vit_base_patch14_dinov2.lvd142m")
    assert (found.size, found.mean, found.std, found.features) == (518, config.mean, config.std, 768)


def test_open_clip_backbone_is_described_as_open_clip_does():
    found = find_backbone("open_clip/ViT-B-16-SigLIP/webli")
    assert (found.size, found.mean, found.std, found.features) == (224, (0.5,) * 3, (0.5,) * 3, 768)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tim/test_vit", "did you mean 'timm'"),
        ("timm/test_vitt", "did you mean 'test_vit"),
        ("timm/test_vit.nonsense", "nonsense"),
        ("open_clip/ViT-L-14-quickgel/openai", "did you mean 'ViT-L-14-quickgelu'"),
        ("open_clip/ViT-L-14-quickgelu/opena", "did you mean 'openai'"),
        ("open_clip/ViT-L-14-quickgelu", "pretrained tag"),
    ],
)
def test_unknown_names_are_refused(name, text):
    with pytest.raises(UserError, match=text):
        find_backbone(name)


def test_timm_file_loads_without_its_classifier(tmp_path):
    source = timm.create_model("test_vit", num_classes=7).eval()
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    encoder = TimmBackbone("test_vit").eval()
    encoder.load_weights(tmp_path / "model.safetensors")
    images = torch.randn(1, 3, 160, 160)
    expected = source.forward_head(source.forward_features(images), pre_logits=True)
    torch.testing.assert_close(encoder(images)["feature"], expected)


def test_open_clip_file_loads_without_its_text_tower(tmp_path):
    model = open_clip.create_model("ViT-S-32-alt", load_weights=False).eval()
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    encoder = OpenClipBackbone("ViT-S-32-alt").eval()
    encoder.load_weights(tmp_path / "open_clip_model.safetensors")
    images = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(encoder(images)["feature"], model.encode_image(images))


def test_probes_on_two_backbones_share_a_run():
    probes = {
        "vit": LinearProbe(backbone="timm/test_vit"),
        "resnet": LinearProbe(protocol="uniform", backbone="timm/test_resnet"),
    }
    pipeline = Pipeline(probes, EncoderPool(load_plugins().encoders, allow_untrained=True))
    sides = [(view.resize, view.crop) for view in pipeline.views()]
    assert sides == [(160, 160), (256, 224)]


def test_each_backbone_of_a_library_has_a_file_of_its_own(tmp_path):
    catalogs = load_plugins()
    files = {}
    for model in ("test_vit", "test_resnet"):
        files[model] = tmp_path / f"{model}.safetensors"
        save_file(timm.create_model(model).state_dict(), files[model])
    wanted = [
        DetectorSettings(name="linear_probe", label=model, options={"backbone": f"timm/{model}"})
        for model in files
    ]
    given = {f"timm/{model}": path for model, path in files.items()}
    settings = SessionSettings(detectors=wanted, weights=given, allow_untrained=True)
    session = open_session(settings, catalogs=catalogs)
    assert {label: record["untrained_parts"] for label, record in session.records.items()} == {
        label: ["linear_probe"] for label in files
    }
    for model, path in files.items():
        assert session.records[model]["encoders"] == {f"timm/{model}": sha256(path)}
    wrong = settings.model_copy(update={"weights": {"timm/test_vit2": path}})
    with pytest.raises(UserError, match="variant of an encoder in --weights 'timm/test_vit2', did you mean"):
        open_session(wrong, catalogs=catalogs)


def test_the_tag_and_its_activation_are_part_of_an_open_clip_network():
    one, other = (
        find_backbone(f"open_clip/ViT-B-32/{tag}").encoder for tag in ("openai", "laion2b_s34b_b79k")
    )
    assert one != other
    assert (one.variant, other.variant) == (
        "open_clip/ViT-B-32/openai",
        "open_clip/ViT-B-32/laion2b_s34b_b79k",
    )
    activations = [
        type(OpenClipBackbone(**dict(spec.options)).visual.transformer.resblocks[0].mlp.gelu).__name__
        for spec in (one, other)
    ]
    assert activations == ["QuickGELU", "GELU"], "what OpenAI's tag says wins over the model's name"


@pytest.mark.parametrize("name", ["ViT-L-14-quickgelu/openai", "ViT-L-14/openai"])
def test_one_network_has_one_name(name):
    probe = LinearProbe(backbone=f"open_clip/{name}")
    assert probe.feature.encoder == UnivFD().inputs["feature"].encoder


@pytest.mark.parametrize(
    ("kind", "variant", "source", "file"),
    [
        (OpenClipBackbone, "ViT-B-32/laion2b_s34b_b79k", "hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_model.safetensors"),
        (OpenClipBackbone, "ViT-B-32/openai", "hf:timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"),
        (TimmBackbone, "vit_base_patch14_dinov2.lvd142m", "hf:timm/vit_base_patch14_dinov2.lvd142m", "model.safetensors"),
    ],
)  # fmt: skip
def test_the_libraries_say_where_their_weights_are(kind, variant, source, file):
    published = kind.published_weights(**kind.variant_options(variant))
    assert (published[0].source, published[0].file) == (source, file)


def test_backbone_resizes_what_is_not_its_size():
    encoder = TimmBackbone("test_vit").eval()
    images = torch.rand(1, 3, 224, 224)
    reduced = torch.nn.functional.interpolate(images, (160, 160), mode="bicubic", antialias=True)
    assert torch.equal(encoder(images)["feature"], encoder(reduced)["feature"])


def test_the_two_names_of_a_clip_tower_are_one_network():
    from d3qe_plugin.clip import ClipVision

    backbone = OpenClipBackbone("ViT-B-32", "openai").eval()
    clip = ClipVision(patch_size=32, width=768, layers=12, heads=12, features=512).eval()
    clip.visual.load_state_dict(backbone.visual.state_dict())
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = clip(images, clip.outputs), backbone(images, backbone.outputs)
        separate = clip(images, {"block_tokens"})
    for output in backbone.outputs:
        torch.testing.assert_close(one[output], other[output])
    torch.testing.assert_close(one["block_tokens"], separate["block_tokens"])


def test_a_probe_and_univfd_share_a_pass_under_one_protocol():
    probe, head = LinearProbe("uniform"), UnivFD("uniform")
    assert probe.inputs["feature"] == head.inputs["feature"]
