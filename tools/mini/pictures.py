"""Makes the pictures of the data set `mini` from the generators' weights, and stores them in the package.

python -m tools.mini.build pictures
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import torch
from PIL import Image

from benchmarks.files import write_json
from benchmarks.mini.dataset import CLASS_FOLDERS, COUNTS, PARADIGM_OF, PICTURES, TRAINED_ON, part_name
from benchmarks.mini.manifest import MANIFEST
from benchmarks.progress import ProgressBar
from registry.dataset import FAKE, REAL
from tools.mini.generators import load_generator
from tools.mini.making import Part, make

_VP8X = b"VP8X\x0a\0\0\0" + bytes(4) + bytes([63, 0, 0, 63, 0, 0])
"""A header of 64×64 px and no feature: the extended form of WebP is the one that may hold chunks of its own."""


def build_pictures(folder: Path = PICTURES, manifest: Path = MANIFEST) -> None:
    """Make every part from the weights that are there, store it below `folder` and its hashes in `manifest`."""
    wanted = [("test", generator) for generator in PARADIGM_OF]
    wanted += [(split, TRAINED_ON) for split in COUNTS if split != "test"]
    parts = dict(made(wanted))
    hashes = {name: store(parts[name], folder / name) for name in (part_name(*key) for key in wanted)}
    write_json(manifest, {"schema": 2, "parts": hashes})


def made(wanted: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Part]]:
    """Name and pictures of each part (split, generator), whichever is finished first, with progress.

    Parts are made side by side, each by one processor thread: its pictures then do not depend on how many
    there are.
    """
    stopping = Event()
    total = sum(COUNTS[split] for split, _ in wanted)
    with ProgressBar("making the mini benchmark", total) as bar, _one_thread_each():

        def advance(done: int) -> None:
            if stopping.is_set():
                raise InterruptedError("stopped with another part")
            bar.advance(done)

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


def store(part: Part, target: Path) -> dict[str, dict[str, str]]:
    """Write a part as lossless WebP in place of what was there, and return its hashes for the manifest.

    Compressed sizes differ between the classes. A real and a generated picture of one number therefore get as
    many bytes as the larger one has, so that both classes have the same sizes, each equally often.
    """
    shutil.rmtree(target, ignore_errors=True)
    for folder in CLASS_FOLDERS.values():
        (target / folder).mkdir(parents=True)
    files = {folder: hashlib.sha256() for folder in CLASS_FOLDERS.values()}
    pairs = zip(part.real, part.fake, strict=True)
    for number, (real, fake) in enumerate(pairs):
        for folder, content in zip(files, same_size(encode(real), encode(fake)), strict=True):
            (target / folder / f"{number:04d}.webp").write_bytes(content)
            files[folder].update(content)
    pixels = {CLASS_FOLDERS[REAL]: part.real, CLASS_FOLDERS[FAKE]: part.fake}
    return {
        folder: {"files": digest.hexdigest(), "pixels": hash_pixels(pixels[folder])}
        for folder, digest in files.items()
    }


def hash_pixels(pictures: np.ndarray) -> str:
    """SHA-256 of pictures uint8 (N, 64, 64, 3)."""
    return hashlib.sha256(np.ascontiguousarray(pictures).tobytes()).hexdigest()


def encode(picture: np.ndarray) -> bytes:
    """A picture uint8 (64, 64, 3) as lossless WebP (more effort than the default makes 64×64 px no smaller)."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", lossless=True, quality=100)
    return buffer.getvalue()


def same_size(*contents: bytes) -> list[bytes]:
    """WebP files of 64×64 px without metadata, padded to one length by a chunk that readers skip.

    https://developers.google.com/speed/webp/docs/riff_container, "Unknown Chunks".
    """
    longest = max(map(len, contents))
    padded = []
    for content in contents:
        # chunks have even lengths, so the gap is even too
        gap = longest - len(content)
        chunks = _VP8X + content[12:] + b"PAD " + gap.to_bytes(4, "little") + bytes(gap)
        padded.append(b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks)
    return padded
