"""What a training configuration may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from benchmarks.config import (
    DetectorSettings,
    Device,
    Fair,
    Launcher,
    Limit,
    MaxPixels,
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
from benchmarks.training.recipe import (
    NO_AUGMENTATION,
    AugmentationSettings,
    OptimizerSettings,
    ScheduleSettings,
)


class SplitSettings(Settings):
    """The pictures of one split, as `d3qe-bench run` names them."""

    sets: list[str] = Field(min_length=1, description="folders, manifests or registered data sets")
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
    feature_cache: Path | None = Field(
        None, description="folder of frozen features; needs augmentation off or with `copies`"
    )
    check_pictures: StrictBool = Field(True, description="decode every picture once before training")
    unreadable: Literal["stop", "leave_out"] = Field(
        "stop", description="what becomes of unreadable pictures; they are listed either way"
    )
    max_pixels: MaxPixels = Field(MAX_PIXELS, description="larger pictures count as unreadable")
    precision: Precision = Field("float32", description="autocast of the trained part; others need a GPU")
    encoder_precision: Precision = Field(
        "float32", description="autocast of frozen encoders; lower flips some nearest codes"
    )
    device: Device = "auto"
    workers: Workers = None
    launcher: Launcher = "auto"
    seed: Seed = Field(42, description="random seed of initial weights, order, augmentation and dropout")
    keep: StrictInt = Field(2, ge=2, description="checkpoints kept: this many latest, and as many best")
    plugins: Plugins = Field([])

    @model_validator(mode="after")
    def _one_start(self) -> TrainSettings:
        if self.start is not None and self.detector.weights is not None:
            raise ValueError("start and detector.weights both say where the training starts: leave one out")
        return self

    @model_validator(mode="after")
    def _cacheable(self) -> TrainSettings:
        if self.feature_cache is not None and not self.augmentation.fixed:
            raise ValueError(
                "feature_cache needs pictures that do not change from epoch to epoch: set "
                "augmentation.copies to a number, or blur, jpeg and flip to 0 and random_crop to false"
            )
        return self


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
