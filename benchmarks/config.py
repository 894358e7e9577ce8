"""Settings: what each one means, and refusal of anything that is not one.

A setting is one field of a `Settings` class: its type, default, help text and bounds are stated there and nowhere
else. The keys of YAML files, the options of the commands (`benchmarks.commands.from_settings`) and the tables of
reference.md are made from it; an option wins over the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from benchmarks.pictures import MAX_PIXELS
from benchmarks.seeds import BEST, UNFINISHED, of_seed, trained_seeds
from benchmarks.yaml12 import load_yaml
from registry import UserError
from registry.errors import nearest

# YAML reads `true` and `"3"` as other types than 1 and 3; silently converting them hides mistakes
StrictInt = Annotated[int, Strict()]
StrictBool = Annotated[bool, Strict()]
Number = Annotated[float, Strict()]
Seed = Annotated[StrictInt, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every configuration: unknown keys are refused, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AUTO = "auto"
"""The precision that `benchmarks.loading.effects` chooses."""

DEFAULT, PROBE = "default", "probe"
"""How many pictures go through an encoder together: the batch, or as many as are fastest."""

RAY = "ray"
"""The launcher whose driver computes nothing itself."""

_ABOUT_TO_BE_USED = "about to be used"

SettingsT = TypeVar("SettingsT", bound=Settings)


@dataclass(frozen=True)
class Option:
    """How a setting is written on the command line where that does not follow from its name and type.

    Stands in the `Annotated` type of a field.

    name: of the option, as in `--perturb`; empty for the setting's own.
    metavar: what stands for the value in the help.
    commas: whether commas separate the items of a list of texts; it can be repeated in any case.
    positional: whether it is an argument instead of an option.
    """

    name: str = ""
    metavar: str = ""
    commas: bool = True
    positional: bool = False


def option_of(name: str, field: FieldInfo) -> Option:
    """How the setting `name` is written on the command line."""
    stated = next((one for one in field.metadata if isinstance(one, Option)), Option())
    return replace(stated, name=stated.name or f"--{name.replace('_', '-')}")


class DetectorSettings(Settings):
    """One detector of a run."""

    name: str = Field(description="name in the registry")
    label: str = Field("", description="name in tables; the registry name by default")
    weights: Path | None = Field(
        None, description="checkpoint file, or folder of a training; of one with seeds, one detector per seed"
    )
    options: dict[str, Any] = Field({}, description="constructor options")
    group: str = Field(
        "", description="name in tables that trainings of one detector by several seeds have in common"
    )
    seed: Seed | None = Field(None, description="random seed of the training, of one of a group")

    @model_validator(mode="after")
    def _grouped_by_seed(self) -> DetectorSettings:
        if bool(self.group) != (self.seed is not None):
            raise ValueError("group and seed belong together: a group holds one training per seed")
        return self

    @property
    def shown(self) -> str:
        """The name under which rows and tables show it."""
        return self.label or self.name


# Settings that several commands have: type, bounds and meaning; a command may state another default or meaning
WeightsFiles = Annotated[
    dict[str, Path], Option(metavar="NAME=PATH"), Field(description="weights file of a detector or encoder")
]
Device = Annotated[str, Field(description="where networks run: auto, cpu, cuda or cuda:N")]
Precision = Annotated[Literal["float32", "bfloat16", "float16"], Field(description="autocast type")]
Workers = Annotated[
    StrictInt | None,
    Field(ge=0, description="decoding processes; if not given, none on a CPU and up to 8 on a GPU"),
]
Launcher = Annotated[
    Literal["auto", "none", "pytorch", "slurm"],
    Field(description="how processes were started; auto sees torchrun's environment"),
]
Features = Annotated[
    Path | None,
    Field(description="folder where outputs of frozen encoders are kept and found again; none if not given"),
]
FeaturesSize = Annotated[
    Number,
    Option(metavar="GB"),
    Field(gt=0, description="size of that folder in GB; what was not used for longest goes first"),
]
Compile = Annotated[
    StrictBool,
    Field(
        description="run frozen encoders through torch.compile: on a GPU those whose weights can be converted, on a CPU the transformers among them"
    ),
]
Limit = Annotated[
    StrictInt | None, Field(ge=1, description="at most this many pictures per class and test set")
]
Fair = Annotated[
    list[str],
    Field(
        description="fair view of all pictures: size, size:256 (without pictures under 256 pixels), jpeg96, or size and jpeg"
    ),
]
MaxPixels = Annotated[StrictInt, Field(ge=1, description="larger pictures are refused undecoded")]
Bootstrap = Annotated[StrictInt, Field(ge=0, description="resamples for confidence intervals; 0 for none")]
CalibrateOn = Annotated[
    str | None,
    Option(metavar="NAME"),
    Field(
        description="validation set: the test set on whose clean pictures thresholds are chosen and likelihood ratios calibrated"
    ),
]
FalsePositiveRate = Annotated[
    Number | None,
    Option("--fpr"),
    Field(
        gt=0,
        lt=1,
        description="operating point: false-positive rate for which the validation set chooses thresholds, such as 0.01",
    ),
]
Plugins = Annotated[list[Path], Option("--plugin"), Field(description="plugin file to load")]


class DataSettings(Settings):
    """Which pictures, and what is known of them."""

    data: Annotated[list[str], Option(metavar="DATA", commas=False)] = Field(
        [],
        description="folder, manifest, tar shards, Parquet files, an address of these such as s3://bucket/folder, NAME=FOLDER, or a registered data set",
    )
    layout: str = Field("", description="on-disk layout of the data; found from the folder if not given")
    data_options: Annotated[dict[str, Any], Option("--data-option", "KEY=VALUE")] = Field(
        {}, description="option of the layout or data set"
    )
    generators: Annotated[list[str], Option(metavar="GENERATOR")] = Field(
        [], description="only the test sets of these generators; all if not given"
    )
    limit: Limit = None
    fair: Fair = []


class SessionSettings(Settings):
    """Which detectors are loaded, with which weights, and how pictures go through them.

    The base of every command's settings that opens a session, from a run to a single prediction.
    """

    detectors: Annotated[list[DetectorSettings], Option(metavar="[LABEL=]NAME")] = Field(
        [], description="detectors to compare; with a label, one can take part twice"
    )
    weights: WeightsFiles = {}
    allow_untrained: StrictBool = Field(False, description="run detectors without weights, seeded and marked")
    protocol: Literal["original", "uniform"] = Field(
        "original", description="input protocol of all detectors"
    )
    device: Device = "auto"
    precision: Precision = Field(
        "float32", description="precision of frozen encoders' weights; all else is computed in float32"
    )
    micro_batch: Annotated[str | StrictInt, Option(metavar="default|N")] = Field(
        DEFAULT,
        description="pictures that go through a frozen encoder together: the batch, or this many",
    )
    compile: Compile = False
    features: Features = None
    features_size: FeaturesSize = 100.0
    batch_size: StrictInt = Field(16, ge=1, description="pictures per forward pass")
    max_pixels: MaxPixels = MAX_PIXELS
    seed: Seed = Field(0, description="random seed of untrained weights, perturbations and the bootstrap")
    plugins: Plugins = []

    @field_validator("micro_batch")
    @classmethod
    def _micro_batch(cls, asked: str | int) -> str | int:
        words = [DEFAULT, PROBE] if issubclass(cls, RunSettings) else [DEFAULT]
        count = int(asked) if str(asked).isdecimal() else 0
        if asked not in words and count < 1:
            raise ValueError(f"micro_batch is {', '.join(words)} or a number from 1, got {asked!r}")
        return count or asked

    @model_validator(mode="before")
    @classmethod
    def _trainings(cls, values: Any) -> Any:
        return _with_trainings(values) if isinstance(values, Mapping) else values

    @field_validator("detectors")
    @classmethod
    def _weights_of_detectors(
        cls, detectors: list[DetectorSettings], info: ValidationInfo
    ) -> list[DetectorSettings]:
        labels = [one.shown for one in detectors]
        for one in detectors:
            if one.group in labels:
                raise ValueError(f"a detector and a group of trainings are both called {one.group!r}")
            if (
                one.group
                and [(other.group, other.seed) for other in detectors].count((one.group, one.seed)) > 1
            ):
                raise ValueError(f"group {one.group!r} has two trainings by seed {one.seed}")
        _check_files(info, {f"{one.shown}.weights": one.weights for one in detectors if one.weights})
        return detectors

    @field_validator("weights")
    @classmethod
    def _weights(cls, weights: dict[str, Path], info: ValidationInfo) -> dict[str, Path]:
        _check_files(info, weights)
        return weights

    @property
    def labels(self) -> list[str]:
        """The names of the detectors in tables."""
        return [detector.shown for detector in self.detectors]


def _with_trainings(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings with files in place of folders of trainings: a detector with several seeds becomes one per seed.

    Values of a wrong type are left to whoever validates them.
    """
    named = values.get("weights")
    weights = dict(named) if isinstance(named, Mapping) else {}
    found: list[Any] = []
    folders = set()
    for detector in values.get("detectors") or ():
        facts = detector.model_dump() if isinstance(detector, DetectorSettings) else detector
        if not isinstance(facts, Mapping):
            return values
        shown = facts.get("label") or facts.get("name")
        key = next((key for key in (shown, facts.get("name")) if key in weights), None)
        folder = facts.get("weights") or weights.get(key)
        if not isinstance(folder, str | Path) or not Path(folder).is_dir():
            found.append(detector)
            continue
        if not facts.get("weights"):
            folders.add(key)
        found += _of_folder(facts, str(shown), Path(folder))
    if isinstance(named, Mapping):
        values = {**values, "weights": {key: path for key, path in weights.items() if key not in folders}}
    return {**values, "detectors": found} if found else values


