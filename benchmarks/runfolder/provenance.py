"""What a run is made of, gathered for its run.json when it starts."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.config import RunSettings
from benchmarks.datasets.fair import omitted_of
from benchmarks.datasets.fingerprint import Fingerprint
from benchmarks.runfolder.document import SCHEMA_VERSION
from benchmarks.runfolder.record import RunRecord, make_record
from registry import Catalogs, TestSet
from registry.dataset import FAKE, REAL

_DISTRIBUTIONS = [
    "d3qe-bench",
    "torch",
    "torchvision",
    "open_clip_torch",
    "mmengine",
    "pluggy",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "scikit-learn",
    "scipy",
]


def new_record(
    settings: RunSettings,
    command: Sequence[str],
    catalogs: Catalogs,
    detectors: Mapping[str, Mapping[str, Any]],
    test_sets: Sequence[tuple[TestSet, Fingerprint]],
    perturbations: Sequence[str],
    device: str | None,
    **more: Any,
) -> RunRecord:
    """The record of a run. test_sets: each with its fingerprint. device: None where it is not known yet. more: further
    keys of run.json."""
    return make_record(
        {
            "schema": SCHEMA_VERSION,
            "command": command,
            "config": settings.model_dump(mode="json"),
            "versions": versions(),
            "git": git_state(),
            **({"device": device, "device_name": device_name(device)} if device else {}),
            "dtype": settings.precision,
            "seed": settings.seed,
            "fair": settings.fair,
            "plugins": [dataclasses.asdict(plugin) for plugin in catalogs.plugins],
            "detectors": detectors,
            "datasets": {
                test_set.name: {
                    "paradigm": test_set.paradigm,
                    "generator": test_set.generator,
                    "asked": {"real": test_set.count(REAL), "fake": test_set.count(FAKE)},
                    "fingerprint": fingerprint.digest,
                    "fingerprint_of": settings.fingerprint,
                    **({"prepare": str(test_set.prepare)} if test_set.prepare else {}),
                    **({"omitted": list(omitted)} if (omitted := omitted_of(test_set)) else {}),
                    **({"not_fetched": list(test_set.absent)} if test_set.absent else {}),
                }
                for test_set, fingerprint in test_sets
            },
            "perturbations": perturbations,
            **({"reported": figures} if (figures := list(_figures(settings))) else {}),
            **more,
        }
    )


def _figures(settings: RunSettings) -> Iterator[dict[str, Any]]:
    """The published figures of the settings, one by one, of the detectors that take part."""
    for table in settings.reported:
        for detector in table.detectors:
            for on, value in table.values.items() if detector in settings.labels else ():
                yield {
                    "detector": detector,
                    "on": on,
                    "value": value,
                    **table.model_dump(include={"metric", "perturbation", "source", "differs"}),
                }


def versions() -> dict[str, str]:
    """Python, platform and the distributions that a score may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that the code runs from and whether it has changes; None outside of one."""
    root = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def device_name(device: str) -> str:
    """What the device calls itself."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()}, {torch.get_num_threads()} threads"


def _cpu_name() -> str:
    """The model's name where the system tells it, else the architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        named = []
    return named[0] if named else platform.processor() or platform.machine()
