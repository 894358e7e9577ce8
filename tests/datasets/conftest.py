"""Small data sets on disk in every layout."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from registry import Catalogs, load_plugins

MakeFiles = Callable[..., Path]


@pytest.fixture(scope="session")
def catalogs() -> Catalogs:
    """The built-in layouts and perturbations, and nothing from outside."""
    return load_plugins(environ={"D3QE_BENCH_PLUGINS": ""})


@pytest.fixture(scope="session")
def png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_files(tmp_path: Path, png: bytes) -> MakeFiles:
    """Write picture files, given as paths, below a folder of their own; returns that folder."""

    def make(*paths: str, root: str = "data") -> Path:
        for path in paths:
            file = tmp_path / root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png)
        return tmp_path / root

    return make
