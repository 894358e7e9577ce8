"""Named chains and suites of conditions, from `conditions.yaml` and files of the same form."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.perturbations.parameter import no_parameter
from benchmarks.perturbations.spec import CHAIN, Steps
from benchmarks.yaml12 import load_yaml
from registry.card import PerturbationCard
from registry.catalog import Catalog, Entry
from registry.errors import UserError, unknown_name

BUILT_IN = Path(__file__).with_name("conditions.yaml")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NamedChain(_Part):
    """steps: as `--perturb chain:` takes them, or names of other chains. source: of its figures."""

    steps: str = Field(min_length=1)
    summary: str = Field(min_length=1)
    source: str = Field(min_length=1)


class ConditionSuite(_Part):
    """conditions: with the weight of each in the suite's mean."""

    summary: str = Field(min_length=1)
    conditions: dict[str, float] = Field(min_length=1)


class _File(_Part):
    chains: dict[str, NamedChain] = {}
    suites: dict[str, ConditionSuite] = {}


@dataclass(frozen=True)
class Conditions:
    """Chains and suites by name."""

    chains: Mapping[str, NamedChain] = field(default_factory=dict)
    suites: Mapping[str, ConditionSuite] = field(default_factory=dict)

    def suite(self, name: str) -> ConditionSuite:
        """The suite of that name; raises `UserError` for an unknown one, with the nearest."""
        if name not in self.suites:
            raise unknown_name("suite", name, self.suites)
        return self.suites[name]


def named_chain(parameter: str, *, name: str, steps: str) -> Steps:
    """What is registered for a named chain; it takes no parameter."""
    no_parameter(name, parameter)
    return Steps(steps)


def facts_of(chain: NamedChain) -> dict[str, str]:
    """The card of a named chain."""
    return {"summary": f"{chain.steps}: {chain.summary}", "paper": chain.source}


def add_chains(files: Sequence[Path], catalog: Catalog[PerturbationCard]) -> Conditions:
    """The built-in suites and those of `files`, whose chains are added to `catalog`.

    Raises:
        UserError: a file cannot be read, or is not of the form, or a name is taken.
    """
    suites = dict(built_in().suites)
    chains = dict(built_in().chains)
    for file in files:
        own = read_conditions(file)
        for name, chain in own.chains.items():
            if name in catalog:
                raise UserError(f"{file}: chain {name!r} is taken by {catalog.entry(name).origin}")
            target = partial(named_chain, name=name, steps=chain.steps)
            catalog.add(Entry(name, target, PerturbationCard(**facts_of(chain)), f"file {file}"))
            chains[name] = chain
        for name, suite in own.suites.items():
            if name in suites:
                raise UserError(f"{file}: there is a suite {name!r} already")
            suites[name] = suite
    return Conditions(chains, suites)


@functools.cache
def built_in() -> Conditions:
    """The chains and suites that ship with the package."""
    return read_conditions(BUILT_IN)


def read_conditions(file: Path) -> Conditions:
    """A file's chains and suites; raises `UserError` in one line that says where it is wrong."""
    try:
        content = load_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the conditions {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    try:
        found = _File.model_validate(content or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{file}: {place}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
    for name in found.chains:
        if set(name) & set(":,=/ ") or name.startswith(CHAIN):
            raise UserError(
                f"{file}: chain {name!r}: a name has no colon, comma, equals sign, slash or space"
            )
    for name, suite in found.suites.items():
        if wrong := [condition for condition, weight in suite.conditions.items() if not weight > 0]:
            raise UserError(f"{file}: suite {name}: the weight of {wrong[0]} must be above 0")
    return Conditions(found.chains, found.suites)
