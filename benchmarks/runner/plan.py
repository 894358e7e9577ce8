"""Everything a run needs, checked before its first picture is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.config import AUTO, RAY, RunSettings
from benchmarks.datasets import requested_test_sets
from benchmarks.loading import Locator, Session, load_catalogs, open_session
from benchmarks.loading.effects import choose_precision
from benchmarks.loading.feeds import add_feeds, parse_feeds
from benchmarks.perturbations import Perturbation
from benchmarks.ranks import Processes
from benchmarks.runner.conditions_asked import conditions_asked
from registry import Catalogs, TestSet, UserError
from registry.dataset import REAL


@dataclass(frozen=True)
class Plan:
    """Everything a run needs, checked, before the first picture is opened. suites: name → condition → weight."""

    settings: RunSettings
    test_sets: Sequence[TestSet]
    perturbations: Mapping[str, Perturbation]
    session: Session
    processes: Processes
    suites: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def make_plan(settings: RunSettings, processes: Processes) -> Plan:
    """Resolve every name and load every weight, the quick checks first."""
    catalogs = load_catalogs(settings.plugins, quiet=not processes.first)
    asked = conditions_asked(settings, catalogs)
    parse_feeds(settings.feeds)
    for figures in settings.reported:
        catalogs.metrics.entry(figures.metric)
    Locator(
        catalogs, settings.weights, settings.labels
    )  # a wrong name shows before the pictures are looked for
    test_sets = requested_test_sets(settings, catalogs)
    if settings.calibrate_on and not settings.clean:
        raise UserError("--calibrate-on chooses thresholds on clean pictures: leave out --no-clean")
    if settings.calibrate_on is not None or settings.fpr is not None:
        from benchmarks.runfolder.evaluate import asked_validation

        asked_validation(
            settings.calibrate_on, settings.fpr, {one.name: one.count(REAL) for one in test_sets}
        )
    # the driver of actors computes nothing
    here = settings.model_copy(update={"compile": False}) if settings.launcher == RAY else settings
    session = loaded_session(here, catalogs, processes)
    return Plan(settings, test_sets, asked.perturbations, session, processes, asked.suites)


def loaded_session(settings: RunSettings, catalogs: Catalogs, processes: Processes) -> Session:
    """The detectors of a run in all ways in which they are fed, where this process computes."""
    where = settings.model_copy(update={"device": str(processes.device)})
    session = open_session(where, catalogs=catalogs)
    if settings.precision == AUTO:
        for name, reason in choose_precision(session).items():
            session.records[name]["precision"] = reason
    add_feeds(session, settings.feeds)
    return session
