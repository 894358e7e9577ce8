"""Writes `llamagen_gpt` and `var` (.npz, .keys.json): outputs of the published code, which is not part of this project.

    python -m tests.golden.make_likelihoods LLAMAGEN VAR [--seed N]

LLAMAGEN, VAR: checkouts of github.com/FoundationVision/{LlamaGen@ce98ec4,VAR@78b9539}. Small networks filled by
`seeded.py`'s rule, except for buffers that follow from the architecture; likelihoods token by token, as the
published code generates (LlamaGen with its key-value cache, VAR scale by scale), with the true tokens in place
of drawn ones. `.keys.json` has the full-size names: GPT-B, the published VQ-VAE, and VAR d16 under `var.`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.golden.seeded import seeded_images, seeded_state_dict

HERE = Path(__file__).parent
DERIVED = ("lvl_1L", "attn_bias_for_masking", "quantize.ema_vocab_hit_SV")
LABELS = (3, 7)


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Everything but what follows from the architecture."""
    own = {name: tuple(value.shape) for name, value in module.state_dict().items() if name not in DERIVED}
    module.load_state_dict(seeded_state_dict(own, seed), strict=False)
    return module.eval()


def names(module: torch.nn.Module, prefix: str = "") -> dict[str, Any]:
    """State-dict names with shape and dtype."""
    state = {name: value for name, value in module.state_dict().items() if name not in DERIVED}
    return {
        prefix + name: [list(value.shape), str(value.dtype).removeprefix("torch.")]
        for name, value in state.items()
    }


def likelihoods(logits: torch.Tensor, tokens: torch.Tensor) -> np.ndarray:
    """Of the true tokens (N, tokens): float32."""
    return logits.log_softmax(2).gather(2, tokens[..., None])[..., 0].numpy()


def llamagen(checkout: Path, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    sys.path.insert(0, str(checkout))
    from autoregressive.models.gpt import GPT_B, ModelArgs, Transformer

    arguments = ModelArgs(dim=64, n_layer=3, n_head=4, block_size=16, vocab_size=50, num_classes=10)
    model = fill(Transformer(arguments), seed)
    tokens = torch.from_numpy(np.random.RandomState(seed).randint(0, 50, (2, 16)))
    found = {"tokens": tokens.numpy()}
    for name, labels in (("conditional", torch.tensor(LABELS)), ("unconditional", torch.tensor([10, 10]))):
        model.setup_caches(2, 17, torch.float32)
        logits, _ = model(None, labels, torch.arange(1))
        steps = [logits]
        for position in range(1, 16):
            logits, _ = model(tokens[:, position - 1 : position], None, torch.tensor([position]))
            steps.append(logits)
        found[name] = likelihoods(torch.cat(steps, 1), tokens)
    whole = GPT_B(vocab_size=16384, block_size=256, num_classes=1000)
    return found, names(whole)


def var(checkout: Path, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    sys.path.insert(0, str(checkout))
    import models.var as published
    from models import VAR, VQVAE

    scales = (1, 2, 3, 4)
    vae = fill(VQVAE(vocab_size=50, z_channels=8, ch=32, v_patch_nums=scales), seed)
    model = VAR(vae, num_classes=10, depth=3, embed_dim=48, num_heads=3, attn_l2_norm=True, patch_nums=scales)
    fill(model, seed)
    images = torch.from_numpy(seeded_images(2, 64, seed)) * 2 - 1
    maps = vae.img_to_idxBl(images)
    tokens = torch.cat(maps, 1)
    recorded: list[torch.Tensor] = []
    plain = model.get_logits
    model.get_logits = lambda *given: recorded.append(plain(*given)) or recorded[-1].clone()
    published.sample_with_top_k_top_p_ = lambda *_, **__: maps[len(recorded) - 1][..., None]
    model.autoregressive_infer_cfg(2, torch.tensor(LABELS))
    conditional, unconditional = torch.cat(recorded, 1).chunk(2)
    found = {
        "latent": vae.quant_conv(vae.encoder(images)).numpy(),
        "indices": tokens.numpy(),
        "quantized": vae.quantize.f_to_idxBl_or_fhat(vae.quant_conv(vae.encoder(images)), True)[-1].numpy(),
        "reconstruction": vae.img_to_reconstructed_img(images, last_one=True)[:, :, ::4, ::4].numpy(),
        "coarser": vae.quantize.idxBl_to_var_input(maps).numpy(),
        "conditional": likelihoods(conditional, tokens),
        "unconditional": likelihoods(unconditional, tokens),
    }
    whole_vae = VQVAE(vocab_size=4096, z_channels=32, ch=160)
    whole = VAR(whole_vae, depth=16, embed_dim=1024, num_heads=16, attn_l2_norm=True)
    return found, {**names(whole_vae), **names(whole, "var.")}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("llamagen", type=Path)
    parser.add_argument("var", type=Path)
    parser.add_argument("--seed", type=int, default=20251005)
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    for name, make, checkout in (("llamagen_gpt", llamagen, given.llamagen), ("var", var, given.var)):
        arrays, keys = make(checkout, given.seed)
        np.savez(given.out / f"{name}.npz", **arrays)
        (given.out / f"{name}.keys.json").write_text(json.dumps(keys, indent=0) + "\n")


if __name__ == "__main__":
    main()