def _of_folder(facts: Mapping[str, Any], shown: str, folder: Path) -> list[dict[str, Any]]:
    """The detectors whose weights a training left in a folder."""
    seeds, alone = trained_seeds(folder), folder / BEST
    if seeds and alone.is_file():
        raise ValueError(f"{shown}: {folder} holds trainings by seeds and {BEST} of another one: name a file")
    for file in [*seeds.values(), *([alone] if alone.is_file() else [])]:
        if (file.parent / UNFINISHED).exists():
            raise ValueError(
                f"{shown}: the training in {file.parent} is not finished: run the same `d3qe-bench train` once more, or name "
                f"{file} itself, its best epoch so far"
            )
    if alone.is_file():
        return [{**facts, "weights": alone}]
    if not seeds:
        raise ValueError(f"{shown}: {folder} holds no finished training: neither {BEST} nor seed-N/{BEST}")
    return [
        {**facts, "label": of_seed(shown, seed), "weights": path, "group": shown, "seed": seed}
        for seed, path in seeds.items()
    ]


def _check_files(info: ValidationInfo, files: Mapping[str, Path]) -> None:
    """Refuse files that are not there, of settings that are about to be used; those of an old run may be gone."""
    for name, path in files.items() if info.context == _ABOUT_TO_BE_USED else ():
        if not path.is_file():
            raise ValueError(f"{name}: there is no such file: {path}")


