"""What the newer detectors look at, against PyWavelets, NumPy, OpenCV and timm."""

import cv2
import numpy as np
import pytest
import pywt
import timm
import torch
from PIL import Image

from baselines.bfree import windows
from baselines.dinov2 import DINOv2, DINOv2Encoder
from baselines.effort import Effort, TiledView, split_weight
from baselines.res50nodown import NoDownNetwork
from baselines.rigid import RIGID, NoisyView
from baselines.safe import diagonal_band
from baselines.warpad import WaRPAD, WeakenedView, high_frequencies
from registry import EncoderPool, EncoderSpec, Pipeline, UserError, View, load_plugins

DINO = {"image_size": 56, "width": 16, "layers": 1, "heads": 2, "tile": 28}


def _noise(*shape: int) -> np.ndarray:
    return np.random.RandomState(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("size", [(16, 16), (25, 18), (18, 25), (7, 9)])
def test_diagonal_band_is_that_of_pywavelets(size):
    image = _noise(*size)
    _, (_, _, expected) = pywt.dwt2(image, "bior1.3", mode="symmetric")
    found = diagonal_band(torch.from_numpy(image).expand(1, 3, *size))
    np.testing.assert_allclose(found[0, 1].numpy(), expected, atol=1e-6)


def test_high_frequencies_are_a_wavelet_transform_without_its_lowest_band():
    image = _noise(24, 32)
    low, *high = pywt.wavedec2(image, "haar", level=2)
    expected = pywt.waverec2([np.zeros_like(low), *high], "haar")
    found = high_frequencies(torch.from_numpy(image).unsqueeze(0))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-6)


def test_windows_of_a_grid():
    grid = torch.arange(5 * 7.0).reshape(1, 1, 5, 7)
    corners = windows(grid, 4)[:, 0, 0, 0].tolist()
    # centre one column in, then top left, bottom left, bottom right, top right
    assert corners == [1, 0, 7, 10, 3]


def test_windows_of_a_short_grid_are_one_window_of_its_repetition():
    grid = _noise(2, 3, 3, 9)
    expected = np.tile(grid, (1, 1, 2, 1))[..., :4, :4]
    for window in windows(torch.from_numpy(grid), 4).unflatten(0, (5, 2)):
        np.testing.assert_array_equal(window.numpy(), expected)


def test_dinov2_is_timms_at_the_trained_size():
    network = DINOv2(image_size=56, width=16, layers=2, heads=2).eval()
    reference = timm.models.vision_transformer.VisionTransformer(
        img_size=56, patch_size=14, embed_dim=16, depth=2, num_heads=2, init_values=1e-5, num_classes=0
    ).eval()
    reference.load_state_dict({n: v for n, v in network.state_dict().items() if n != "mask_token"})
    images = torch.randn(2, 3, 56, 56)
    torch.testing.assert_close(network(images), reference(images))


@pytest.mark.parametrize("grid", [(2, 3), (4, 4), (9, 5)])
def test_positions_fit_the_grid(grid):
    network = DINOv2(image_size=56, width=16, layers=1, heads=2)
    positions = network.positions(*grid)
    assert positions.shape == (1, 1 + grid[0] * grid[1], 16)
    assert torch.equal(positions[:, 0], network.pos_embed[:, 0])


def test_tiles_are_seen_alone():
    encoder = DINOv2Encoder(**DINO).eval()
    images = torch.randn(2, 3, 60, 90)
    tiles = encoder(images, ["tiles"])["tiles"]
    assert tiles.shape == (2, 6, 16)
    fifth = encoder(images[:, :, 28:56, 28:56], ["feature"])["feature"]
    torch.testing.assert_close(tiles[:, 4], fifth)


def test_split_weight_keeps_the_weight():
    weight = torch.from_numpy(_noise(12, 12))
    parts = split_weight(weight, rank=2)
    residual = parts["U_residual"] @ torch.diag(parts["S_residual"]) @ parts["V_residual"]
    torch.testing.assert_close(parts["weight_main"] + residual, weight)
    values = np.linalg.svd(weight.numpy(), compute_uv=False)
    np.testing.assert_allclose(parts["S_residual"].numpy(), values[-2:], rtol=1e-4)
    assert np.linalg.matrix_rank(parts["weight_main"].numpy()) == 10


