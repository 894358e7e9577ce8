"""Another tokenizer takes LlamaGen's place: other stride, codes, input range and grid."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from d3qe_plugin.network import D3QE
from d3qe_plugin.vqvae import VQVAETokenizer
from registry import EncoderPool, Pipeline, load_plugins
from registry.weights import read_state_dict

FILE = "vqvae_f4_512x128.pt"


@pytest.fixture(scope="module")
def tokenizer(shared_weights) -> VQVAETokenizer:
    tokenizer = VQVAETokenizer().eval()
    tokenizer.load_weights(shared_weights / FILE)
    return tokenizer


def _decode(state: dict[str, torch.Tensor], quantized: torch.Tensor) -> torch.Tensor:
    """The published decoder, written out: what the encoder gives is right if a picture comes back."""
    blocks = "decoder._blocks"
    x = F.conv2d(quantized, state[f"{blocks}.conv_1.weight"], state[f"{blocks}.conv_1.bias"], padding=1)
    for block in (0, 1):
        name = f"{blocks}.residual.residual_blocks.residual_{block}._block"
        x = F.relu(x)
        inner = F.relu(F.conv2d(x, state[f"{name}.conv_1.weight"], padding=1))
        x = x + F.conv2d(inner, state[f"{name}.conv_2.weight"])
    for layer in ("conv_t_1", "conv_t_2"):
        weight, bias = (state[f"{blocks}.{layer}.{kind}"] for kind in ("weight", "bias"))
        x = F.conv_transpose2d(F.relu(x), weight, bias, stride=2, padding=1)
    return x


@torch.inference_mode()
def test_published_decoder_restores_the_picture(shared, shared_weights, tokenizer):
    path = sorted((shared / "data" / "photos").iterdir())[0]
    picture = np.asarray(Image.open(path).convert("RGB").resize((128, 128)), np.float32) / 255 - 0.5
    image = torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0)
    quantized = tokenizer(image, ["quantized"])["quantized"]
    restored = _decode(read_state_dict(shared_weights / FILE), quantized)
    assert F.mse_loss(restored, image) < 0.1 * image.var()


def test_d3qe_reads_it(shared, shared_weights):
    """A grid that is not 16×16, 512 codes of 128 channels, and no file for any but the tokenizer."""
    torch.manual_seed(0)
    detector = D3QE(
        tokenizer="vqvae-f4",
        tokenizer_range="minus_half_half",
        codebook_size=512,
        latent_channels=128,
        size=48,
        grid=12,
        width=32,
        heads=4,
        use_clip=False,
        delta_mode="paper",
        delta_form="standardised",
    )
    pool = EncoderPool(load_plugins().encoders, {"vqvae-f4": shared_weights / FILE})
    pipeline = Pipeline({"it": detector}, pool)
    pictures = [
        Image.open(path).convert("RGB") for path in sorted((shared / "data" / "photos").iterdir())[:4]
    ]
    samples = [pipeline.prepare(picture) for picture in pictures]
    before = pipeline.score(samples)["it"]
    assert len(set(before)) == 4
    encoder = pool.get(detector.inputs["indices"].encoder)
    view = detector.inputs["indices"].view
    found = encoder(torch.stack([view.values(sample[view]) for sample in samples]), ["indices"])
    assert found["indices"].shape == (4, 144)
    detector.after_step(found, torch.tensor([0, 1, 0, 1]))
    assert detector.real_codebook_count.sum() == 288
    assert pipeline.score(samples)["it"] != before
