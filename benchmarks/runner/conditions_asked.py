"""The conditions that a run asks for: clean pictures, perturbations, and those of its suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from benchmarks.config import RunSettings
from benchmarks.perturbations import Perturbation, parse_perturbation
from benchmarks.perturbations.conditions import add_chains
from benchmarks.runfolder.scores import CLEAN
from registry import Catalogs, UserError


@dataclass(frozen=True)
class ConditionsAsked:
    """perturbations: by canonical name, each once. suites: name → condition → weight."""

    perturbations: Mapping[str, Perturbation]
    suites: Mapping[str, Mapping[str, float]]


def conditions_asked(settings: RunSettings, catalogs: Catalogs) -> ConditionsAsked:
    """Resolve every condition; chains of files that the settings name are added to the catalogue.

    Raises:
        UserError: an unknown name, suite or parameter, a wrong file, or no condition at all.
    """
    known = add_chains(settings.conditions, catalogs.perturbations)
    suites = {name: known.suite(name).conditions for name in settings.suites}
    names = [
        *([CLEAN] if settings.clean else []),
        *settings.perturbations,
        *chain.from_iterable(suites.values()),
    ]
    if not names:
        raise UserError("nothing to score: --no-clean without any --perturb or --suite")
    parsed = {name: parse_perturbation(name, catalogs.perturbations) for name in names}
    return ConditionsAsked(
        {one.name: one for one in parsed.values()},
        {
            suite: {parsed[name].name: weight for name, weight in conditions.items()}
            for suite, conditions in suites.items()
        },
    )
