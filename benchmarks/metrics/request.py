"""What a run was asked to score, read from its `run.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scores import Cell
from registry.errors import UserError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Request:
    """The part of `run.json` that metrics and reports need.

    detectors, datasets: facts by name, as the runner wrote them.
    perturbations: as they were asked for, `none` for clean pictures.
    """

    detectors: Mapping[str, Mapping[str, Any]]
    datasets: Mapping[str, Mapping[str, Any]]
    perturbations: tuple[str, ...]
    seed: int = 0

    def cells(self) -> Iterator[Cell]:
        """Every (detector, test set, perturbation) that was asked for."""
        for detector in self.detectors:
            for perturbation in self.perturbations:
                for dataset in self.datasets:
                    yield Cell(detector, dataset, perturbation)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a run folder whose `schema` this version reads.

    Raises:
        UserError: absent, not JSON, or written by a newer version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no {path.name} in {path.parent}: is it a run folder?") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    version = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise UserError(f"{path} has schema {version!r}; this version reads 1 to {SCHEMA_VERSION}")
    return found


def read_request(run: Path) -> Request:
    """The request of a run folder; raises `UserError` as `read_json`, or if a part of it is missing."""
    found = read_json(Path(run, "run.json"))
    missing = [key for key in ("detectors", "datasets", "perturbations") if key not in found]
    if missing:
        raise UserError(f"{Path(run, 'run.json')} lacks {', '.join(missing)}")
    for name, facts in found["datasets"].items():
        if not {"real", "fake"} <= set(facts.get("asked") or ()):
            raise UserError(
                f"{Path(run, 'run.json')} does not say how many pictures of {name} were asked for"
            )
    return Request(
        found["detectors"], found["datasets"], tuple(found["perturbations"]), int(found.get("seed") or 0)
    )