class ReportedSettings(Settings):
    """Figures that somebody published, for reports to show beside the measured ones."""

    detectors: list[str] = Field(min_length=1, description="the detectors of this run that they are of")
    metric: str = Field(description="metric, by its name here")
    perturbation: str = Field(
        "none", description="condition, as in `perturbations`; `none` for clean pictures"
    )
    values: dict[str, Share] = Field(
        description="figure from 0 to 1 by test set, or by mean as tables name it, such as `AR mean of 7`"
    )
    source: str = Field(description="publication; `secondary: …` where it was taken from a summary of it")
    differs: str = Field("", description="how what is measured here differs from what was published")


class RunSettings(SessionSettings, DataSettings):
    """What `d3qe-bench run` does."""

    paradigms: Annotated[dict[str, str], Option("--paradigm", "GENERATOR=PARADIGM")] = Field(
        {}, description="paradigm of a generator, over the built-in table"
    )
    perturbations: Annotated[list[str], Option("--perturb", "CONDITION", commas=False)] = Field(
        [], description="condition beside the clean one, such as jpeg:75 or crop:0.8"
    )
    suites: Annotated[list[str], Option("--suite", "NAME")] = Field(
        [],
        description="suite of conditions beside the clean one, with a mean of its own: paper, sharing or severe",
    )
    conditions: Annotated[list[Path], Option(metavar="FILE")] = Field(
        [], description="YAML file of further named chains and suites"
    )
    clean: StrictBool = Field(True, description="score the pictures as they are, too")
    feeds: Annotated[list[str], Option("--feed", "FEED")] = Field(
        [],
        description="other way of feeding each detector, as a row of its own, such as crop, resize:300 or bicubic; all for those worth a try",
    )
    precision: Literal["float32", "bfloat16", "float16", "auto"] = Field(  # type: ignore[assignment]
        "float32",
        description="precision of frozen encoders' weights; all else is computed in float32; auto: bfloat16 if it is faster and its effect on scores was measured and is small",
    )
    micro_batch: Annotated[str | StrictInt, Option(metavar="default|probe|N")] = Field(
        DEFAULT,
        description="pictures that go through a frozen encoder together: the batch; what is fastest, measured at the start and kept in run.json; or this many",
    )
    out: Path = Field(Path("runs/latest"), description="run folder; rerunning on it resumes")
    workers: Workers = None
    launcher: Annotated[
        Literal["auto", "none", "pytorch", "slurm", "ray"],
        Field(
            description="how processes were started; auto sees torchrun's environment, ray starts actors on a cluster"
        ),
    ] = "auto"
    ray_address: Annotated[str, Option(metavar="HOST:PORT")] = Field(
        "",
        description="Ray cluster that this machine is a node of, or auto; if not given, RAY_ADDRESS, else a cluster for this command alone",
    )
    ray_actors: Annotated[StrictInt | None, Field(ge=1)] = Field(
        None,
        description="at most this many actors, which a cluster may grow for; as many as it has room for if not given",
    )
    ray_cpus: Annotated[StrictInt, Field(ge=1)] = Field(
        1, description="CPU cores, and threads, of each actor"
    )
    shard: Annotated[str, Option(metavar="I/N")] = Field(
        "", description="score the I-th of N parts of the pictures; N such commands share a run folder"
    )
    bootstrap: Bootstrap = 1000
    calibrate_on: CalibrateOn = None
    fpr: FalsePositiveRate = None
    cost: StrictBool = Field(
        False, description="measure what each detector costs on this device: speed, memory, FLOPs, parameters"
    )
    fingerprint: Literal["content", "names"] = Field(
        "content", description="data fingerprint from file contents, or faster from names and sizes"
    )
    flush_seconds: Number = Field(30.0, gt=0, description="at most this much scoring is lost by a kill")
    reported: list[ReportedSettings] = Field(
        [], description="published figures that reports show beside the measured ones"
    )

    @field_validator("shard")
    @classmethod
    def _shard(cls, shard: str) -> str:
        number, slash, count = shard.partition("/")
        if shard and not (
            slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)
        ):
            raise ValueError(f"shard is I/N with I from 1 to N, such as 2/8, got {shard!r}")
        return shard

    @property
    def part(self) -> tuple[int, int]:
        """The number of the shard, from 1, and how many there are."""
        number, _, count = (self.shard or "1/1").partition("/")
        return int(number), int(count)


