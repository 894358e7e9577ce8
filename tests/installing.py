"""Installs a small package as a user would, into a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def install(source: Path, target: Path) -> Path:
    """`pip install --target` without network or dependencies, from a copy so that `source` stays clean."""
    copy = target.with_name(f"{target.name}-source")
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--no-compile", "--target", str(target), str(copy)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return target


def write_plugin(target: Path, name: str, code: str) -> None:
    """What an installed distribution with one plugin module looks like, without running pip."""
    (target / f"{name}.py").write_text(code)
    info = target / f"{name.replace('_', '-')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[d3qe_bench]\n{name} = {name}\n")
