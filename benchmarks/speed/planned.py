"""Runs that are planned once, their networks built, and scored as often as wanted: measured is what comes after the start."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.config import DetectorSettings, RunSettings
from benchmarks.ranks import Processes
from benchmarks.runfolder.scores import read_scores
from benchmarks.runner.plan import Plan, make_plan
from benchmarks.runner.score import score_pending
from registry import UserError


def planned(data: Path, detectors: Sequence[str], device: str = "cpu", **settings: Any) -> Plan:
    """The plan of a run of these detectors, without weights where there are none; raises `UserError` as a run does."""
    chosen = RunSettings(
        data=[str(data)],
        detectors=[DetectorSettings(name=name) for name in detectors],
        allow_untrained=True,
        device=device,
        **settings,
    )
    plan = make_plan(chosen, Processes(0, 1, torch.device(device)))
    for name, reason in plan.session.failed.items():
        raise UserError(f"{name}: {reason}")
    return plan


def only(plan: Plan, names: Sequence[str]) -> Plan:
    """The same with some of its detectors; encoders stay shared."""
    detectors = {name: plan.session.detectors[name] for name in names}
    return replace(plan, session=replace(plan.session, detectors=detectors))


def score(plan: Plan, within: Path, **changed: Any) -> Path:
    """Score all pictures into a new folder within this one, which is returned; changed: settings that are others now."""
    within.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(dir=within))
    settings = plan.settings.model_copy(update={"out": out, **changed})
    if stopped := score_pending(replace(plan, settings=settings), Console(quiet=True)):
        raise UserError("; ".join(f"{name}: {reason}" for name, reason in stopped.items()))
    return out


def logits_of(*runs: Path) -> dict[tuple[str, str], float]:
    """Logits of run folders by (detector, path of the picture)."""
    return {
        (detector, path): logit
        for run in runs
        for detector, path, logit in read_scores(run)[["detector", "path", "logit"]].itertuples(index=False)
    }
