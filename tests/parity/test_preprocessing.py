"""Views are pixel-equal to the published preprocessing: grey, palette, alpha, portrait and small pictures too."""

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.cnnspot import CNNSpot
from baselines.fredect import FreDect
from baselines.univfd import UnivFD
from d3qe_plugin.network import D3QE
from registry import View
from tests.golden.seeded import write_image_files
from tests.parity.filling import GOLDEN


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, Image.Image]:
    paths = write_image_files(tmp_path_factory.mktemp("pictures"))
    return {path.stem: Image.open(path).convert("RGB") for path in paths}


def _assert_equal(tensor: torch.Tensor, golden: dict[str, np.ndarray], name: str) -> None:
    np.testing.assert_allclose(tensor[:, ::16, ::16].numpy(), golden[name], rtol=0, atol=1e-6, err_msg=name)
    total = tensor.double().sum().item()
    assert total == pytest.approx(golden[f"{name}__sum"], rel=1e-6, abs=1e-2), name


def _views() -> dict[str, View]:
    small = {"width": 8, "heads": 1}
    return {
        "d3qe": D3QE(**small).inputs["tokens"].view,
        "imagenet": CNNSpot(protocol="uniform", blocks=(1, 1, 1, 1)).view,
        "clip": UnivFD(protocol="uniform").feature.view,
    }


def test_d3qe(pictures):
    with np.load(GOLDEN / "d3qe_preprocess.npz") as golden:
        for name, picture in pictures.items():
            _assert_equal(_views()["d3qe"](picture), golden, name)


@pytest.mark.parametrize("kind", ["imagenet", "clip"])
def test_aigcdetect(kind, pictures):
    with np.load(GOLDEN / "aigcdetect_preprocess.npz") as golden:
        for name, picture in pictures.items():
            _assert_equal(_views()[kind](picture), golden, f"{kind}__{name}")


def test_fredect_spectrum(pictures):
    rng = np.random.RandomState(3)
    detector = FreDect(blocks=(1, 1, 1, 1))
    mean, variance = rng.standard_normal((224, 224, 3)), 1 + rng.random_sample((224, 224, 3))
    # kept in the golden file's precision, that of the published statistics is float32
    detector.dct_mean = torch.from_numpy(mean).permute(2, 0, 1)
    detector.dct_var = torch.from_numpy(variance).permute(2, 0, 1)
    with np.load(GOLDEN / "aigcdetect_preprocess.npz") as golden:
        for name, picture in pictures.items():
            spectrum = detector.spectrum(detector.view(picture).unsqueeze(0))[0]
            expected = golden[f"dct__{name}"]
            error = np.abs(spectrum[:, ::16, ::16].numpy() - expected).max() / np.abs(expected).max()
            assert error <= 1e-4, name
            assert spectrum.double().sum().item() == pytest.approx(golden[f"dct__{name}__sum"], rel=1e-4), (
                name
            )
