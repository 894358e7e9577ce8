"""`d3qe-bench doctor`: what is installed and what is missing, with the command that mends it."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import typer

OPENCV_REMEDY = (
    "install the system library (Debian: apt-get install libgl1) or the headless twin "
    "(pip uninstall opencv-python; pip install opencv-python-headless)"
)


@dataclass(frozen=True)
class Check:
    """One line of the report. state: `ok`, `note` (nothing to mend) or `missing`."""

    what: str
    state: str
    detail: str


def doctor() -> None:
    """Check packages, libGL, GPU, weights, plugins and disk.

    Exit code 0: everything that a run needs works; 1: something is missing, with what mends it.
    """
    from benchmarks.tables import print_table

    checks = list(_checks())
    colours = {"ok": "green", "note": "yellow", "missing": "red"}
    print_table([(one.state, one.what, one.detail) for one in checks], styles=colours)
    raise typer.Exit(1 if any(one.state == "missing" for one in checks) else 0)


def _checks() -> Iterator[Check]:
    from benchmarks.runfolder.provenance import versions

    for name, version in versions().items():
        yield Check(name, "missing" if version == "not installed" else "ok", version)
    yield _importable("cv2", "opencv (mmengine needs it)", OPENCV_REMEDY)
    yield _importable("mmengine.runner", "mmengine's Runner", "pip install --force-reinstall mmengine")
    yield _gpu()
    yield _disk()
    yield from _registry()


def _importable(module: str, what: str, remedy: str) -> Check:
    try:
        importlib.import_module(module)
    except Exception as error:
        return Check(what, "missing", f"{type(error).__name__}: {error}; {remedy}")
    return Check(what, "ok", "imports")


def _gpu() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check("GPU", "note", f"none: runs use the CPU with {torch.get_num_threads()} threads")
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return Check("GPU", "ok", f"{names}, CUDA {torch.version.cuda}")


def _disk() -> Check:
    from benchmarks.loading.locate import weights_folder

    folder = weights_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    return Check("weights folder", "ok", f"{folder}, {free:.0f} GiB free")


def _registry() -> Iterator[Check]:
    from benchmarks.loading.locate import missing_files
    from registry import load_plugins

    catalogs = load_plugins()
    for plugin in catalogs.plugins:
        state = {"ok": "ok", "disabled": "note"}.get(plugin.status, "missing")
        detail = f"{plugin.origin}{': ' if plugin.error else ''}{plugin.error}"
        yield Check(f"plugin {plugin.name}", state, detail)
    for name, found, how in missing_files(catalogs):
        yield Check(f"weights of {name}", "ok" if found else "note", str(found or how))
