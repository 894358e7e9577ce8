"""Trains a registered detector to tell apart what was done to crops, as a start for training on generated pictures.

python -m tools.mini.pretrain DETECTOR --extra-photos DIR
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.commands.outcome import run_script
from registry import load_plugins
from registry.encoder import seeded_init
from tools.mini.photos import read_folder
from tools.mini.recipes.data import TrainingCrops
from tools.mini.recipes.pretraining import PretrainingRecipe
from tools.mini.recipes.recipe import train

STEPS = 1000


def pretrain(detector: str, target: Path, crops: TrainingCrops, steps: int = STEPS) -> None:
    """Write the weights of a pretrained detector to `target`; checkpoints lie beside it.

    Raises:
        UserError: no such detector, or one that cannot be pretrained on crops.
    """
    with seeded_init(detector, 0):
        recipe = PretrainingRecipe(load_plugins().detectors.create(detector), crops, steps)
    train(recipe, target.stem, target.parent, 0)
    recipe.detector.save_weights(target)


def main(
    detector: Annotated[str, typer.Argument(help="Name of a registered detector that reads pixels")],
    work: Annotated[Path, typer.Option(help="Checkpoint and result lie here.")] = Path("build/mini"),
    extra_photos: Annotated[Path | None, typer.Option(help="Folder of further JPEG photographs.")] = None,
    steps: Annotated[int, typer.Option(help="Batches of 32 crops.")] = STEPS,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 1,
) -> None:
    """Write WORK/DETECTOR_start.pth."""
    torch.set_num_threads(threads)
    target = work / f"{detector}_start.pth"
    pretrain(detector, target, TrainingCrops(read_folder(extra_photos) if extra_photos else ()), steps)
    typer.echo(target)


if __name__ == "__main__":
    run_script(main)
