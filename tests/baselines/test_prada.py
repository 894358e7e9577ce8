"""PRADA: parallel likelihoods are those of one token after the other; conditions, views and the head's training."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.llamagen_gpt import LlamaGenGPT, llamagen_gpt_l
from baselines.prada import PRADA
from baselines.prada_views import ADMView, folder_class
from baselines.var import VAR, var_d20
from d3qe_plugin.var_tokenizer import VARTokenizer
from registry import EncoderPool, EncoderSpec, UserError, load_plugins
from registry.encoder import Encoder
from tests.parity.filling import golden_names

CATALOGS = load_plugins()


def mini(name: str) -> Encoder:
    weights = {
        "mini-vq4": "tokenizer",
        "mini-msvq4": "multiscale_tokenizer",
        "mini-raster": "raster",
        "mini-next-scale": "next_scale",
    }
    from benchmarks.mini.generators import WEIGHTS

    paths = {encoder: WEIGHTS / f"{file}.safetensors" for encoder, file in weights.items()}
    return EncoderPool(CATALOGS.encoders, paths).get(EncoderSpec(name))


@pytest.mark.parametrize(
    ("name", "steps"), [("mini-raster", range(256)), ("mini-next-scale", (1, 5, 21, 85))]
)
@torch.inference_mode()
def test_one_pass_is_one_token_after_the_other(name: str, steps: list[int]) -> None:
    """A step knows no later token: whatever stands there, the likelihood is that of the parallel pass."""
    encoder = mini(name)
    torch.manual_seed(0)
    indices = encoder.part("tokenizer")(torch.rand(2, 3, 64, 64) * 2 - 1, ["indices"])["indices"]
    labels = torch.tensor([0, 5])
    together = encoder.log_likelihood(indices, labels)
    ends = [*steps, indices.shape[1]]
    for start, end in list(pairwise(ends))[:: max(1, len(ends) // 12)]:
        known = indices.clone()
        known[:, end:] = 0
        one = encoder.log_likelihood(known, labels)[:, start:end]
        torch.testing.assert_close(one, together[:, start:end], rtol=1e-4, atol=1e-4)


def test_published_names_and_shapes() -> None:
    """Those of the published code at full size; `tests.golden.make_likelihoods` tells how they were read."""
    with torch.device("meta"):
        networks = (("llamagen_gpt", "", LlamaGenGPT()), ("var", "var.", VAR()), ("var", "", VARTokenizer()))
        # another size has its own shapes, and builds
        assert llamagen_gpt_l().layers[23].attention.wo.weight.shape == (1024, 1024)
        assert var_d20().head.weight.shape == (4096, 1280)
    for file, prefix, network in networks:
        ignored = () if prefix else ("var.",)
        expected = {
            name.removeprefix(prefix): shape for name, shape in golden_names(file, prefix, ignored).items()
        }
        assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == expected


def test_conditions() -> None:
    each = torch.tensor([[[-1.0, -2.0], [-1.0, -1.0]]])
    options = {"head": "ratio", "model": "mini-raster"}
    assert PRADA(condition="best", **options).conditional(each).tolist() == [[-1, -1]]
    weight = 1 / (1 + np.exp(-1))
    expected = torch.tensor([[-1.0, -weight - 2 * (1 - weight)]]).float()
    torch.testing.assert_close(PRADA(condition="marginal", **options).conditional(each), expected)


def _published_crop(picture: Image.Image, size: int) -> np.ndarray:
    """ADM's crop, written down from its description."""
    while min(picture.size) // size >= 2:
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
    scale = size / min(picture.size)
    sides = (round(picture.width * scale), round(picture.height * scale))
    values = np.asarray(picture.resize(sides, Image.Resampling.BICUBIC))
    top, left = (values.shape[0] - size) // 2, (values.shape[1] - size) // 2
    return values[top : top + size, left : left + size]


@pytest.mark.parametrize("size", [(300, 261), (1101, 600), (90, 71), (513, 256)])
def test_adm_crop(size: tuple[int, int]) -> None:
    picture = Image.fromarray(np.random.RandomState(0).randint(0, 256, (size[1], size[0], 3), np.uint8))
    view = ADMView(resize=256, crop=256, interpolation="bicubic")
    expected = torch.from_numpy(_published_crop(picture, 256).copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(view(picture), expected)


def test_class_of_a_folder() -> None:
    assert folder_class("real/n02099601/1.png") == 207
    assert folder_class("207/0_real/1.png") == 207
    with pytest.raises(UserError, match=r"no folder of a/b\.png names a class"):
        folder_class("a/b.png")


def test_condition_by_folder_through_the_command(invoke, tmp_path) -> None:
    values = np.random.RandomState(0).randint(0, 256, (64, 64, 3), np.uint8)
    for folder in ("2", "7", "none"):
        (tmp_path / folder).mkdir()
        Image.fromarray(values).save(tmp_path / folder / "one.png")
    done = invoke(
        "predict",
        tmp_path,
        "--detectors",
        "prada_mini",
        "--option",
        "prada_mini.condition=folder",
        "--format",
        "csv",
    )
    rows = {row["path"].split("/")[-2]: row for row in csv.DictReader(io.StringIO(done.out))}
    assert done.code == 1
    assert rows["2"]["logit"] != rows["7"]["logit"]
    assert "names a class" in rows["none"]["error"]


def test_a_head_learns() -> None:
    """From likelihoods whose ratio tells the classes apart."""
    torch.manual_seed(0)
    detector = PRADA(scales=(1, 4)).train()
    labels = torch.arange(40) % 2
    c = torch.randn(40, 2, 5) - 6
    inputs = {"conditional": c, "unconditional": c.mean(1) - labels[:, None]}
    optimizer = torch.optim.AdamW(detector.parameters(), 1e-2)
    for _ in range(150):
        loss = detector.training_loss(inputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (((detector.eval()(inputs) > 0) == labels.bool()).float().mean()) > 0.9


def test_a_ratio_has_no_head() -> None:
    with pytest.raises(UserError, match="nothing to train"):
        PRADA(head="ratio").training_loss({}, torch.zeros(1))
