"""Probes on blocks and tokens of backbones, against the libraries' own ways of reading them."""

import open_clip
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch.nn.functional import layer_norm

from baselines.backbones import OpenClipBackbone, TimmBackbone, find_backbone, output_shapes
from baselines.linear_probe import LinearProbe
from registry import EncoderPool, Pipeline, UserError, load_plugins
from registry.tokens import BLOCK_FEATURES, TOKENS
from registry.weights import read_state_dict

CURRENT = {
    "timm/vit_small_patch14_reg4_dinov2.lvd142m": (12, 384, 5),
    "timm/vit_small_patch16_dinov3.lvd1689m": (12, 384, 5),
    "timm/vit_pe_core_tiny_patch16_384.fb": (12, 192, 1),
    "open_clip/ViT-B-16-SigLIP2/webli": (12, 768, 0),
    "open_clip/PE-Core-T-16-384/meta": (12, 192, 1),
}
"""Backbone → blocks, width, and tokens before the patches, as its authors state them."""


@pytest.fixture
def images():
    return torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CURRENT)
def test_current_backbones_have_blocks_and_tokens(name):
    blocks, width, prefix = CURRENT[name]
    shapes = output_shapes(name)
    assert shapes[BLOCK_FEATURES] == (blocks, width)
    patches = shapes[TOKENS][0] - prefix
    assert shapes[TOKENS][1] == width
    assert int(patches**0.5) ** 2 == patches


@pytest.mark.slow  # a network of 632 million parameters, without their values
def test_metaclip_2_has_blocks_and_tokens():
    shapes = output_shapes("open_clip/ViT-H-14-worldwide-quickgelu/metaclip2_worldwide")
    assert shapes == {"feature": (1024,), BLOCK_FEATURES: (32, 1280), TOKENS: (257, 1280)}


def test_a_timm_transformer_is_read_as_timm_reads_it(images):
    encoder = TimmBackbone("test_vit").eval()
    with torch.inference_mode():
        found = encoder(images, encoder.outputs)
        last = encoder.network.forward_features(images)
        layers = encoder.network.get_intermediate_layers(images, n=6, return_prefix_tokens=True, norm=True)
        feature = encoder.network(images)
    torch.testing.assert_close(found["feature"], feature)
    torch.testing.assert_close(found[TOKENS], last)
    torch.testing.assert_close(found[BLOCK_FEATURES], torch.stack([prefix[:, 0] for _, prefix in layers], 1))


def test_an_open_clip_tower_is_read_as_open_clip_reads_it():
    encoder = OpenClipBackbone("ViT-S-32-alt").eval()
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    hidden = []
    for block in encoder.visual.transformer.resblocks:
        block.register_forward_hook(lambda _block, _input, output: hidden.append(output))
    with torch.inference_mode():
        feature = encoder(images)["feature"]
        by_hand, hidden[:] = hidden[:], []
        found = encoder(images, encoder.outputs)
        norm = encoder.visual.ln_post
        normed = [
            layer_norm(each, norm.normalized_shape, norm.weight, norm.bias, norm.eps) for each in by_hand
        ]
    torch.testing.assert_close(found["feature"], feature)
    torch.testing.assert_close(found[TOKENS], normed[-1])
    torch.testing.assert_close(found[BLOCK_FEATURES], torch.stack([each[:, 0] for each in normed], 1))


def test_a_network_without_a_class_token_is_summarised_by_the_mean_of_its_patches(images):
    encoder = TimmBackbone("test_vit").eval()
    encoder.network = VisionTransformer(
        img_size=160, embed_dim=32, depth=2, num_heads=2, num_classes=0, class_token=False, global_pool="avg"
    ).eval()
    with torch.inference_mode():
        found = encoder(images, encoder.outputs)
    assert found[TOKENS].shape == (2, 100, 32)
    torch.testing.assert_close(found[BLOCK_FEATURES][:, -1], found[TOKENS].mean(dim=1))


@pytest.mark.parametrize("name", ["timm/test_resnet", "open_clip/RN50/openai"])
def test_a_convolutional_network_has_tokens_and_no_blocks(name):
    shapes = output_shapes(name)
    assert set(shapes) == {"feature", TOKENS}
    with pytest.raises(UserError, match="has no blocks of one width"):
        LinearProbe(backbone=name, layers=4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pooling": "atention"}, "did you mean 'attention'"),
        ({"pooling": "attention", "layers": 2}, "layers must be 1, got 2"),
        ({"layers": 7}, "layers=7: timm/test_vit has 6 blocks"),
        ({"layers": 0}, "layers=0: timm/test_vit has 6 blocks"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(UserError, match=text):
        LinearProbe(backbone="timm/test_vit", **options)


def test_several_layers_are_read_side_by_side():
    probe = LinearProbe(backbone="timm/test_vit", layers=4)
    features = torch.randn(3, 6, 64)
    expected = sum(features[:, 2 + k] @ probe.fc.weight[0, 64 * k : 64 * (k + 1)] for k in range(4))
    torch.testing.assert_close(probe({"feature": features}), expected + probe.fc.bias)


def test_attention_pooling_is_one_query_over_all_tokens():
    probe = LinearProbe(backbone="timm/test_vit", pooling="attention").eval()
    tokens = torch.randn(2, 101, 64)
    pool = probe.pool
    keys, values = pool.kv(tokens).chunk(2, dim=-1)
    weights = (pool.q(pool.latent) @ keys.transpose(1, 2) / 64**0.5).softmax(dim=-1)
    attended = pool.proj(weights @ values)
    pooled = attended + pool.mlp(pool.norm(attended))
    torch.testing.assert_close(probe({"feature": tokens}), probe.fc(pooled[:, 0]).squeeze(1))


def test_all_poolings_share_one_pass():
    probes = {
        "own": LinearProbe("uniform", "timm/test_vit"),
        "layers": LinearProbe("uniform", "timm/test_vit", layers=3),
        "attention": LinearProbe("uniform", "timm/test_vit", pooling="attention"),
    }
    pool = EncoderPool(load_plugins().encoders, allow_untrained=True)
    pipeline = Pipeline(probes, pool)
    calls = []
    pool.get(probes["own"].feature.encoder).register_forward_hook(lambda *_: calls.append(1))
    scored = pipeline.score([pipeline.prepare(Image.new("RGB", (300, 260), "teal"))])
    assert all(isinstance(logit, float) for logits in scored.values() for logit in logits)
    assert set(scored) == set(probes)
    assert len(calls) == 1


def test_a_trained_probe_comes_back_from_its_file(tmp_path):
    from safetensors.torch import save_file

    probe = LinearProbe(backbone="timm/test_vit", pooling="attention")
    save_file(probe.state_dict(), tmp_path / "probe.safetensors")
    other = LinearProbe(backbone="timm/test_vit", pooling="attention")
    other.load_weights(tmp_path / "probe.safetensors")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in probe.state_dict().items())
    assert set(read_state_dict(tmp_path / "probe.safetensors")) == set(probe.state_dict())


def test_named_models_of_a_backbone_are_known_to_open_clip():
    assert ("ViT-H-14-worldwide-quickgelu", "metaclip2_worldwide") in open_clip.list_pretrained()
    assert find_backbone("open_clip/ViT-H-14-worldwide-quickgelu/metaclip2_worldwide").features == 1024
