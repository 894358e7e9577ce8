"""Training recipes: each takes steps, and an interrupted run ends like one that was not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.mini.autoregressive import RasterGenerator
from benchmarks.mini.bitwise_tokenizer import BitwiseTokenizer
from benchmarks.mini.masked_tokenizer import MaskedTokenizer
from benchmarks.mini.multiscale import MultiScaleTokenizer
from benchmarks.mini.next_scale import ScaleGenerator
from benchmarks.mini.tokenizer import Tokenizer
from registry import UserError, load_plugins
from registry.encoder import seeded_init
from tools.mini.bitwise import BitwiseGenerator
from tools.mini.masked import MaskedGenerator
from tools.mini.pretrain import pretrain
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.diffusion import DiffusionRecipe
from tools.mini.recipes.gan import GanRecipe, augment
from tools.mini.recipes.image_encoder import ImageEncoderRecipe
from tools.mini.recipes.recipe import Recipe, train
from tools.mini.recipes.tokenizer import TokenizerRecipe
from tools.mini.recipes.transformers import TransformerRecipe

CROPS = TrainingCrops()
RECIPES = {
    "tokenizer": lambda: TokenizerRecipe(Tokenizer(16), CROPS, steps=2, batch=2),
    "multiscale_tokenizer": lambda: TokenizerRecipe(MultiScaleTokenizer(16), CROPS, steps=2, batch=2),
    "raster": lambda: TransformerRecipe(RasterGenerator(9), CROPS, steps=2, batch=2),
    "next_scale": lambda: TransformerRecipe(ScaleGenerator(9), CROPS, steps=2, batch=2),
    "masked_tokenizer": lambda: TokenizerRecipe(MaskedTokenizer(16), CROPS, steps=2, batch=2),
    "masked": lambda: TransformerRecipe(MaskedGenerator(9), CROPS, steps=2, batch=2),
    "bitwise_tokenizer": lambda: TokenizerRecipe(BitwiseTokenizer(16), CROPS, steps=2, batch=2),
    "bitwise": lambda: TransformerRecipe(BitwiseGenerator(9), CROPS, steps=2, batch=2),
    "gan": lambda: GanRecipe(9, CROPS, steps=2, batch=2),
    "diffusion": lambda: DiffusionRecipe(9, CROPS, steps=2, batch=2),
    "image_encoder": lambda: ImageEncoderRecipe(CROPS, steps=2, batch=4),
}


@pytest.mark.parametrize("name", RECIPES)
def test_two_steps_change_every_network_and_stay_finite(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = RECIPES[name]()
    learned = {key: value.clone() for key, value in recipe.named_parameters() if value.requires_grad}
    network = train(recipe, name, tmp_path, seed=0)
    assert all(torch.isfinite(value).all() for value in recipe.state_dict().values())
    still = [
        key for key, value in recipe.named_parameters() if key in learned and torch.equal(value, learned[key])
    ]
    # the class of a photograph that was not in four crops has no gradient, nor has it weight decay
    assert len(still) <= len(learned) // 10, still
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_pretrained_detector_is_a_start_for_training(tmp_path: Path) -> None:
    catalog = load_plugins().detectors
    start = tmp_path / "start.pth"
    pretrain("cnnspot_mini", start, CROPS, steps=2)
    with seeded_init("cnnspot_mini", 0):
        fresh = catalog.create("cnnspot_mini")
    loaded = catalog.create("cnnspot_mini")
    loaded.load_weights(start)
    moved = [
        name
        for name, value in loaded.named_parameters()
        if not torch.equal(value, dict(fresh.named_parameters())[name])
    ]
    kept = [name for name, _ in fresh.named_parameters() if name not in moved]
    # the head for real or generated has learned nothing yet
    assert [name.split(".")[-2] for name in kept] == ["fc", "fc"], kept


def test_pretraining_repeats(tmp_path: Path) -> None:
    for name in ("first", "second"):
        torch.manual_seed(len(name))
        pretrain("cnnspot_mini", tmp_path / f"{name}.pth", CROPS, steps=2)
    first, second = (torch.load(tmp_path / f"{name}.pth")["model"] for name in ("first", "second"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_detector_on_frozen_features_cannot_be_pretrained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be pretrained on crops"):
        pretrain("univfd_mini", tmp_path / "start.pth", CROPS, steps=1)


def test_a_wrong_stage_is_one_line_and_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.mini.build", "tokeniser"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tools.mini.build: unknown stage 'tokeniser', did you mean 'tokenizer'?")
    assert done.stderr.count("\n") == 1


class Line(Recipe):
    """Fits a line to points drawn from the step's generators; can be stopped."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.steps, self.stop_at = 12, stop_at
        self.network = nn.Linear(1, 1)
        nn.init.zeros_(self.network.weight)
        nn.init.zeros_(self.network.bias)
        self.optimizers = [torch.optim.Adam(self.network.parameters(), 0.1)]

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        if step == self.stop_at:
            raise KeyboardInterrupt
        x = torch.rand(8, 1) + float(rng.random())
        loss = (self.network(x) - 3 * x).square().mean()
        self.optimizers[0].zero_grad()
        loss.backward()
        self.optimizers[0].step()
        return {"loss": loss.item()}

    def trained(self) -> nn.Module:
        return self.network


def test_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.mini.recipes.recipe._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = train(Line(), "whole", tmp_path, seed=5).state_dict()
    with pytest.raises(KeyboardInterrupt):
        train(Line(stop_at=7), "parts", tmp_path, seed=5)
    resumed = train(Line(), "parts", tmp_path, seed=5).state_dict()
    other_seed = train(Line(), "other", tmp_path, seed=6).state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert not all(torch.equal(whole[key], other_seed[key]) for key in whole)


def test_augmentation_keeps_shape_and_passes_gradients() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 64, 64, requires_grad=True)
    changed = augment(images)
    changed.sum().backward()
    assert changed.shape == images.shape
    assert images.grad is not None
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()
    hidden = (changed == 0).all(1).flatten(1).sum(1)
    assert ((hidden >= 64) & (hidden <= 225 + 8)).all()
