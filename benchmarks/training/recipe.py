"""How a training changes weights and pictures: the defaults are D3QE's published recipe.

arXiv 2510.05891 and its released code (github.com/Zhangyr2022/D3QE).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from benchmarks.config import Settings, StrictBool, StrictFloat, StrictInt

Number = StrictFloat | StrictInt
Probability = Annotated[Number, Field(ge=0, le=1)]


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
    patience: StrictInt = Field(5, ge=1, description="epochs without improvement before the rate drops")
    min_delta: Number = Field(0.001, ge=0, description="smallest change that counts as an improvement")
    min_delta_after_drop: Number = Field(0.002, ge=0, description="the same, once the rate has dropped")
    factor: Number = Field(0.1, gt=0, lt=1, description="what the rate is multiplied by")
    min_lr: Number = Field(1.0e-6, gt=0, description="training ends when the rate would fall below this")


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