SHIPPED = Path(__file__).parent / "configs"
"""The configurations that come with the package."""


def read_settings(path: Path) -> dict[str, Any]:
    """The keys of a YAML file, over those of the file that its key `base` names, relative to it.

    Mappings are merged key by key; anything else replaces what the base has. Where there is no such file, the one
    of that name that comes with the package is read: `paper/table1.yaml` works in any folder.

    Raises:
        UserError: a file is missing, is not YAML, holds something else, or is its own base.
    """
    content: dict[str, Any] = {}
    read: list[Path] = []
    following: Path | None = path if path.exists() or not (SHIPPED / path).is_file() else SHIPPED / path
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
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold keys and values, got a {type(content).__name__}")
    return content


def parse_settings(
    model: type[SettingsT], values: Mapping[str, Any], source: str = "", options: Collection[str] = ()
) -> SettingsT:
    """Validated settings from plain values, for use now: weights files of a session must be there.

    source: the file they are from, if any. options: those of them that the command line gave instead.

    Raises:
        UserError: one line per problem: where it stands, what was given, what is allowed or nearest.
    """
    try:
        return model.model_validate(values, context=_ABOUT_TO_BE_USED)
    except ValidationError as error:
        problems = [_problem(model, dict(found), source, options) for found in error.errors()]
        raise UserError("; ".join(dict.fromkeys(problems))) from None


def _problem(model: type[Settings], found: dict[str, Any], source: str, options: Collection[str]) -> str:
    first, *inner = found["loc"] or ("",)
    if first in options:
        place = ".".join([option_of(first, model.model_fields[first]).name, *map(str, inner)])
    else:
        place = ": ".join(filter(None, (source, ".".join(map(str, found["loc"])))))
    if found["type"] == "extra_forbidden":
        allowed = list(_model_at(model, found["loc"][:-1]).model_fields)
        known = f"{nearest(str(found['loc'][-1]), allowed)} (known: {', '.join(allowed)})"
        return f"{f'{source}: ' if source else ''}unknown key {'.'.join(map(str, found['loc']))!r}{known}"
    if found["type"] == "missing":
        return f"{place} is needed"
    hint = " (write true or false)" if found["type"] == "bool_type" else ""
    # validators of ours say what was given themselves
    given = "" if found["type"] == "value_error" else f", got {found['input']!r}"
    message = found["msg"].removeprefix("Value error, ")
    return ": ".join(filter(None, (place, f"{message[0].lower()}{message[1:]}{given}{hint}")))


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
