"""The plugin that brings DetectZoo's image detectors in, as `detectzoo:<name>`. Imports neither it nor torch."""

from __future__ import annotations

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from registry import hookimpl
from registry.hookspecs import Register

if TYPE_CHECKING:
    from registry import Detector

_REGISTERED = re.compile(r'^@register_detector\("([a-z0-9_]+)"', re.MULTILINE)


def image_detectors() -> list[str]:
    """Names that the installed DetectZoo registers for images, read from its source; none without it."""
    found = find_spec("detectzoo")
    if found is None or not found.submodule_search_locations:
        return []
    folder = Path(found.submodule_search_locations[0], "detectors", "image")
    files = sorted(folder.glob("*.py"))
    return [name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))]


def build(name: str, **options: object) -> Detector:
    """DetectZoo's detector `name`. options: its constructor's."""
    from benchmarks.hosts.detectzoo_wrapper import DetectZooDetector

    return DetectZooDetector(name, options)


@hookimpl
def register_detectors(register: Register) -> None:
    """One entry per image detector of the installed DetectZoo."""
    for name in image_detectors():
        register(
            f"detectzoo:{name}",
            partial(build, name),
            summary=f"{name} as DetectZoo has it; DetectZoo fetches its weights where no file is named",
            paper="named in DetectZoo's own documentation",
            protocols=("original",),
            needs_weights=False,
        )
