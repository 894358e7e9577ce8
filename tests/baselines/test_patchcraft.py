"""PatchCraft against its published weights, and its crops against torchvision's."""

import csv
from collections import defaultdict

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torchvision.transforms import RandomCrop

from baselines.patchcraft import PATCH, PatchCraft, TextureView, random_corners, srm_filters, texture
from registry import EncoderPool, Pipeline, load_plugins


@pytest.mark.parametrize("size", [(40, 57), (32, 33), (33, 32), (32, 32)])
def test_corners_are_those_of_torchvision(size):
    crop, image = RandomCrop(PATCH), torch.zeros(3, *size)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        expected = [crop.get_params(image, (PATCH, PATCH))[:2] for _ in range(192)]
    assert random_corners(*size, seed=7) == expected


def test_texture_is_the_sum_of_four_directions():
    crop = np.random.RandomState(0).random_sample((3, 32, 32))
    expected = sum(np.abs(np.diff(crop, axis=axis)).sum() for axis in (1, 2)) + sum(
        np.abs(side[:, :-1, :-1] - side[:, 1:, 1:]).sum() for side in (crop, crop[:, :, ::-1])
    )
    assert texture(torch.from_numpy(crop).float()) == pytest.approx(expected, rel=1e-5)


def test_poor_and_rich_are_ends_of_one_order():
    """In a picture that gets noisier from left to right, poor crops come from the left."""
    noise = np.random.RandomState(0).standard_normal((200, 400, 3)) * np.linspace(0, 60, 400)[:, None]
    picture = Image.fromarray(np.clip(127 + noise, 0, 255).astype(np.uint8))
    poor, rich = TextureView()(picture)
    squares = [
        image.unfold(1, 32, 32).unfold(2, 32, 32).permute(1, 2, 0, 3, 4).flatten(0, 1)
        for image in (poor, rich)
    ]
    poorest, richest = ([texture(square) for square in of] for of in squares)
    assert poorest == sorted(poorest)
    assert richest == sorted(richest, reverse=True)
    assert poorest[-1] < richest[-1]


def test_small_pictures_become_one_crop():
    view = TextureView()(Image.new("RGB", (20, 90), (255, 0, 0)))
    assert view.shape == (2, 3, 256, 256)
    assert torch.equal(view[:, 0], torch.ones(2, 256, 256))


def test_filters_find_nothing_in_flat_pictures_and_are_all_different():
    filters = srm_filters()
    assert filters.shape == (30, 5, 5)
    torch.testing.assert_close(filters.sum(dim=(1, 2)), torch.zeros(30), atol=1e-6, rtol=0)
    assert len({tuple(kernel.flatten().tolist()) for kernel in filters}) == 30


@pytest.mark.slow
def test_published_weights_give_the_published_logits(shared, shared_weights):
    """Every picture of the field data. Crops of nearly equal texture may change places, so logits differ a little."""
    weights = shared_weights / "patchcraft-rptc.pth"
    if not weights.is_file():
        pytest.skip("no published weights beside the checkout")
    detector = PatchCraft()
    detector.load_weights(weights)
    pipeline = Pipeline({"it": detector}, EncoderPool(load_plugins().encoders))
    with open(shared / "golden" / "patchcraft_field.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 526
    sets = defaultdict(list)
    for start in range(0, len(rows), 32):
        batch = rows[start : start + 32]
        pictures = [Image.open(shared / "data" / "field" / row["path"]).convert("RGB") for row in batch]
        logits = pipeline.score([pipeline.prepare(picture) for picture in pictures])["it"]
        for row, logit in zip(batch, logits, strict=True):
            sets["/".join(row["path"].split("/")[:2])].append((int(row["label"]), logit, float(row["logit"])))
    for name, scored in sets.items():
        labels, ours, published = map(np.array, zip(*scored, strict=True))
        np.testing.assert_allclose(ours, published, rtol=0, atol=0.1, err_msg=name)
        difference = roc_auc_score(labels, ours) - roc_auc_score(labels, published)
        assert abs(difference) <= 0.005, name
