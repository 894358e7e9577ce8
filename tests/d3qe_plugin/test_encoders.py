"""The tokenizer and CLIP encoders: their outputs, and the files they load."""

import zipfile

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial.distance import cdist

from d3qe_plugin.clip import ClipVision
from d3qe_plugin.llamagen import LlamaGenTokenizer
from registry import WeightsError
from registry.tokenizer import Tokenizer, nearest_codes

TOWER = {"image_size": 28, "patch_size": 14, "width": 16, "layers": 3, "heads": 2, "features": 12}
VQ = {"width": 8, "multipliers": (1, 2), "blocks": 1, "groups": 4, "z_channels": 8, "codebook_size": 32}


def _tokenizer(seed: int = 0) -> LlamaGenTokenizer:
    torch.manual_seed(seed)
    return LlamaGenTokenizer(**VQ).eval()


def _clip(seed: int = 0) -> ClipVision:
    torch.manual_seed(seed)
    return ClipVision(**TOWER).eval()


def test_nearest_codes_agree_with_scipy():
    rng = np.random.RandomState(0)
    vectors, codes = rng.standard_normal((9000, 3)), rng.standard_normal((50, 3))
    expected = cdist(vectors, codes).argmin(axis=1)
    assert torch.equal(
        nearest_codes(torch.from_numpy(vectors), torch.from_numpy(codes)), torch.from_numpy(expected)
    )


def test_tokenizer_outputs_fit_together():
    images = torch.rand(2, 3, 12, 20)
    found = _tokenizer()(images, Tokenizer.outputs)
    assert found["latent"].shape == (2, 8, 6, 10)
    assert found["indices"].shape == (2, 60)
    codes = torch.nn.functional.normalize(_tokenizer().codebook, dim=1)
    by_position = found["quantized"].flatten(2).transpose(1, 2)
    assert torch.equal(by_position, codes[found["indices"]])
    torch.testing.assert_close(found["normalized_latent"].norm(dim=1), torch.ones(2, 6, 10))
    assert torch.equal(found["quantization_error"], found["quantized"] - found["normalized_latent"])


def test_only_what_is_asked_for_is_returned():
    assert list(_tokenizer()(torch.rand(1, 3, 8, 8), ["indices"])) == ["indices"]
    assert list(_clip()(torch.rand(1, 3, 28, 28), ["feature"])) == ["feature"]


def test_large_batches_are_encoded_in_parts():
    """A full-size batch must not hold 128 channels at all of its pixels at once."""
    torch.manual_seed(0)
    # of a stride that leaves few positions to attend over
    tokenizer = LlamaGenTokenizer(**{**VQ, "multipliers": (1,) * 7}).eval()
    seen = []
    tokenizer.encoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].shape[0]))
    images = torch.rand(5, 3, 256, 512)
    together = tokenizer(images, ["latent"])["latent"]
    assert seen == [2, 2, 1]
    torch.testing.assert_close(together[4], tokenizer(images[4:], ["latent"])["latent"][0])


def test_codes_do_not_depend_on_autocast_of_the_search():
    latent = torch.randn(2, 8, 4, 4)
    tokenizer = _tokenizer()
    tokenizer.encode = lambda images: latent
    plain = tokenizer(latent, ["indices"])["indices"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(tokenizer(latent, ["indices"])["indices"], plain)


def test_published_tokenizer_file_loads(tmp_path):
    """The usage counter is in the file and not in the network."""
    source = _tokenizer(seed=1)
    extra = {"quantize.codebook_used": torch.zeros(65536)}
    torch.save({"model": {**source.state_dict(), **extra}}, tmp_path / "vq.pt")
    tokenizer = _tokenizer()
    tokenizer.load_weights(tmp_path / "vq.pt")
    images = torch.rand(1, 3, 16, 16)
    assert torch.equal(tokenizer(images)["latent"], source(images)["latent"])


def test_tokenizer_refuses_a_file_without_an_encoder(tmp_path):
    torch.save({"model": {"decoder.conv_in.weight": torch.zeros(4)}}, tmp_path / "vq.pt")
    with pytest.raises(WeightsError, match=r"missing: encoder\.conv_in"):
        _tokenizer().load_weights(tmp_path / "vq.pt")


def test_block_tokens_are_the_class_token_after_the_second_norm():
    encoder = _clip()
    images = torch.rand(2, 3, 28, 28)
    found = encoder(images, ["feature", "block_tokens"])
    assert found["block_tokens"].shape == (2, 3, 16)
    assert torch.equal(found["feature"], encoder(images, ["feature"])["feature"])
    block = encoder.visual.transformer.resblocks[0]
    tokens = encoder.visual._embeds(images)
    tokens = tokens + block.attention(block.ln_1(tokens))
    torch.testing.assert_close(found["block_tokens"][:, 0], block.ln_2(tokens)[:, 0])
    assert not block.ln_2._forward_hooks


def _whole_model() -> open_clip.CLIP:
    torch.manual_seed(5)
    tower = {"image_size": 28, "patch_size": 14, "width": 16, "layers": 3, "head_width": 8}
    text = {"context_length": 4, "vocab_size": 10, "width": 12, "heads": 2, "layers": 1}
    return open_clip.CLIP(12, vision_cfg=tower, text_cfg=text, quick_gelu=True).eval()


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("whole", [True, False])
def test_open_clip_files_load(tmp_path, suffix, whole):
    model = _whole_model()
    source = model if whole else model.visual
    state = {name: value.clone() for name, value in source.state_dict().items()}
    path = tmp_path / f"open_clip.{suffix}"
    if suffix == "pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    encoder = _clip()
    encoder.load_weights(path)
    images = torch.rand(2, 3, 28, 28)
    torch.testing.assert_close(encoder(images, ["feature"])["feature"], model.encode_image(images))


def test_torchscript_archive_is_refused_with_the_file_to_use(tmp_path):
    with zipfile.ZipFile(tmp_path / "ViT-L-14.pt", "w") as archive:
        for member in ("code/__torch__.py", "constants.pkl", "data.pkl"):
            archive.writestr(f"ViT-L-14/{member}", b"")
    with pytest.raises(WeightsError, match=r"holds code: use .*open_clip_model\.safetensors"):
        _clip().load_weights(tmp_path / "ViT-L-14.pt")
