"""Builds everything that ships with the mini benchmark, from photographs to weights.

python -m tools.mini.build --extra-photos DIR
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.commands.outcome import run_script
from benchmarks.mini import generators, packed
from benchmarks.mini.autoregressive import RasterGenerator
from benchmarks.mini.bitwise_tokenizer import BitwiseTokenizer
from benchmarks.mini.generators import CLASSES
from benchmarks.mini.masked_tokenizer import MaskedTokenizer
from benchmarks.mini.multiscale import MultiScaleTokenizer
from benchmarks.mini.next_scale import ScaleGenerator
from benchmarks.mini.tokenizer import Tokenizer
from registry.errors import unknown_name
from tools.mini import generators as picture_makers
from tools.mini import packing
from tools.mini.bitwise import BitwiseGenerator
from tools.mini.detectors import train_detectors
from tools.mini.masked import MaskedGenerator
from tools.mini.photos import read_folder
from tools.mini.pictures import build_pictures
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.diffusion import DiffusionRecipe
from tools.mini.recipes.gan import GanRecipe
from tools.mini.recipes.image_encoder import ImageEncoderRecipe
from tools.mini.recipes.recipe import Recipe, train
from tools.mini.recipes.tokenizer import TokenizerRecipe
from tools.mini.recipes.transformers import Generator, TransformerRecipe

SEED = 0
UNREAD = ("gan", "diffusion", "masked", "bitwise")
"""Networks that no detector reads."""


class Builder:
    """The stages in the order of their dependencies; each leaves one file of weights."""

    def __init__(self, work: Path, extra_photos: Path | None) -> None:
        self.work = work
        self.own = TrainingCrops()
        self.all = TrainingCrops(read_folder(extra_photos) if extra_photos else ())

    @property
    def networks(self) -> dict[str, Callable[[], Recipe]]:
        """Name of the file to what trains its content."""
        return {
            "tokenizer": lambda: TokenizerRecipe(Tokenizer(), self.all, steps=1800),
            "raster": lambda: self._transformer(RasterGenerator(CLASSES), "tokenizer", steps=1500),
            "image_encoder": lambda: ImageEncoderRecipe(self.all, steps=800),
            "gan": lambda: GanRecipe(CLASSES, self.own, steps=4000),
            "diffusion": lambda: DiffusionRecipe(CLASSES, self.own, steps=4000),
            "multiscale_tokenizer": lambda: TokenizerRecipe(MultiScaleTokenizer(), self.all, steps=2000),
            "next_scale": lambda: self._transformer(
                ScaleGenerator(CLASSES), "multiscale_tokenizer", steps=1500
            ),
            "masked_tokenizer": lambda: TokenizerRecipe(MaskedTokenizer(), self.all, steps=1400, dead=0.25),
            "masked": lambda: self._transformer(MaskedGenerator(CLASSES), "masked_tokenizer", steps=900),
            "bitwise_tokenizer": lambda: TokenizerRecipe(BitwiseTokenizer(), self.all, steps=2000),
            "bitwise": lambda: self._transformer(
                BitwiseGenerator(CLASSES), "bitwise_tokenizer", steps=1000, batch=12
            ),
        }

    def run(self, name: str) -> None:
        """Train one stage to its end, or on from where it was interrupted, and store its weights."""
        torch.manual_seed(SEED ^ zlib.crc32(name.encode()))
        network = train(self.networks[name](), name, self.work, SEED)
        # a transformer's tokenizer has a file of its own
        packing.write(self.home(name) / f"{name}.safetensors", getattr(network, "transformer", network))

    @staticmethod
    def home(name: str) -> Path:
        """What detectors read is in the package; `UNREAD` is not."""
        return (picture_makers if name in UNREAD else generators).WEIGHTS

    def _transformer(
        self, generator: Generator, tokenizer: str, steps: int, batch: int = 16
    ) -> TransformerRecipe:
        packed.load(generators.WEIGHTS / f"{tokenizer}.safetensors", generator.tokenizer)
        return TransformerRecipe(generator, self.own, steps, batch)


def main(
    only: Annotated[list[str] | None, typer.Argument(help="Stages to run; all by default.")] = None,
    work: Annotated[Path, typer.Option(help="Checkpoints lie here; run again to resume.")] = Path(
        "build/mini"
    ),
    extra_photos: Annotated[
        Path | None, typer.Option(help="Folder of JPEG photographs that the tokenizers learn from as well.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads; another number, other last digits.")] = 1,
) -> None:
    """Train every network of the mini benchmark: some two hours on one core with bfloat16 units."""
    torch.set_num_threads(threads)
    builder = Builder(work, extra_photos)
    stages: dict[str, Callable[[], None]] = {
        **{name: partial(builder.run, name) for name in builder.networks},
        "pictures": build_pictures,
        "detectors": partial(train_detectors, work, builder.all),
    }
    for name in only or stages:
        if name not in stages:
            raise unknown_name("stage", name, stages)
        stages[name]()


if __name__ == "__main__":
    run_script(main)
