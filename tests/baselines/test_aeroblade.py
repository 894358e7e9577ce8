"""AEROBLADE's distance is LPIPS' second layer, and its two published files load as one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchmetrics
from torchmetrics.functional.image.lpips import _LPIPS, _normalize_tensor, _spatial_average

from baselines.aeroblade import LINEAR, Aeroblade
from registry import UserError, WeightsError
from tests.golden.seeded import seeded_images, seeded_state_dict

LPIPS_FILE = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / LINEAR


@pytest.fixture
def vgg(tmp_path: Path) -> Path:
    """A file of VGG-16's layout with seeded values, and the published linear weights beside it."""
    shapes = {name: tuple(value.shape) for name, value in Aeroblade().features.state_dict().items()}
    state = seeded_state_dict({f"features.{name}": shape for name, shape in shapes.items()}, 3)
    torch.save({**state, "classifier.0.weight": torch.zeros(3)}, tmp_path / "vgg16.pth")
    (tmp_path / LINEAR).write_bytes(LPIPS_FILE.read_bytes())
    return tmp_path / "vgg16.pth"


@torch.inference_mode()
def test_distance_is_the_second_layer_of_lpips(vgg: Path) -> None:
    detector = Aeroblade().eval()
    detector.load_weights(vgg)
    reference = _LPIPS(pretrained=False, pnet_rand=True, net="vgg").eval()
    for slice_ in (reference.net.slice1, reference.net.slice2):
        for name, layer in slice_.named_children():
            layer.load_state_dict(detector.features[int(name)].state_dict())
    reference.lin1.load_state_dict(
        {
            "model.1.weight": torch.load(LPIPS_FILE, map_location="cpu", weights_only=True)[
                "lin1.model.1.weight"
            ]
        }
    )
    first, second = torch.from_numpy(seeded_images(4, 64, 1) * 2 - 1).split(2)
    ours = (
        reference.net.forward(reference.scaling_layer(first)),
        reference.net.forward(reference.scaling_layer(second)),
    )
    difference = (_normalize_tensor(ours[0][1]) - _normalize_tensor(ours[1][1])) ** 2
    expected = _spatial_average(reference.lins[1](difference), keep_dim=False).flatten()
    torch.testing.assert_close(detector.distance(first, second), expected, rtol=1e-5, atol=1e-8)
    inputs = {"picture": first, "reconstruction": second}
    assert torch.equal(detector(inputs), -detector.distance(first, second))


def test_both_files_are_needed(vgg: Path) -> None:
    vgg.with_name(LINEAR).unlink()
    with pytest.raises(WeightsError, match=r"vgg\.pth"):
        Aeroblade().load_weights(vgg)


def test_an_unknown_range_is_named() -> None:
    with pytest.raises(UserError, match="'minus_one'"):
        Aeroblade(tokenizer_range="minus_one")
