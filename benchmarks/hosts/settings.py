"""The settings of a detector inside a suite: those of a run, as far as they concern the detector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.config import DetectorSettings, RunSettings, parse_settings
from benchmarks.loading import load_catalogs
from registry.errors import unknown_name

KEYS = ("weights", "allow_untrained", "protocol", "device", "seed", "max_pixels", "plugins")
"""Keys of a run's configuration that matter to a detector inside a suite; pictures and batches are the suite's."""


def check_keys(settings: Iterable[str], where: str) -> None:
    """Refuse settings that would do nothing."""
    for key in settings:
        if key not in KEYS:
            raise unknown_name(f"setting of {where}", key, KEYS)


def settings_for(detectors: Sequence[str] | None, host: str, settings: Mapping[str, Any]) -> RunSettings:
    """A run's settings for a library call: the named detectors, by default all but the suite's own.

    Raises:
        UserError: a key that means nothing where the suite chooses the pictures, or a wrong value.
    """
    check_keys(settings, f"{host}.register")
    if detectors is None:
        catalogs = load_catalogs(settings.get("plugins", ()))
        detectors = [name for name in catalogs.detectors.names() if not name.startswith(f"{host}:")]
    wanted = [DetectorSettings(name=name) for name in detectors]
    return parse_settings(RunSettings, {**settings, "detectors": wanted}, f"{host}.register")


def absolute(settings: RunSettings) -> RunSettings:
    """The same with absolute paths: suites change the working directory, and load the files we write for them later."""
    detectors = [
        one.model_copy(update={"weights": one.weights and one.weights.absolute()})
        for one in settings.detectors
    ]
    return settings.model_copy(
        update={
            "detectors": detectors,
            "weights": {name: path.absolute() for name, path in settings.weights.items()},
            "plugins": [path.absolute() for path in settings.plugins],
        }
    )
