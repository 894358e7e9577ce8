"""What a training configuration may say; keys that are left out are D3QE's published recipe.

arXiv 2510.05891 and its released code (github.com/Zhangyr2022/D3QE).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from benchmarks.config import (
    Compile,
    DetectorSettings,
    Device,
    Fair,
    Features,
    FeaturesSize,
    Launcher,
    Limit,
    MaxPixels,
    Number,
    Plugins,
    Precision,
    Seed,
    Settings,
    StrictBool,
    StrictInt,
    WeightsFiles,
    Workers,
)
from benchmarks.pictures import MAX_PIXELS
from benchmarks.seeds import seed_folder

Probability = Annotated[Number, Field(ge=0, le=1)]


def _different(seeds: list[int]) -> list[int]:
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise ValueError(f"{seed} stands twice: a training by one seed is the same each time")
    return seeds


Seeds = Annotated[
    list[Seed],
    AfterValidator(_different),
    Field(description="train once per random seed, each into a folder seed-N of its own"),
]


class OptimizerSettings(Settings):
    """The optimiser of all trainable parameters."""

    name: Literal["adamw", "adam", "sgd"] = Field("adamw", description="torch.optim's class, in lower case")
    lr: Number = Field(8.0e-5, gt=0, description="learning rate at the start")
    betas: tuple[Number, Number] = Field((0.9, 0.999), description="of adam and adamw")
    momentum: Number = Field(0.0, ge=0, description="of sgd")
    weight_decay: Number = Field(0.01, ge=0, description="decoupled for adamw, L2 otherwise")


class ScheduleSettings(Settings):
    """When the learning rate drops, and when training ends."""

    monitor: Literal["acc", "ap", "loss"] = Field("acc", description="validation figure that has to improve")
    patience: StrictInt = Field(
        5, ge=1, description="epochs without improvement before the learning rate drops"
    )
    min_delta: Number = Field(0.001, ge=0, description="smallest change that counts as an improvement")
    min_delta_after_drop: Number = Field(
        0.002, ge=0, description="the same, once the learning rate has dropped"
    )
    factor: Number = Field(0.1, gt=0, lt=1, description="what the learning rate is multiplied by")
    min_lr: Number = Field(
        1.0e-6, gt=0, description="training ends when the learning rate would fall below this"
    )


class AugmentationSettings(Settings):
    """Random changes of the training pictures, drawn from (seed, epoch, picture)."""

    blur: Probability = Field(0.1, description="probability of Gaussian blur")
    blur_sigma: tuple[Number, Number] = Field((0.0, 3.0), description="its standard deviation in pixels")
    jpeg: Probability = Field(0.1, description="probability of JPEG compression")
    jpeg_quality: tuple[StrictInt, StrictInt] = Field(
        (30, 100), description="its quality, both ends included"
    )
    jpeg_codecs: list[Literal["opencv", "pillow"]] = Field(
        ["opencv", "pillow"], min_length=1, description="encoders, one drawn per picture"
    )
    random_crop: StrictBool = Field(True, description="crop at random instead of at the centre")
    flip: Probability = Field(0.5, description="probability of a horizontal flip")
    copies: StrictInt | None = Field(
        None, ge=1, description="draw this many fixed versions of each picture; null draws anew every epoch"
    )

    @property
    def fixed(self) -> bool:
        """Whether the number of different versions of a picture is bounded, so that they can be cached."""
        return self.copies is not None or not (self.blur or self.jpeg or self.random_crop or self.flip)

    def version(self, epoch: int) -> int:
        """Which version of its pictures an epoch (from 0) sees."""
        return epoch % (self.copies or 1) if self.fixed else epoch

    @property
    def versions(self) -> int:
        """Number of different versions of a picture, where that is `fixed`."""
        return self.copies or 1


NO_AUGMENTATION = AugmentationSettings(blur=0, jpeg=0, random_crop=False, flip=0)


class SplitSettings(Settings):
    """The pictures of one split, as `d3qe-bench run` names them."""

    sets: list[str] = Field(
        min_length=1,
        description="folders, manifests, tar shards, Parquet files, addresses or registered data sets",
    )
    layout: str = Field("", description="on-disk layout; found from the folder by default")
    options: dict[str, Any] = Field({}, description="options of the layout, such as split: train")


class TrainSettings(Settings):
    """What `d3qe-bench train` does."""

    detector: DetectorSettings = Field(description="what is trained; its `weights` are where it starts")
    start: str | None = Field(
        None, description="network whose published weights it starts from, such as resnet50/imagenet"
    )
    data: SplitSettings = Field(description="training pictures")
    validation: SplitSettings | None = Field(
        None, description="validation pictures; without them nothing but `epochs` ends the training"
    )
    limit: Limit = None
    fair: Fair = Field([])
    weights: WeightsFiles = Field(
        {}, description="weights files of encoders and of `start` by name; fetched ones are found"
    )
    allow_untrained: StrictBool = Field(False, description="draw encoders without weights from the seed")
    out: Path = Field(Path("runs/train"), description="folder of the training; rerunning on it resumes")
    epochs: StrictInt = Field(10, ge=1, description="passes over the training pictures at most")
    batch_size: StrictInt = Field(
        32, ge=1, description="pictures per optimiser step, over all processes and accumulated parts"
    )
    accumulate: StrictInt = Field(1, ge=1, description="parts that a process cuts its share of a batch into")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="optimiser")
    schedule: ScheduleSettings = Field(ScheduleSettings(), description="learning rate and early stopping")
    augmentation: AugmentationSettings = Field(AugmentationSettings(), description="training pictures")
    validation_augmentation: Literal["none", "released"] = Field(
        "none", description="`released` blurs and compresses validation pictures as D3QE's code does"
    )
    features: Features = Field(
        None,
        description="folder where frozen features are kept and found again; needs augmentation off or with `copies`",
    )
    features_size: FeaturesSize = 100.0
    check_pictures: StrictBool = Field(True, description="decode every picture once before training")
    unreadable: Literal["stop", "leave_out"] = Field(
        "stop", description="what becomes of unreadable pictures; they are listed either way"
    )
    max_pixels: MaxPixels = Field(MAX_PIXELS, description="larger pictures count as unreadable")
    precision: Precision = Field("float32", description="autocast of the trained part; others need a GPU")
    encoder_precision: Precision = Field(
        "float32", description="precision of the frozen encoders' weights; lower flips some nearest codes"
    )
    compile: Compile = False
    device: Device = "auto"
    workers: Workers = None
    launcher: Launcher = "auto"
    seed: Seed = Field(42, description="random seed of initial weights, order, augmentation and dropout")
    seeds: Seeds = Field([])
    frozen_seed: Seed | None = Field(
        None,
        description="random seed of what every training of `seeds` shares: untrained encoders and fixed versions "
        "of the pictures; `seed` by default",
    )
    keep: StrictInt = Field(2, ge=2, description="checkpoints kept: this many latest, and as many best")
    plugins: Plugins = Field([])

    @model_validator(mode="after")
    def _one_start(self) -> TrainSettings:
        if self.start is not None and self.detector.weights is not None:
            raise ValueError("start and detector.weights both say where the training starts: leave one out")
        return self

    @model_validator(mode="after")
    def _cacheable(self) -> TrainSettings:
        if self.features is not None and not self.augmentation.fixed:
            raise ValueError(
                "features needs pictures that do not change from epoch to epoch: set "
                "augmentation.copies to a number, or blur, jpeg and flip to 0 and random_crop to false"
            )
        return self

    @property
    def seed_of_frozen(self) -> int:
        """The random seed of untrained encoders and of fixed versions of pictures."""
        return self.seed if self.frozen_seed is None else self.frozen_seed

    def seed_of_pictures(self, augmentation: AugmentationSettings) -> int:
        """The random seed that pictures are changed by: fixed versions are the same for every training."""
        return self.seed_of_frozen if augmentation.fixed else self.seed


def each_seed(settings: TrainSettings) -> list[TrainSettings]:
    """The trainings that settings ask for: one per seed, each in a folder of its own and all over the same frozen part."""
    if not settings.seeds:
        return [settings]
    return [
        settings.model_copy(
            update={
                "seed": seed,
                "seeds": [],
                "frozen_seed": settings.seed_of_frozen,
                "out": settings.out / seed_folder(seed),
            }
        )
        for seed in settings.seeds
    ]


def validation_augmentation(settings: TrainSettings) -> AugmentationSettings:
    """What validation pictures go through: nothing, or the fixed blur and JPEG of the released code.

    Released: the middle of the training ranges, Pillow's encoder, and the training probabilities.
    """
    if settings.validation_augmentation == "none":
        return NO_AUGMENTATION
    training = settings.augmentation
    sigma = sum(training.blur_sigma) / 2
    quality = sum(training.jpeg_quality) // 2
    return training.model_copy(
        update={
            "blur_sigma": (sigma, sigma),
            "jpeg_quality": (quality, quality),
            "jpeg_codecs": ["pillow"],
            "random_crop": False,
            "flip": 0,
            "copies": 1,
        }
    )
