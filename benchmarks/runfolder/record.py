"""`run.json`: what was asked, of which data, with which weights, plugins and versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, FiniteFloat

from benchmarks.files import write_json
from benchmarks.runfolder.document import (
    Count,
    Document,
    SchemaVersion,
    as_json,
    read_document,
    validated,
)
from benchmarks.runfolder.scores import Cell

if TYPE_CHECKING:
    from registry.encoder import Passes

RECORD_FILE = "run.json"


class WeightsRecord(Document):
    """A weights file. file: its name, without the folder."""

    file: str = ""
    sha256: str = ""


class ReportedRecord(Document):
    """A figure that somebody published of a detector; see `registry.card.Reported`."""

    on: str
    metric: str
    value: FiniteFloat
    source: str


class PublishedFigure(Document):
    """A published figure that a run was given to stand beside a measured one.

    detector: as the run calls it. on: a test set, or a mean as tables name it, such as `AR mean of 7`. value: in
    [0, 1]. differs: how what was measured differs from what was published.
    """

    detector: str
    on: str
    metric: str
    perturbation: str
    value: FiniteFloat
    source: str
    differs: str = ""


class CardRecord(Document):
    """A detector's card; see `registry.DetectorCard`. What its weights were trained on is in the detector's record."""

    licence: str = ""
    reported: list[ReportedRecord] = Field([])
    white_box_for: list[str] = Field([])


class TrainingSetRecord(Document):
    """A set of pictures that weights were trained on."""

    name: str
    paradigm: str = ""
    generator: str = ""
    real: Count
    fake: Count
    prepare: str = ""
    fingerprint: str


class TrainingRecord(Document):
    """The pictures that weights were trained on, as the training recorded them."""

    fingerprint: str
    real: Count
    fake: Count
    sets: list[TrainingSetRecord]


class CostRecord(Document):
    """What a detector costs on the run's device; see `benchmarks.runner.cost_probe.measure_costs`.

    device, device_name, dtype: what it was measured on. pictures: of the batch that was measured. peak_memory: bytes.
    flops: per picture.
    """

    device: str
    device_name: str
    dtype: str
    pictures: Count
    pictures_per_second: FiniteFloat
    peak_memory: Count | None = None
    flops: FiniteFloat
    parameters_trained: Count
    parameters_frozen: Count


class DetectorRecord(Document):
    """One detector of a run.

    name: in the registry. trained_on: what these weights were trained on, in words; training: what the training
    recorded of it, where it did. identity: of weights that come another way, see `Detector.identity`. encoders: weights digest, or the seed of untrained weights, by encoder; inputs:
    the view or feature behind each of its inputs; both empty where it could not be built. failed: why it
    could not be built or was stopped. group, seed: of trainings of one detector by several seeds, their common name
    and the seed of each. feed, feed_of: of one that is fed in another way, which and the name of the detector in tables;
    feeds_left_out: the ways that it could not be fed by, with the reason. precision: which was chosen, and why, if that was
    left to the run.
    """

    name: str = ""
    origin: str = ""
    options: dict[str, Any] = Field({})
    protocol: str = ""
    weights: WeightsRecord | None = None
    trained_on: str = "unknown"
    training: TrainingRecord | None = None
    identity: str = ""
    encoders: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    untrained: bool = False
    untrained_parts: list[str] = Field([])
    failed: str | None = None
    group: str = ""
    seed: int | None = None
    feed: str = ""
    feed_of: str = ""
    feeds_left_out: dict[str, str] = Field({})
    precision: str = ""
    card: CardRecord = CardRecord()
    cost: CostRecord | None = None


class EncoderPasses(Document):
    """How often an encoder was called for detectors, and on how many pictures, by all commands that came to their end.

    recalled: pictures whose outputs came from the feature store; saved_seconds: what they took when they were computed.
    """

    calls: Count = 0
    pictures: Count = 0
    recalled: Count = 0
    saved_seconds: FiniteFloat = 0.0

    @property
    def line(self) -> str:
        """The passes in words."""
        text = f"{self.pictures:,} pictures in {self.calls:,} calls"
        if self.recalled:
            text += f", {self.recalled:,} from the feature store, which saved {self.saved_seconds:,.1f} s"
        return text

    def __add__(self, more: Passes) -> EncoderPasses:
        """The passes of this and of one more process."""
        stored = {
            "recalled": self.recalled + more.recalled,
            "saved_seconds": round(self.saved_seconds + more.saved, 3),
        }
        return EncoderPasses(
            calls=self.calls + more.calls,
            pictures=self.pictures + more.pictures,
            **(stored if stored["recalled"] else {}),
        )


class Asked(Document):
    """How many pictures of each class a test set has."""

    real: Count
    fake: Count


class DatasetRecord(Document):
    """One test set of a run. fingerprint: of its pictures, made of `fingerprint_of`; prepare: its fair view;
    omitted: paths of the pictures that the view leaves out because they are too small; not_fetched: published files
    for which the set is, or may be, no more than a part.
    """

    paradigm: str | None = None
    generator: str | None = None
    asked: Asked
    fingerprint: str | None = None
    fingerprint_of: str = ""
    prepare: str | None = None
    omitted: list[str] = Field([])
    not_fetched: list[str] = Field([])

    @property
    def view(self) -> str:
        """The fair view as tables show it: the size it came to and how many pictures it left out; then whether it is a part."""
        left_out = f", {len(self.omitted)} left out" if self.omitted else ""
        view = f"@{self.prepare}{left_out}" if self.prepare else ""
        return f"{view} (in part)" if self.not_fetched else view


class PluginEntry(Document):
    """One plugin that was found. registered: `kind name` of each name; file: absolute path of a plugin file."""

    name: str
    origin: str
    status: str
    error: str = ""
    registered: list[str] = Field([])
    file: str = ""

    @property
    def path(self) -> Path | None:
        """The plugin file, None for an installed plugin. Older versions only have it in the origin, as given."""
        if self.file or self.origin.startswith("file "):
            return Path(self.file or self.origin.removeprefix("file "))
        return None

    @property
    def metrics(self) -> list[str]:
        """The metrics that it registered."""
        return [name.removeprefix("metric ") for name in self.registered if name.startswith("metric ")]


class GitState(Document):
    """The checkout that the code ran from."""

    commit: str
    changed: bool


class RunRecord(Document):
    """The content of run.json. perturbations: as they were asked for, `none` for clean pictures.

    chains: the steps of those that are a named chain. suites: by name, the conditions and their weights.
    encoders: by variant. micro_batches: how many pictures went through each together; None for a whole batch.
    compiled: those of `micro_batches` that went through torch.compile. device_name: of all commands with its rows, `; ` between.
    """

    schema_version: SchemaVersion = Field(1, alias="schema")
    command: list[str] = Field([])
    config: dict[str, Any] = Field({})
    versions: dict[str, str] = Field({})
    git: GitState | None = None
    device: str | None = None
    device_name: str | None = None
    dtype: str | None = None
    seed: int | None = None
    fair: list[str] = Field([])
    plugins: list[PluginEntry] = Field([])
    detectors: dict[str, DetectorRecord]
    datasets: dict[str, DatasetRecord]
    perturbations: list[str]
    encoders: dict[str, EncoderPasses] = Field({})
    micro_batches: dict[str, Count | None] = Field({})
    compiled: list[str] = Field([])
    chains: dict[str, str] = Field({})
    suites: dict[str, dict[str, FiniteFloat]] = Field({})
    reported: list[PublishedFigure] = Field([])

    def cells(self) -> Iterator[Cell]:
        """Every (detector, test set, perturbation) that was asked for."""
        for detector in self.detectors:
            for perturbation in self.perturbations:
                for dataset in self.datasets:
                    yield Cell(detector, dataset, perturbation)


def dumped(document: Document) -> dict[str, Any]:
    """A document as it is written: what was set, and keys of other versions."""
    content: dict[str, Any] = as_json(document.model_dump(by_alias=True, exclude_unset=True))
    return content


def make_record(content: object, source: str = RECORD_FILE) -> RunRecord:
    """A record from what is known of a run; values that JSON does not have take its nearest form."""
    return validated(as_json(content), RunRecord, source)


def read_record(run: Path) -> RunRecord:
    """The record of a run folder; raises `UserError` as `read_document`."""
    return read_document(Path(run, RECORD_FILE), RunRecord)


def find_record(run: Path) -> RunRecord | None:
    """The record of a run folder, or None where there is none yet."""
    return read_record(run) if Path(run, RECORD_FILE).is_file() else None


def write_record(run: Path, record: RunRecord) -> None:
    """Write run.json atomically."""
    write_json(Path(run, RECORD_FILE), dumped(record))
