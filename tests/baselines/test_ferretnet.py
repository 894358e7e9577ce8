"""FerretNet-S against its published weights, and its median against SciPy's."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from baselines.ferretnet import FerretNet, neighbour_median
from registry import EncoderPool, Pipeline, load_plugins


def test_median_equals_a_generic_rank_filter():
    image = torch.from_numpy(np.random.RandomState(0).standard_normal((1, 2, 9, 7)).astype(np.float32))
    window = np.ones((3, 3), bool)
    expected = [
        ndimage.generic_filter(
            channel,
            lambda values: np.sort(np.where(np.arange(9) == 4, 0, values))[4],
            footprint=window,
            mode="constant",
        )
        for channel in image[0].numpy()
    ]
    np.testing.assert_array_equal(neighbour_median(image)[0].numpy(), np.stack(expected))


@pytest.mark.slow
def test_published_weights_give_the_published_logits(shared, shared_weights):
    """Every picture of the field data, mixed sizes and formats included."""
    detector = FerretNet()
    detector.load_weights(shared_weights / "ferretnet-s-median-3.pth")
    pipeline = Pipeline({"it": detector}, EncoderPool(load_plugins().encoders))
    with open(shared / "golden" / "ferretnet_s_field.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for start in range(0, len(rows), 32):
        batch = rows[start : start + 32]
        pictures = [Image.open(shared / "data" / "field" / row["path"]).convert("RGB") for row in batch]
        logits = pipeline.score([pipeline.prepare(picture) for picture in pictures])["it"]
        np.testing.assert_allclose(logits, [float(row["logit"]) for row in batch], rtol=0, atol=1e-3)
    assert len(rows) == 526
