"""One `host run`: our detectors through a suite's own entry point, its results in our run folder."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from benchmarks.config import RunSettings
from benchmarks.datasets import fingerprint
from benchmarks.hosts.results import Evaluation, SuitePicture, write_scores
from benchmarks.hosts.scorer import Scorer, read_journal
from benchmarks.hosts.suite import Notes, Suite
from benchmarks.loading import Locator, load_catalogs
from benchmarks.ranks import choose_device
from benchmarks.runfolder.picture_digests import write_picture_digests
from benchmarks.runfolder.provenance import new_record
from benchmarks.runfolder.record import find_record, write_record
from benchmarks.runfolder.scores import CLEAN
from registry import Catalogs, TestSet, UserError


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

    @cached_property
    def catalogs(self) -> Catalogs:
        """What is registered, the run's plugin files included."""
        return load_catalogs(self.settings.plugins)

    @property
    def folder(self) -> Path:
        """Where the suite's own files of this run go."""
        return self.settings.out / "host"

    def scorer(self, label: str) -> Scorer:
        """The scorer of a detector, with a journal."""
        if label not in self._scorers:
            journal = self.folder / f"{label}.jsonl"
            self._scorers[label] = Scorer(self.settings, label, journal, self.catalogs)
        return self._scorers[label]

    def journal(self, label: str) -> list[dict[str, Any]]:
        """What the detector was asked so far, in order."""
        path = self.folder / f"{label}.jsonl"
        return read_journal(path) if path.is_file() else []

    def scored(self, label: str) -> dict[str, list[SuitePicture]]:
        """The journal's pictures by test set, of suites that tell labels and test sets when they score."""
        groups: dict[str, list[SuitePicture]] = defaultdict(list)
        for entry in self.journal(label):
            picture = SuitePicture(entry["path"], entry["label"], entry["logit"], entry["error"])
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
    if find_record(out) is not None or host.folder.exists():
        raise UserError(f"{out} already holds a run: choose another --out")
    labels = host.settings.labels
    Locator(host.catalogs, host.settings.weights, labels)  # wrong weights show before the suite is started
    bridge.start(host)
    records = {}
    for label in labels:
        records[label] = host.scorer(label).session.records[label]
        host.scorer(label).release()  # all are checked first, but only one at a time is held
    host.folder.mkdir(parents=True, exist_ok=True)
    test_sets: dict[str, TestSet] = {}
    for label in labels:
        if records[label]["failed"]:
            continue
        try:
            evaluation = bridge.evaluate(host, label)
            test_sets |= write_scores(out, label, host.suite.name, evaluation)
        except UserError:
            raise
        except Exception as error:  # a suite may raise anything; the other detectors go on
            records[label]["failed"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            continue
        finally:
            host.scorer(label).release()
        host.figures[label] = dict(evaluation.figures)
        _note_unscored(host, label)
    _write_run(host, command, records, test_sets)
    return [f"failed: {label}: {record['failed']}" for label, record in records.items() if record["failed"]]


def _note_unscored(host: HostRun, label: str) -> None:
    unscored = sum(entry["error"] is not None for entry in host.journal(label))
    if unscored:
        host.notes.deviation(
            f"in {host.suite.title}'s own figures of {label}, {unscored} pictures that could not be scored count as 0.5"
        )


def _write_run(
    host: HostRun, command: Sequence[str], records: Mapping[str, Any], test_sets: Mapping[str, TestSet]
) -> None:
    found = [(test_set, fingerprint(test_set, host.settings.fingerprint)) for test_set in test_sets.values()]
    device = choose_device(host.settings.device)
    suite = {
        "suite": dataclasses.asdict(host.suite),
        "version": host.version,
        "arguments": host.arguments,
        "shims": host.notes.shims,
        "deviations": host.notes.deviations,
        "figures": host.figures,
    }
    record = new_record(host.settings, command, host.catalogs, records, found, [CLEAN], device, host=suite)
    write_record(host.settings.out, record)
    write_picture_digests(host.settings.out, found)
