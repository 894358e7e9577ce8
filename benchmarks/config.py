"""Configurations: what each key means, and refusal of anything that is not a key.

A configuration is a YAML file whose keys are the fields of a `Settings` class; every key is also
an option of the command, which wins over the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from benchmarks.pictures import MAX_PIXELS
from registry import UserError
from registry.errors import nearest

# YAML reads `true` and `"3"` as other types than 1 and 3; silently converting them hides mistakes
StrictInt = Annotated[int, Strict()]
StrictBool = Annotated[bool, Strict()]
StrictFloat = Annotated[float, Strict()]


class Settings(BaseModel):
    """Base of every configuration: unknown keys are refused, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SettingsT = TypeVar("SettingsT", bound=Settings)


class DetectorSettings(Settings):
    """One detector of a run."""

    name: str = Field(description="name in the registry")
    label: str = Field("", description="name in tables; the registry name by default")
    weights: Path | None = Field(None, description="checkpoint file")
    options: dict[str, Any] = Field({}, description="constructor options")

    @property
    def shown(self) -> str:
        """The name under which rows and tables show it."""
        return self.label or self.name


class SessionSettings(Settings):
    """Which detectors are loaded, with which weights, and how pictures go through them.

    The base of every command's settings that opens a session, from a run to a single prediction.
    """

    detectors: list[DetectorSettings] = Field([], description="detectors to compare")
    weights: dict[str, Path] = Field({}, description="weights files by detector or encoder name")
    allow_untrained: StrictBool = Field(False, description="run detectors without weights, seeded and marked")
    protocol: Literal["original", "uniform"] = Field(
        "original", description="input protocol of all detectors"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="autocast type")
    batch_size: StrictInt = Field(16, ge=1, description="pictures per forward pass")
    max_pixels: StrictInt = Field(MAX_PIXELS, ge=1, description="larger pictures are refused undecoded")
    seed: StrictInt = Field(
        0, ge=0, description="random seed of untrained weights, perturbations and the bootstrap"
    )
    plugins: list[Path] = Field([], description="plugin files to load")

    @property
    def labels(self) -> list[str]:
        """The names of the detectors in tables."""
        return [detector.shown for detector in self.detectors]


class RunSettings(SessionSettings):
    """What `d3qe-bench run` does."""

    data: list[str] = Field([], description="folders, manifests, NAME=FOLDER, or registered data sets")
    layout: str = Field("", description="on-disk layout of the data; found from the folder by default")
    data_options: dict[str, Any] = Field({}, description="options of the layout or data set")
    paradigms: dict[str, str] = Field({}, description="generator → paradigm, over the built-in table")
    limit: StrictInt | None = Field(
        None, ge=1, description="at most this many pictures per class and test set"
    )
    fair: list[str] = Field([], description="fair views of all pictures: size, jpeg96")
    perturbations: list[str] = Field([], description="conditions beside the clean one, such as jpeg:75")
    clean: StrictBool = Field(True, description="score the pictures as they are, too")
    out: Path = Field(Path("runs/latest"), description="run folder; rerunning on it resumes")
    workers: StrictInt | None = Field(
        None, ge=0, description="decoding processes; default none on a CPU, up to 8 on a GPU"
    )
    launcher: Literal["auto", "none", "pytorch", "slurm"] = Field(
        "auto", description="how ranks were started; auto sees torchrun's environment"
    )
    bootstrap: StrictInt = Field(1000, ge=0, description="resamples for confidence intervals; 0 for none")
    fingerprint: Literal["content", "names"] = Field(
        "content", description="data fingerprint from file contents, or faster from names and sizes"
    )
    flush_seconds: StrictFloat | StrictInt = Field(
        30.0, gt=0, description="at most this much scoring is lost by a kill"
    )


def read_settings(path: Path) -> dict[str, Any]:
    """The keys of a YAML file, over those of the file that its key `base` names, relative to it.

    Mappings are merged key by key; anything else replaces what the base has.

    Raises:
        UserError: a file is missing, is not YAML, holds something else, or is its own base.
    """
    content: dict[str, Any] = {}
    read: list[Path] = []
    following: Path | None = path
    while following is not None:
        if following.resolve() in read:
            raise UserError(f"{path}: base goes round in a circle, back to {following}")
        read.append(following.resolve())
        below = _read_yaml(following)
        base = below.pop("base", None)
        if base is not None and not isinstance(base, str):
            raise UserError(f"{following}: base must be one path, got {base!r}")
        content = _merged(below, content)
        following = None if base is None else following.parent / base
    return content


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merged(below[key], above[key])
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold keys and values, got a {type(content).__name__}")
    return content


def parse_settings(model: type[SettingsT], values: Mapping[str, Any], source: str) -> SettingsT:
    """Validated settings from plain values.

    Raises:
        UserError: one line per problem: where it stands, what was given, what is allowed or nearest.
    """
    try:
        return model(**values)
    except ValidationError as error:
        problems = [_problem(model, dict(found)) for found in error.errors()]
        raise UserError(f"{source}: {'; '.join(problems)}") from None


def _problem(model: type[Settings], found: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        allowed = list(_model_at(model, found["loc"][:-1]).model_fields)
        return f"unknown key {place!r}{nearest(str(found['loc'][-1]), allowed)} (known: {', '.join(allowed)})"
    hint = ""
    if isinstance(found["input"], str) and found["type"] in ("float_type", "int_type"):
        hint = " (YAML reads 1e-3 as text: write 1.0e-3)" if "e" in found["input"].lower() else ""
    return f"{place}: {found['msg'][0].lower()}{found['msg'][1:]}, got {found['input']!r}{hint}"


def _model_at(model: type[Settings], location: tuple[Any, ...]) -> type[Settings]:
    """The settings class that the keys at `location` belong to."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            nested = _nested(model.model_fields[part].annotation)
            model = nested or model
    return model


def _nested(annotation: Any) -> type[Settings] | None:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for found in map(_nested, get_args(annotation)) if found), None)