def test_effort_squashes_as_opencv_does():
    pixels = np.random.RandomState(0).randint(0, 256, (50, 83, 3), np.uint8)
    small = {"width": 16, "layers": 1, "heads": 2}
    resized = Effort(size=28, **small).view.resized(Image.fromarray(pixels))
    np.testing.assert_array_equal(np.asarray(resized), cv2.resize(pixels, (28, 28)))
    uniform = Effort("uniform", **small).view
    assert (uniform.resize, uniform.crop, uniform.stretch, uniform.interpolation) == (
        256,
        224,
        False,
        "bilinear",
    )
    with pytest.raises(UserError, match="did you mean 'deepfakebench'"):
        Effort(variant="deepfakebensh")


@pytest.mark.parametrize(
    ("size", "repeats"), [((100, 300), (1, 3)), ((300, 100), (3, 1)), ((300, 260), (1, 1))]
)
def test_small_pictures_are_repeated(size, repeats):
    pixels = np.random.RandomState(0).randint(0, 256, (size[1], size[0], 3), np.uint8)
    tiled = TiledView().resized(Image.fromarray(pixels))
    expected = np.tile(
        pixels,
        (-(-256 // size[1]) if min(size) < 256 else 1, -(-256 // size[0]) if min(size) < 256 else 1, 1),
    )
    np.testing.assert_array_equal(np.asarray(tiled), expected)


def test_no_down_sampling_before_the_second_stage():
    network = NoDownNetwork((1, 1, 1, 1), width=4).eval()
    stem = network.maxpool(network.conv1(torch.randn(1, 3, 40, 24)))
    assert stem.shape[-2:] == (40, 24)
    # the mean of the map of logits is the logit of the mean
    images = torch.randn(1, 3, 40, 24)
    x = network.layer1(network.maxpool(network.relu(network.bn1(network.conv1(images)))))
    logits = network.fc(network.layer4(network.layer3(network.layer2(x))).movedim(1, -1))
    torch.testing.assert_close(logits.mean(dim=(1, 2)), network(images))


def test_detectors_without_training_share_the_clean_pass():
    """Two strengths of noise and two of weakening read one clean feature each."""
    options = {"encoder_options": DINO}
    detectors = {
        "rigid": RIGID(size=28, **options),
        "louder": RIGID(size=28, strength=0.5, **options),
        "warpad": WaRPAD(size=56, **options),
        "stronger": WaRPAD(size=56, strength=1.0, **options),
    }
    pipeline = Pipeline(detectors, EncoderPool(load_plugins().encoders, allow_untrained=True))
    assert len(pipeline.views()) == 6
    assert [type(view) for view in pipeline.views()].count(View) == 2
    network = pipeline.encoders.get(EncoderSpec.of("dinov2-vit-l-14", DINO)).network
    for scale in (network.blocks[0].ls1.gamma, network.blocks[0].ls2.gamma):
        scale.fill_(1)  # untrained, it hides the picture from the class token
    pixels = np.random.RandomState(0).randint(0, 256, (80, 90, 3), np.uint8)
    logits = pipeline.score([pipeline.prepare(Image.fromarray(pixels))])
    assert logits["rigid"][0] < logits["louder"][0]
    assert logits["warpad"][0] < logits["stronger"][0]


def test_noise_repeats_and_has_the_strength_it_says():
    picture = Image.new("RGB", (64, 48), (90, 120, 30))
    clean, noisy = View()(picture), NoisyView(strength=0.05)(picture)
    assert torch.equal(noisy, NoisyView(strength=0.05)(picture))
    assert (noisy - clean).std().item() == pytest.approx(0.05, rel=0.05)
    assert not torch.equal(noisy, NoisyView(strength=0.05, seed=1)(picture))


def test_views_of_different_classes_are_different():
    assert len({View(), NoisyView(strength=0.0), WeakenedView(strength=0.0), TiledView()}) == 4
