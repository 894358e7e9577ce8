"""What the baselines look at, against OpenCV, SciPy and plain loops."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import fft

from baselines.fredect import cosine_basis
from baselines.fusing import active_boxes
from baselines.gramnet import gram_matrix
from baselines.lnp import LNP, pattern_levels
from baselines.npr import neighbour_differences
from registry import EncoderPool, Pipeline, UserError, load_plugins


def test_cosine_basis_is_scipys_transform():
    values = np.random.RandomState(0).rand(12, 5)
    np.testing.assert_allclose(
        cosine_basis(12).numpy() @ values, fft.dct(values, type=2, norm="ortho", axis=0), atol=1e-12
    )


def test_pattern_levels_are_what_the_published_code_writes(tmp_path):
    """It hands RGB to OpenCV, which takes it for BGR, after an 8-bit product that overflows."""
    pattern = np.random.RandomState(0).uniform(-0.2, 1.2, (7, 9, 3)).astype(np.float32)
    levels = np.rint(np.clip(pattern, 0, 1) * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "pattern.png"), (levels.astype(int) * 255 % 256).astype(np.uint8))
    expected = np.asarray(Image.open(tmp_path / "pattern.png").convert("RGB"))
    found = pattern_levels(torch.from_numpy(pattern).permute(2, 0, 1).unsqueeze(0))
    np.testing.assert_array_equal(found[0].permute(1, 2, 0).numpy(), expected)


def test_lnp_denoises_the_whole_picture_before_it_is_resized():
    options = {
        "blocks": (1, 1, 1, 1),
        "denoiser_options": {"width": 4, "groups": 1, "blocks": 1, "reduction": 2},
    }
    detectors = {protocol: LNP(protocol=protocol, **options) for protocol in ("original", "uniform")}
    pipeline = Pipeline(detectors, EncoderPool(load_plugins().encoders, allow_untrained=True))
    sample = pipeline.prepare(Image.new("RGB", (300, 270)))
    sizes = {name: tuple(sample[view].shape) for name in detectors for view in pipeline.views([name])}
    assert sizes == {"original": (3, 270, 300), "uniform": (3, 224, 224)}
    with pytest.raises(UserError, match="did you mean 'original'"):
        LNP(protocol="orginal")


def test_neighbour_differences_of_an_odd_picture():
    image = np.random.RandomState(0).standard_normal((5, 7)).astype(np.float32)
    expected = np.array([[image[y, x] - image[y // 2 * 2, x // 2 * 2] for x in range(6)] for y in range(4)])
    found = neighbour_differences(torch.from_numpy(image).expand(1, 1, 5, 7))
    np.testing.assert_array_equal(found[0, 0].numpy(), expected)


def test_gram_matrix_is_the_scaled_product_of_channels():
    features = np.random.RandomState(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    expected = np.einsum("nchw,ndhw->ncd", features, features) / 60
    np.testing.assert_allclose(gram_matrix(torch.from_numpy(features)).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [(320, 320), (300, 500), (224, 224), (70, 90)])
def test_active_boxes_lie_in_the_picture(size):
    features = torch.rand(3, 8, 7, 7, generator=torch.Generator().manual_seed(0))
    boxes = active_boxes(features, *size)
    assert boxes.shape == (3, 6, 4)
    top, left, bottom, right = boxes.unbind(-1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (bottom <= size[0]).all()
    assert (right <= size[1]).all()
    sides = torch.tensor([[min(side, length) for length in size] for side in (224,) * 3 + (112,) * 3])
    assert torch.equal(torch.stack([bottom - top, right - left], dim=-1), sides.expand(3, 6, 2))


def test_first_active_box_surrounds_the_strongest_response():
    features = torch.zeros(1, 1, 7, 7)
    features[0, 0, 3, 5] = 1
    boxes = active_boxes(features, 448, 448)
    small = boxes[0, 3].tolist()
    # position (3, 5) of 7 × 7 cells of 64 pixels
    assert small[0] <= 3.5 * 64 <= small[2]
    assert small[1] <= 5.5 * 64 <= small[3]
