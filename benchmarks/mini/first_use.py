"""Makes the parts of the data set that are not there yet, with progress, each whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from benchmarks.mini.dataset import (
    CLASS_FOLDERS,
    COUNTS,
    PARADIGM_OF,
    TRAINED_ON,
    folder,
    part_name,
    picture_name,
)
from benchmarks.mini.generators import load_generator
from benchmarks.mini.making import Part, make
from benchmarks.mini.manifest import agrees, describe, read_manifest, seal, write_manifest
from registry.dataset import FAKE, REAL

logger = logging.getLogger(__name__)


def make_parts(home: Path, split: str, generators: Sequence[str]) -> None:
    """Make one part per generator below `home`, checked against the manifest before it appears."""
    manifest = read_manifest()
    for name, part in made([(split, generator) for generator in generators]):
        _check(name, describe_part(part), manifest[name])
        store(part, home / name)


def made(wanted: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Part]]:
    """Name and pictures of each part (split, generator), whichever is finished first, with progress.

    Parts are made side by side, each by one processor thread: its pictures then do not depend on how many
    there are.
    """
    stopping = Event()
    with Progress(console=Console(stderr=True), transient=True) as bar, _one_thread_each():
        task = bar.add_task("making the mini benchmark", total=sum(COUNTS[split] for split, _ in wanted))

        def advance(done: int) -> None:
            if stopping.is_set():
                raise InterruptedError("stopped with another part")
            bar.advance(task, done)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            names = {pool.submit(make_part, *part, advance): part_name(*part) for part in wanted}
            try:
                for future in as_completed(names):
                    yield names[future], future.result()
            finally:
                stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def make_part(split: str, generator: str, progress: Callable[[int], None] = lambda done: None) -> Part:
    """The pictures of one part; the seed is a function of its name."""
    seed = zlib.crc32(f"mini/{part_name(split, generator)}/{generator}".encode())
    return make(load_generator(generator), split, COUNTS[split], seed, progress)


def describe_part(part: Part) -> dict[str, Any]:
    """Class folder → hash and statistics of its pictures."""
    return {CLASS_FOLDERS[REAL]: describe(part.real), CLASS_FOLDERS[FAKE]: describe(part.fake)}


def store(part: Part, target: Path) -> None:
    """Write a part as PNG files without compression, so that all have the same number of bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        names = []
        for label, pictures in ((REAL, part.real), (FAKE, part.fake)):
            (draft / CLASS_FOLDERS[label]).mkdir()
            for number, picture in enumerate(pictures):
                names.append(picture_name(label, number))
                Image.fromarray(picture).save(draft / names[-1], compress_level=0)
        seal(draft, names)
        _publish(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, target: Path) -> None:
    draft.chmod(0o755)
    try:
        os.rename(draft, target)
    except OSError:
        # another process made the same part meanwhile: its pictures are as good
        if not target.is_dir():
            raise


def _check(name: str, made: dict[str, Any], known: dict[str, Any]) -> None:
    inexact = [label for label in made if not agrees(made[label], known[label])]
    if inexact:
        logger.warning(
            "mini/%s: %s come out slightly different on this machine (statistics agree): "
            "compare results with other machines' only roughly",
            name,
            " and ".join(inexact),
        )


def remake() -> None:
    """Make every part from the weights that are there, and let the manifest know these pictures."""
    wanted = [("test", generator) for generator in PARADIGM_OF]
    wanted += [(split, TRAINED_ON) for split in COUNTS if split != "test"]
    parts = dict(made(wanted))
    write_manifest({part_name(*key): describe_part(parts[part_name(*key)]) for key in wanted})
    home = folder()  # named after the new manifest
    for name, part in parts.items():
        store(part, home / name)
