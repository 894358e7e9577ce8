"""D³QE, every step of it."""

from __future__ import annotations

import torch
from torchvision.transforms.functional import center_crop, normalize

from d3qe_plugin.clip import ClipVision
from d3qe_plugin.llamagen import LlamaGenTokenizer
from d3qe_plugin.network import D3QE
from registry.view import CLIP_MEAN, CLIP_STD
from tests.parity.filling import Arrays, column, filled, golden_names, images

TOKENIZER, CLIP = "vq_model.", "clip_model."
SHOWN_CHANNELS = 8


def tokenizer(seed: int) -> LlamaGenTokenizer:
    shapes = golden_names("d3qe", TOKENIZER, ignore=(TOKENIZER + "quantize.codebook_used",))
    # D³QE's golden file leaves the decoder out
    with torch.device("meta"):
        names = LlamaGenTokenizer().state_dict()
    decoder = tuple(name for name in names if name.startswith(("decoder.", "post_quant_conv.")))
    return filled(LlamaGenTokenizer, shapes, TOKENIZER, seed, own=decoder)


def clip(seed: int) -> ClipVision:
    return filled(ClipVision, golden_names("d3qe", CLIP), CLIP, seed)


def head(seed: int, delta_mode: str) -> D3QE:
    shapes = golden_names("d3qe", ignore=(TOKENIZER, CLIP))
    return filled(lambda: D3QE(delta_mode=delta_mode), shapes, "", seed, own=("update_count",))


def arrays(seed: int) -> Arrays:
    pictures = images(2, 256, seed)
    encode = tokenizer(seed)
    found = encode(pictures)
    feature = clip(seed)(normalize(center_crop(pictures, [224, 224]), CLIP_MEAN, CLIP_STD), ["feature"])[
        "feature"
    ]
    indices = found["indices"]
    inputs = {"indices": indices, "tokens": found["quantization_error"], "clip": feature}
    off, on = head(seed, "released"), head(seed, "paper")
    result = {
        "latent": found["latent"].numpy(),
        "indices": indices.numpy(),
        "quantization_error": found["quantization_error"].numpy(),
        "clip_feature": feature.numpy(),
        "freq_diff": on.delta()[indices].unflatten(1, (16, 16)).numpy(),
        "d3at_in": on.stem(inputs)[:, :SHOWN_CHANNELS].numpy(),
        "d3at_out": on.attended(inputs)[:, :SHOWN_CHANNELS].numpy(),
        "logit_delta_off": column(off(inputs)),
        "logit_delta_on": column(on(inputs)),
        "indices_normalised_input": encode(pictures * 2 - 1, ["indices"])["indices"].numpy(),
    }
    on.after_step(inputs, torch.tensor([0, 1]))
    result["real_count_after"] = on.real_codebook_count[indices[0]].numpy()
    result["fake_count_after"] = on.fake_codebook_count[indices[1]].numpy()
    return result
