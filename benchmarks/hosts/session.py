"""One `host run`: our detectors through a suite's own entry point, its results in our run folder."""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from scipy.special import expit

from benchmarks.catalogs import load_catalogs
from benchmarks.config import RunSettings
from benchmarks.datasets import fingerprint
from benchmarks.datasets.paradigms import paradigm_of
from benchmarks.hosts.scorer import Scorer, device_of, read_journal
from benchmarks.hosts.suite import Notes, Suite
from benchmarks.runner.record import new_record, read_record, write_record
from benchmarks.runner.run import check_weight_names
from benchmarks.scores import CLEAN, Cell, write_shard
from registry import Catalogs, Picture, TestSet, UserError


@dataclass(frozen=True)
class Scored:
    """One picture as it left the suite: path, label (0 real, 1 generated), logit or the reason there is none."""

    path: str
    label: int
    logit: float | None
    error: str | None = None
    generator: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What a suite made of one detector: its pictures by test set, and the figures it printed itself."""

    pictures: Mapping[str, Sequence[Scored]]
    figures: Mapping[str, Any]


@dataclass
class HostRun:
    """What a bridge is given. arguments: the suite's own, as the user wrote them after `--`."""

    suite: Suite
    settings: RunSettings
    arguments: list[str]
    root: Path | None = None
    notes: Notes = field(default_factory=Notes)
    version: str = ""
    names: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    _scorers: dict[str, Scorer] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the suite's own files of this run go."""
        return self.settings.out / "host"

    def scorer(self, label: str) -> Scorer:
        """The scorer of a detector, with a journal."""
        if label not in self._scorers:
            self._scorers[label] = Scorer(self.settings, label, self.folder / f"{label}.jsonl")
        return self._scorers[label]

    def journal(self, label: str) -> list[dict[str, Any]]:
        """What the detector was asked so far, in order."""
        path = self.folder / f"{label}.jsonl"
        return read_journal(path) if path.is_file() else []

    def scored(self, label: str) -> dict[str, list[Scored]]:
        """The journal's pictures by test set, of suites that tell labels and test sets when they score."""
        groups: dict[str, list[Scored]] = defaultdict(list)
        for entry in self.journal(label):
            picture = Scored(entry["path"], entry["label"], entry["logit"], entry["error"])
            groups[entry["test_set"]].append(picture)
        return dict(groups)


class Bridge(Protocol):
    """What each module of this package offers to the command."""

    SUITE: Suite

    def start(self, host: HostRun) -> None:
        """Check the suite, note its version, register our detectors."""

    def evaluate(self, host: HostRun, label: str) -> Evaluation:
        """Run the suite's own entry point on one detector."""


def run_host(bridge: Bridge, host: HostRun, command: Sequence[str]) -> list[str]:
    """Run every detector of the settings through the suite and write the run folder.

    Returns:
        One line per detector that failed.

    Raises:
        UserError: the request is wrong, or the suite is missing; nothing was scored then.
    """
    out = host.settings.out
    if read_record(out) is not None or host.folder.exists():
        raise UserError(f"{out} already holds a run: choose another --out")
    catalogs = load_catalogs(host.settings.plugins)
    check_weight_names(host.settings, catalogs)
    labels = [detector.shown for detector in host.settings.detectors]
    bridge.start(host)
    records = {label: host.scorer(label).loaded.records[label] for label in labels}
    host.folder.mkdir(parents=True, exist_ok=True)
    test_sets: dict[str, TestSet] = {}
    for label in labels:
        try:
            evaluation = bridge.evaluate(host, label)
        except UserError:
            raise
        except Exception as error:  # a suite may raise anything; the other detectors go on
            records[label]["failed"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            continue
        finally:
            host.scorer(label).release()
        host.figures[label] = dict(evaluation.figures)
        test_sets |= _write_scores(out, label, host.suite.name, evaluation)
    _write_run(host, catalogs, command, records, test_sets)
    return [f"failed: {label}: {record['failed']}" for label, record in records.items() if record["failed"]]


def _write_scores(out: Path, label: str, host: str, evaluation: Evaluation) -> dict[str, TestSet]:
    test_sets = {}
    for name, pictures in evaluation.pictures.items():
        root = Path(os.path.commonpath([Path(picture.path).parent for picture in pictures]))
        generators = {picture.generator for picture in pictures} - {""}
        generator = generators.pop() if len(generators) == 1 else name
        relative = [Path(picture.path).relative_to(root).as_posix() for picture in pictures]
        rows = [
            {
                "paradigm": paradigm_of(picture.generator or generator),
                "generator": picture.generator or generator,
                "path": path,
                "label": picture.label,
                "logit": picture.logit,
                "score": None if picture.logit is None else float(expit(picture.logit)),
                "error": picture.error,
            }
            for picture, path in zip(pictures, relative, strict=True)
        ]
        write_shard(out, Cell(label, f"{host}/{name}", CLEAN), rows, name="scores")
        listed = tuple(Picture(path, p.label) for path, p in zip(relative, pictures, strict=True))
        test_set = TestSet(f"{host}/{name}", root, generator, paradigm_of(generator), listed)
        test_sets[test_set.name] = test_set
    return test_sets


def _write_run(
    host: HostRun,
    catalogs: Catalogs,
    command: Sequence[str],
    records: Mapping[str, Any],
    test_sets: Mapping[str, TestSet],
) -> None:
    prints = [(test_set, fingerprint(test_set, host.settings.fingerprint)) for test_set in test_sets.values()]
    device = device_of(host.settings)
    record = new_record(host.settings, command, catalogs, records, prints, [CLEAN], device)
    record["host"] = {
        "suite": dataclasses.asdict(host.suite),
        "version": host.version,
        "arguments": host.arguments,
        "shims": host.notes.shims,
        "deviations": host.notes.deviations,
        "figures": host.figures,
    }
    write_record(host.settings.out, record)
