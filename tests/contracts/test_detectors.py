"""Every registered detector keeps the contract; at a size that a laptop runs in a second."""

import pytest

from registry import check_detector, load_plugins

CATALOGS = load_plugins()

TOY = {
    "ferretnet_s": {"width": 8, "depths": (1, 1)},
    "random_score": {},
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
