"""Each published checkpoint format loads, and gives the logits of the network it was saved from."""

import pytest
import torch

from baselines.cnnspot import CNNSpot
from baselines.univfd import UnivFD

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
def test_cnnspot_training_checkpoint(tmp_path, prefix):
    torch.manual_seed(0)
    source = CNNSpot(blocks=SMALL).eval()
    state = {prefix + name: value for name, value in source.network.state_dict().items()}
    torch.save({"model": state, "optimizer": {}, "total_steps": 7}, tmp_path / "blur_jpg_prob0.5.pth")
    detector = CNNSpot(blocks=SMALL).eval()
    detector.load_weights(tmp_path / "blur_jpg_prob0.5.pth")
    images = torch.randn(1, 3, 64, 48)
    assert torch.equal(detector({"image": images}), source({"image": images}))
