"""What differs between runs whose numbers stand side by side: settings, pictures, weights, versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.reports.load import Run

ABSENT = "–"
_SHOWN = 12
"""Characters of a digest: enough to tell two apart."""


@dataclass(frozen=True)
class Disagreement:
    """One fact that not all runs agree in. kind: what it is about; values: by run, as text, in the order of the runs."""

    kind: str
    what: str
    values: tuple[str, ...]


def differences(runs: Sequence[Run]) -> list[Disagreement]:
    """What not all of several runs agree in, what changes numbers most first: pictures, weights, settings, versions.

    A test set or detector that a run lacks has a dash there and is named once.
    """
    if len(runs) < 2:
        return []
    facts = [{(kind, what): value for kind, what, value in _facts(run)} for run in runs]
    found = []
    for key in dict.fromkeys(key for known in facts for key in known):
        values = tuple(known.get(key, ABSENT) for known in facts)
        if len(set(values)) > 1:
            found.append(Disagreement(*key, values))
    order = [kind for kind, _, _ in _facts(runs[0])]
    kinds = list(dict.fromkeys([*order, *(one.kind for one in found)]))
    return sorted(found, key=lambda one: kinds.index(one.kind))


def _facts(run: Run) -> Iterator[tuple[str, str, str]]:
    record = run.record
    for name, data in record.datasets.items():
        digest = (data.fingerprint or "unknown")[:_SHOWN]
        yield (
            "pictures",
            name,
            f"{data.asked.real} real, {data.asked.fake} generated, {digest}{f', {data.view}' if data.view else ''}",
        )
    for name, detector in record.detectors.items():
        weights = detector.weights.sha256[:_SHOWN] if detector.weights else "none"
        parts = [f"weights {weights}", *(f"{key} {value}" for key, value in sorted(detector.options.items()))]
        if detector.untrained:
            parts.append("untrained")
        yield "detectors", name, ", ".join(parts)
        for encoder, digest in sorted(detector.encoders.items()):
            yield "encoders", f"{encoder} of {name}", str(digest)[:_SHOWN]
    yield "settings", "pictures as", ", ".join(record.perturbations)
    for name in ("seed", "dtype", "device", "device_name"):
        yield "settings", name.replace("_", " "), _text(getattr(record, name))
    yield "settings", "compiled", ", ".join(record.compiled) or "none"
    bootstrap = run.metrics["bootstrap"]
    yield "settings", "resamples", f"{bootstrap['resamples']}, seed {bootstrap['seed']}"
    if record.git:
        yield (
            "versions",
            "code",
            f"{record.git.commit[:_SHOWN]}{' with changes' if record.git.changed else ''}",
        )
    for name, version in record.versions.items():
        yield "versions", name, str(version)


def _text(value: Any) -> str:
    return ABSENT if value is None else str(value)
