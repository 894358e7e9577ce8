"""Each published checkpoint format loads."""

import pytest
import torch

from baselines.cnnspot import CNNSpot
from baselines.denoiser import Denoiser
from baselines.fredect import FreDect
from baselines.gramnet import GramNet
from baselines.lnp import LNP
from baselines.npr import NPR
from baselines.rine import RINE, VARIANTS
from baselines.univfd import UnivFD
from registry import WeightsError
from registry.weights import parameter_digest

SMALL = (1, 1, 1, 1)


def test_univfd_head(shared):
    detector = UnivFD()
    path = shared / "golden" / "published_heads" / "univfd_fc.pth"
    detector.load_weights(path)
    head = torch.load(path, weights_only=True, map_location="cpu")
    feature = torch.randn(3, 768)
    expected = feature @ head["weight"][0] + head["bias"]
    torch.testing.assert_close(detector({"feature": feature}), expected)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("build", "key"),
    [
        (lambda: CNNSpot(blocks=SMALL), "model"),
        (lambda: GramNet(blocks=SMALL), "netC"),
        (lambda: NPR(blocks=(1, 1)), "model"),
        (lambda: NPR(blocks=(1, 1)), None),
        (lambda: LNP(blocks=SMALL), "model"),
    ],
    ids=["cnnspot", "gramnet", "npr", "npr bare", "lnp"],
)
def test_network_checkpoints(tmp_path, build, key, prefix):
    torch.manual_seed(0)
    source = build()
    state = {prefix + name: value for name, value in source.network.state_dict().items()}
    torch.save(state if key is None else {key: state, "total_steps": 7}, tmp_path / "published.pth")
    torch.manual_seed(1)
    detector = build()
    assert parameter_digest(detector) != parameter_digest(source)
    detector.load_weights(tmp_path / "published.pth")
    assert parameter_digest(detector) == parameter_digest(source)


def _fredect_files(folder, prefix=""):
    source = FreDect(blocks=SMALL, size=32)
    state = {prefix + name: value for name, value in source.network.state_dict().items()}
    torch.save({"netC": state}, folder / "DCTAnalysis.pth")
    mean, variance = torch.randn(3, 32, 32), torch.rand(3, 32, 32)
    torch.save(mean, folder / "dct_mean")
    torch.save(variance, folder / "dct_var")
    return source, mean, variance


@pytest.mark.parametrize("prefix", ["", "module."])
def test_fredect_takes_the_statistics_beside_the_network(tmp_path, prefix):
    source, mean, variance = _fredect_files(tmp_path, prefix)
    detector = FreDect(blocks=SMALL, size=32)
    detector.load_weights(tmp_path / "DCTAnalysis.pth")
    assert parameter_digest(detector.network) == parameter_digest(source.network)
    assert torch.equal(detector.dct_mean, mean)
    assert torch.equal(detector.dct_var, variance)


def test_fredect_names_the_statistics_that_are_not_there(tmp_path):
    _fredect_files(tmp_path)
    (tmp_path / "dct_var").unlink()
    with pytest.raises(WeightsError, match=r"no weights file at .*dct_var"):
        FreDect(blocks=SMALL, size=32).load_weights(tmp_path / "DCTAnalysis.pth")


def test_denoiser_checkpoint(tmp_path):
    source = Denoiser(width=8, groups=2, blocks=1, reduction=4)
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "sidd_rgb.pth")
    denoiser = Denoiser(width=8, groups=2, blocks=1, reduction=4)
    denoiser.load_weights(tmp_path / "sidd_rgb.pth")
    assert parameter_digest(denoiser) == parameter_digest(source)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rine_heads_of_all_published_sizes(tmp_path, variant):
    source = RINE(variant=variant)
    torch.save(source.state_dict(), tmp_path / "head.pth")
    detector = RINE(variant=variant)
    detector.load_weights(tmp_path / "head.pth")
    assert parameter_digest(detector) == parameter_digest(source)


def test_rine_names_the_variant_of_a_head_of_another_shape(shared):
    path = shared / "golden" / "published_heads" / "rine_2class.pth"
    RINE(variant="2class").load_weights(path)
    with pytest.raises(WeightsError, match="set the option variant to 2class"):
        RINE().load_weights(path)
