"""Every registered detector keeps the contract; at a size that a laptop runs in a second."""

import inspect

import pytest

from registry import UserError, check_detector, load_plugins
from registry.protocol import takes_protocol

CATALOGS = load_plugins()

CLIP = {"image_size": 28, "patch_size": 14, "width": 16, "layers": 2, "heads": 2, "features": 12}
BLOCKS = (1, 1, 1, 1)
DINOV2 = {"image_size": 42, "width": 16, "layers": 1, "heads": 2, "tile": 28}
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
    "patchcraft": {"width": 4},
    "commfor": {"width": 16, "layers": 1, "heads": 2},
    "aligned": {"blocks": BLOCKS, "width": 4},
    "stay_positive": {"blocks": BLOCKS, "width": 4},
    "dmid": {"blocks": BLOCKS, "width": 4},
    "dda": {"width": 16, "layers": 1, "heads": 2, "size": 56, "image_size": 56},
    "bfree": {"width": 16, "layers": 1, "heads": 2, "size": 56},
    "effort": {"width": 16, "layers": 2, "heads": 2, "size": 28},
    "safe": {"blocks": (1, 1)},
    "warpad": {"size": 56, "encoder_options": DINOV2},
    "rigid": {"size": 28, "encoder_options": DINOV2},
    "fgts": {
        "size": 64,
        "features": 32,
        "encoder_options": {
            "model": "vit_small_patch16_dinov3",
            "size": 64,
            "width": 32,
            "layers": 1,
            "heads": 2,
        },
    },
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
    "aeroblade": {"tokenizer_options": TOKENIZER, "size": 32},
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

SAME_CLASS = {"stay_positive": "aligned", "dmid": "aligned"}
"""Names for other weights of a class that is checked under its first name."""


def test_every_built_in_detector_is_checked():
    ours = [entry.name for entry in CATALOGS.detectors if entry.origin.startswith("d3qe-bench")]
    assert sorted(ours) == sorted(TOY)


@pytest.mark.parametrize("protocol", ["original", "uniform"])
@pytest.mark.parametrize("name", [name for name in TOY if name not in SAME_CLASS])
def test_contract(name, protocol):
    factory = CATALOGS.detectors.entry(name).load()
    check_detector(factory, encoders=CATALOGS.encoders, protocol=protocol, **TOY[name])


@pytest.mark.parametrize(("name", "first"), SAME_CLASS.items())
def test_other_weights_have_the_same_class(name, first):
    assert CATALOGS.detectors.entry(name).load() is CATALOGS.detectors.entry(first).load()


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


@pytest.mark.parametrize("name", [entry.name for entry in CATALOGS.detectors if entry.card.inputs])
def test_published_inputs_are_those_that_the_card_names(name):
    entry = CATALOGS.detectors.entry(name)
    factory, options = entry.load(), TOY[name]
    assert factory(**options).inputs == factory(**options, input=entry.card.inputs[0]).inputs
    for one in entry.card.inputs:
        assert factory(**options, input=one).inputs
    with pytest.raises(UserError) as refused:
        factory(**options, input="unheard of")
    assert set(entry.card.inputs) <= set(str(refused.value).partition("known: ")[2].strip("()").split(", "))


def test_who_offers_inputs_by_name_has_them_in_its_card():
    offered = [e.name for e in CATALOGS.detectors if "input" in inspect.signature(e.load()).parameters]
    lacking = [name for name in offered if not CATALOGS.detectors.entry(name).card.inputs]
    assert lacking == []
    assert len(offered) > 5


def test_who_promises_the_uniform_protocol_takes_it():
    promised = [entry for entry in CATALOGS.detectors if len(entry.card.protocols) > 1]
    assert [e.name for e in promised if not takes_protocol(e.load())] == []
    assert len(promised) > 10
