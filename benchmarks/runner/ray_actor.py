"""What an actor of a Ray run does: it loads the session once, scores portions, and answers with counts."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.config import RunSettings
from benchmarks.loading import load_catalogs
from benchmarks.pictures import file_size
from benchmarks.ranks import Processes, choose_device
from benchmarks.runfolder.owner import OWNER
from benchmarks.runfolder.provenance import device_name, versions
from benchmarks.runfolder.writer import ShardWriter
from benchmarks.runner.claims import Claims
from benchmarks.runner.conditions_asked import conditions_asked
from benchmarks.runner.model import ScoringModel
from benchmarks.runner.plan import Plan, loaded_session
from benchmarks.runner.portions import Portion
from benchmarks.runner.score import score_jobs
from registry import Picture, TestSet, UserError
from registry.encoder import Passes

SHARED = (
    "the working folder, the run folder and the data of a Ray run have to be on a disk that all nodes share"
)


@dataclass(frozen=True)
class Errand:
    """What every actor of a run is told. settings: with the device that actors compute on.

    host: the driver's. folder: where the command was started: relative paths mean the same in all actors. owner: content of
    the run folder's owner file, by which an actor knows it. threads: on which an actor computes.
    """

    settings: RunSettings
    host: str
    folder: Path
    owner: bytes
    threads: int


@dataclass(frozen=True)
class Opened:
    """What an actor says of itself when its session is loaded. micro_batches, compiled: as run.json has them. records: as those of a `Session`."""

    host: str
    device: str
    device_name: str
    versions: Mapping[str, str]
    micro_batches: Mapping[str, int | None]
    compiled: Sequence[str]
    records: Mapping[str, Mapping[str, Any]]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Counts:
    """What an actor says when a portion's rows are written: its encoders' passes since it was opened, and who was stopped."""

    passes: Mapping[str, Passes]
    stopped: Mapping[str, str]


def readable(test_set: TestSet, picture: Picture) -> bool:
    """Whether the bytes of a picture are in sight of this process."""
    try:
        return file_size(test_set.file(picture)) >= 0
    except OSError:
        return False


class RayScorer:
    """One process of a Ray run. Nothing happens before `open`, so that what goes wrong can be told."""

    def open(self, errand: Errand, test_sets: Sequence[Any]) -> Opened:
        """Load plugins, detectors and conditions.

        test_sets: a Ray reference to the sets by name, each with no picture or one that the driver can read; in a list, so that
            Ray does not unpickle them before the plugins are there that some of them are made of.

        Raises:
            UserError: a folder is not here, or what `open_session` raises; with the node's name where it is not the driver's.
        """
        host = socket.gethostname()
        try:
            return self._open(errand, test_sets[0], host)
        except UserError as error:
            raise (error if host == errand.host else type(error)(f"on node {host}: {error}")) from None

    def _open(self, errand: Errand, test_sets: Any, host: str) -> Opened:
        import ray

        settings = errand.settings
        try:
            os.chdir(errand.folder)
        except OSError as error:
            raise UserError(f"cannot enter {errand.folder}, {error.strerror}: {SHARED}") from error
        owner = settings.out / OWNER
        if not owner.is_file() or owner.read_bytes() != errand.owner:
            raise UserError(f"{settings.out.absolute()} is not the run folder of this command: {SHARED}")
        torch.set_num_threads(errand.threads)
        catalogs = load_catalogs(settings.plugins, quiet=True)
        self.test_sets: dict[str, TestSet] = ray.get(test_sets)
        for test_set in self.test_sets.values():
            for picture in test_set.pictures:
                if not readable(test_set, picture):
                    raise UserError(f"{test_set.file(picture)} cannot be read: {SHARED}")
        here = Processes(0, 1, torch.device(choose_device(settings.device)))
        session = loaded_session(settings, catalogs, here)
        conditions = conditions_asked(settings, catalogs).perturbations
        self.plan = Plan(settings, (), conditions, session, here)
        self.model = ScoringModel(session.pipeline)
        device = session.device
        return Opened(
            host,
            device,
            device_name(device),
            versions(),
            session.encoders.micro_batches,
            session.encoders.compiled,
            session.records,
            session.failed,
        )

    def score(self, portion: Portion) -> Counts:
        """Score a portion and write its rows: one file per cell, which appears whole and bears the portion's name."""
        session, settings = self.plan.session, self.plan.settings
        job = portion.job(self.test_sets, session.detectors)
        if job.detectors:
            writer = ShardWriter(settings.out, math.inf, name=portion.name)
            score_jobs(self.plan, self.model, [job], writer, Claims(), Console(quiet=True))
        return Counts(session.encoders.passes, self.model.stopped)
