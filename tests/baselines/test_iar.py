"""IAR's scores: shared passes, other tokenizers, and the published behaviour on the mini sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.iar import IAR
from d3qe_plugin.network import D3QE
from d3qe_plugin.vqvae import VQVAETokenizer
from registry import EncoderPool, Pipeline, UserError, load_plugins

CATALOGS = load_plugins()
TOKENIZER = {
    "width": 8,
    "multipliers": (1, 2),
    "blocks": 1,
    "groups": 4,
    "z_channels": 8,
    "codebook_size": 32,
}


def _picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (40, 48, 3), np.uint8))


def test_one_pass_serves_d3qe_and_every_score() -> None:
    options = {"tokenizer_options": TOKENIZER, "size": 32}
    detectors = {score: IAR(score=score, **options) for score in ("enc", "quant", "combined")}
    d3qe = D3QE(
        tokenizer_range="minus_one_one",
        codebook_size=32,
        grid=16,
        width=8,
        heads=1,
        use_clip=False,
        **options,
    )
    pool = EncoderPool(CATALOGS.encoders, allow_untrained=True)
    pipeline = Pipeline({**detectors, "d3qe": d3qe}, pool)
    encoder = pool.get(d3qe.inputs["indices"].encoder)
    passes = {"encoder": 0, "decoder": 0}
    for name in passes:
        encoder.get_submodule(name).register_forward_hook(
            lambda *_, name=name: passes.update({name: passes[name] + 1})
        )
    scores = pipeline.score([pipeline.prepare(_picture(0))])
    # the picture and its reconstruction are encoded; the latents of both decoded
    assert passes == {"encoder": 2, "decoder": 2}
    assert scores["combined"][0] == pytest.approx(scores["enc"][0] + scores["quant"][0], abs=1e-5)
    Pipeline({"d3qe": d3qe}, pool).score([pipeline.prepare(_picture(0))])
    assert passes == {"encoder": 3, "decoder": 2}


def test_a_published_tokenizer_of_another_kind(shared: Path, shared_weights: Path) -> None:
    """Its own reconstructions look more like its own than the photographs that they are of."""
    weights = shared_weights / "vqvae_f4_512x128.pt"
    tokenizer = VQVAETokenizer().eval()
    tokenizer.load_weights(weights)
    detectors = {
        score: IAR(score=score, tokenizer="vqvae-f4", tokenizer_range="minus_half_half", size=64)
        for score in ("enc", "quant", "combined")
    }
    pipeline = Pipeline(detectors, EncoderPool(CATALOGS.encoders, {"vqvae-f4": weights}))
    view = detectors["enc"].inputs["picture"]
    photos = [Image.open(path).convert("RGB") for path in sorted((shared / "data" / "photos").iterdir())[:6]]
    with torch.inference_mode():
        made = tokenizer(torch.stack([view(photo) for photo in photos]), ["reconstruction"])["reconstruction"]
    levels = ((made + 0.5) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    real = pipeline.score([pipeline.prepare(photo) for photo in photos])
    own = pipeline.score([pipeline.prepare(Image.fromarray(picture)) for picture in levels])
    for score in detectors:
        assert np.mean(own[score]) > np.mean(real[score])


def test_an_unknown_score_is_named() -> None:
    with pytest.raises(UserError, match="score 'encloss' is not known"):
        IAR(score="encloss")


@pytest.mark.slow
def test_auroc_on_the_mini_sets(command, tmp_path: Path) -> None:
    """Expected: measured apart from this project's code."""
    expected = {
        "iar_mini": {"raster": 0.926, "next_scale": 0.662, "gan": 0.422, "diffusion": 0.483},
        "iar_quant_mini": {"raster": 0.704, "next_scale": 0.536, "gan": 0.498, "diffusion": 0.476},
    }
    folder = tmp_path / "run"
    options = ["--generators", ",".join(expected["iar_mini"]), "--detectors", ",".join(expected)]
    options += ["--bootstrap", "0", "--out", folder]
    done = command("run", "--data", "mini", *options, timeout=1800)
    assert done.returncode == 0, done.stderr
    cells = json.loads((folder / "metrics.json").read_text())["cells"]
    for cell in cells:
        generator = cell["dataset"].removeprefix("mini/")
        assert cell["metrics"]["auroc"] == pytest.approx(expected[cell["detector"]][generator], abs=0.02)
    assert len(cells) == 8
