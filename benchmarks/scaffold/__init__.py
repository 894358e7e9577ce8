"""Writes a small package with one detector: what a newcomer starts from."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
from pathlib import Path
from tempfile import mkdtemp

from jinja2 import Environment, PackageLoader, StrictUndefined

from registry import Catalogs, DetectorCard, UserError
from registry.catalog import Catalog

_FILES = {
    "pyproject.toml.j2": "pyproject.toml",
    "setup.cfg.j2": "setup.cfg",
    "README.md.j2": "README.md",
    "package/__init__.py.j2": "{name}/__init__.py",
    "package/detector.py.j2": "{name}/detector.py",
    "tests/test_detector.py.j2": "tests/test_{name}.py",
}


def new_detector(name: str, into: Path, catalogs: Catalogs) -> Path:
    """Write the package `into/name`, whole or not at all; nothing that is there is overwritten.

    name: of the detector and of its Python package.

    Returns:
        The new folder.

    Raises:
        UserError: the name cannot be a package's, or is taken, or the folder exists.
    """
    _check_name(name, catalogs.detectors)
    target = into / name
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} exists; nothing was written")
    templates = Environment(
        loader=PackageLoader("benchmarks.scaffold"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # the files are code and text, not HTML
    )
    facts = {
        "name": name,
        "class_name": "".join(word.capitalize() for word in name.split("_")),
        "distribution": f"d3qe-bench-{name.replace('_', '-')}",
    }
    into.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=f".{name}-", dir=into))
    try:
        for template, place in _FILES.items():
            file = draft / place.format(name=name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(templates.get_template(template).render(facts), encoding="utf-8")
        draft.chmod(0o755)  # a temporary folder is for its owner only
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _check_name(name: str, detectors: Catalog[DetectorCard]) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        words = re.findall(r"[a-z0-9]+", name.lower())
        usable = "_".join(words) if words and words[0][0].isalpha() else ""
        hint = f", such as {usable}" if usable and not keyword.iskeyword(usable) else ""
        raise UserError(
            f"{name!r} cannot name a Python package: lower-case letters, digits and underscores, "
            f"a letter first, no keyword{hint}"
        )
    if name in detectors:
        raise UserError(f"a detector {name!r} is already registered by {detectors.entry(name).origin}")
    if importlib.util.find_spec(name) is not None:
        raise UserError(f"a Python package {name!r} is already installed: choose another name")
