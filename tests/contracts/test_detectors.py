"""Every registered detector keeps the contract; at a size that a laptop runs in a second."""

import pytest

from registry import check_detector, load_plugins

CATALOGS = load_plugins()

CLIP = {"image_size": 28, "patch_size": 14, "width": 16, "layers": 2, "heads": 2, "features": 12}
BLOCKS = (1, 1, 1, 1)
TOKENIZER = {
    "width": 8,
    "multipliers": (1, 2, 2),
    "blocks": 1,
    "groups": 4,
    "z_channels": 8,
    "codebook_size": 32,
    "code_channels": 4,
}

GPT = {
    "width": 32,
    "depth": 1,
    "heads": 2,
    "tokens": 256,
    "codes": 32,
    "tokenizer_options": TOKENIZER,
}
VAR = {
    "width": 16,
    "depth": 2,
    "codes": 32,
    "code_channels": 4,
    "tokenizer_options": {
        "width": 8,
        "multipliers": (1, 2, 2),
        "blocks": 1,
        "groups": 4,
        "codebook_size": 32,
        "code_channels": 4,
    },
}

TOY = {
    "univfd": {"clip_options": CLIP, "features": 12, "size": 28},
    "cnnspot": {"blocks": BLOCKS},
    "fredect": {"blocks": BLOCKS, "size": 32},
    "gramnet": {"blocks": BLOCKS},
    "lnp": {
        "blocks": BLOCKS,
        "denoiser_options": {"width": 8, "groups": 1, "blocks": 1, "reduction": 4},
    },
    "npr": {"blocks": (1, 1)},
    "rine": {"layers": 1, "width": 8, "clip_options": CLIP, "blocks": 2, "channels": 16, "size": 28},
    "fusing": {"blocks": BLOCKS},
    "linear_probe": {"backbone": "timm/test_vit"},
    "ferretnet_s": {"width": 8, "depths": (1, 1)},
    "random_score": {},
    **{name: {"tokenizer_options": TOKENIZER, "size": 32} for name in ("iar", "iar_quant", "iar_combined")},
    **{name: {} for name in ("iar_mini", "iar_quant_mini", "iar_combined_mini", "iar_scale_mini")},
    **{
        name: {"size": 64, "model_options": {**transformer, "classes": (0, 1), "known_classes": 3}}
        for names, transformer in (
            (("prada", "prada_llamagen_l"), GPT),
            (("prada_var_d20", "prada_var_d30"), VAR),
        )
        for name in names
    },
    **{name: {} for name in ("prada_mini", "prada_scale_mini")},
    "univfd_mini": {},
    "cnnspot_mini": {},
    "d3qe_mini": {},
    "d3qe": {
        "width": 16,
        "heads": 2,
        "tokenizer_options": TOKENIZER,
        "codebook_size": 32,
        "latent_channels": 4,
        "grid": 8,
        "size": 32,
        "clip_options": CLIP,
        "clip_features": 12,
        "clip_size": 28,
    },
}
"""Options that build each detector small."""


def test_every_built_in_detector_is_checked():
    ours = [entry.name for entry in CATALOGS.detectors if entry.origin.startswith("d3qe-bench")]
    assert sorted(ours) == sorted(TOY)


@pytest.mark.parametrize("protocol", ["original", "uniform"])
@pytest.mark.parametrize("name", TOY)
def test_contract(name, protocol):
    factory = CATALOGS.detectors.entry(name).load()
    check_detector(factory, encoders=CATALOGS.encoders, protocol=protocol, **TOY[name])


@pytest.mark.parametrize("name", TOY)
def test_card_states_its_facts(name):
    card = CATALOGS.detectors.entry(name).card
    assert card.summary
    assert not card.needs_weights or (card.paper and card.trained_on)
    for published in card.weights:
        assert published.source.startswith(("hf:", "https://", "package:")), published
    for figure in card.reported:
        assert 0 <= figure.value <= 1, figure
        assert figure.source, figure
