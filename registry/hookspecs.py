"""The hooks a plugin can implement; each is called once, with a function that registers names.

A plugin is a module (or object) whose functions carry `@hookimpl`, found through the entry-point
group `d3qe_bench` or given as a file with `--plugin`:

    from registry import hookimpl

    @hookimpl
    def register_detectors(register):
        register("my_detector", "my_package.detector:MyDetector", summary="…", licence="MIT")

The second argument is `"module:object"`, imported only when the name is used, or a callable. The
keyword arguments are the facts of that kind's card (`registry.card`).
"""

from __future__ import annotations

from typing import Protocol

import pluggy

from registry.catalog import Factory

PROJECT = "d3qe_bench"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """Registers one name: `register(name, "module:object" or factory, **card)`."""

    def __call__(self, name: str, target: str | Factory, /, **card: object) -> None: ...


@hookspec
def register_detectors(register: Register) -> None:
    """Register detectors: factories of `registry.Detector`; facts of `DetectorCard`."""


@hookspec
def register_encoders(register: Register) -> None:
    """Register frozen encoders: factories of `registry.Encoder`; facts of `EncoderCard`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Register data set sources; facts of `DatasetCard`.

    An on-disk layout is `scan(root, **options) -> list[TestSet]` and raises `LayoutMismatch` where `root`
    is something else; a named data set (`layout=False`) is `scan(**options)` and knows where it lies.
    """


@hookspec
def register_perturbations(register: Register) -> None:
    """Register perturbations: `factory(parameter) -> (picture, rng) -> picture`; facts of `PerturbationCard`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Register metrics: `metric(labels, logits) -> float`; facts of `MetricCard`."""


@hookspec
def register_figures(register: Register) -> None:
    """Register figures of a detector: `draw(subject) -> registry.Drawing`; facts of `FigureCard`."""
