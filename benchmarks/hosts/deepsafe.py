"""Our detectors in DeepSafe: small model files whose `predict(path)` its `deepsafe eval` calls."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.config import RunSettings
from benchmarks.hosts.host_run import HostRun
from benchmarks.hosts.observe import observed
from benchmarks.hosts.results import Evaluation, SuitePicture
from benchmarks.hosts.scorer import Scorer
from benchmarks.hosts.settings import absolute, settings_for
from benchmarks.hosts.suite import Suite

SUITE = Suite(
    name="deepsafe",
    title="DeepSafe",
    licence="PolyForm-Noncommercial-1.0.0",
    install="pip install deepsafe-bench==1.0.0",
    distribution="deepsafe-bench",
    versions=("1.0.0",),
)

_FILE = '''"""{label} of d3qe-bench as a DeepSafe model: deepsafe eval --model {label}.py …"""

from benchmarks.hosts.deepsafe import predictor

predict = predictor({settings!r}, {label!r}, {journal!r})
'''


def predictor(settings: str, label: str, journal: str | None = None) -> Callable[[Path], float]:
    """`predict(path) -> P(generated)` of one detector. settings: a run's settings as JSON."""
    scorer = Scorer(RunSettings(**json.loads(settings)), label, Path(journal) if journal else None)
    return lambda path: scorer.probability(Path(path))


def register(
    detectors: Sequence[str] | None = None, folder: Path = Path("deepsafe_models"), **settings: Any
) -> dict[str, Path]:
    """Write one model file per detector for `deepsafe eval --model FILE`.

    detectors: names in our registry, all by default. settings: as in a run's configuration
        (`weights`, `allow_untrained`, `device`, …).

    Returns:
        Our name → the file.
    """
    SUITE.version()
    chosen = settings_for(detectors, SUITE.name, settings)
    return {one.shown: _write(chosen, one.shown, folder, None) for one in chosen.detectors}


def _write(settings: RunSettings, label: str, folder: Path, journal: Path | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{label}.py"
    noted = str(journal.absolute()) if journal else None
    file.write_text(_FILE.format(label=label, settings=absolute(settings).model_dump_json(), journal=noted))
    return file


def start(host: HostRun) -> None:
    """Check the installed version."""
    host.version = SUITE.version()


def evaluate(host: HostRun, label: str) -> Evaluation:
    """`deepsafe eval` with the user's arguments, on a model file of this detector."""
    from deepsafe import cli, data
    from deepsafe import evaluate as suite

    file = _write(host.settings, label, host.folder, host.folder / f"{label}.jsonl")
    arguments = ["eval", "--model", str(file), "--out", str(host.folder / label), *host.arguments]
    with observed(suite, "evaluate_detector") as cards:
        if cli.main(arguments) != 0 or not cards:
            raise RuntimeError("deepsafe eval did not succeed, see what it printed")
    tier, root = _where(host.arguments)
    facts = {str(path): record for path, record in data.iter_samples(tier, root)}
    pictures = [
        SuitePicture(
            entry["path"],
            int(facts[entry["path"]]["label"] == "fake"),
            entry["logit"],
            entry["error"],
            facts[entry["path"]].get("generator", ""),
        )
        for entry in host.journal(label)
    ]
    return Evaluation({tier: pictures}, dataclasses.asdict(cards[0]))


def _where(arguments: Sequence[str]) -> tuple[str, Path]:
    """The tier and data folder among the suite's arguments, with the suite's own defaults."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--tier", default="small")
    parser.add_argument("--data", type=Path, default=Path("./dataset"))
    known, _ = parser.parse_known_args(arguments)
    return known.tier, known.data
