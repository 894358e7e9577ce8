"""What each detector of a run costs, measured on the run's device with a few of its pictures."""

from __future__ import annotations

import ctypes
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import nn

from benchmarks.loading import Session
from benchmarks.loading.samples import Prepared, prepare
from benchmarks.loading.scoring import score_prepared
from benchmarks.perturbations import Perturbation
from benchmarks.perturbations.none import none
from benchmarks.pictures import PictureError, open_member
from benchmarks.runfolder.scores import CLEAN
from registry import EncoderSpec, Feature, Picture, TestSet, View

PICTURES = 8
"""At most, and at most one batch: one of each test set in turn."""
SECONDS, ROUNDS = 2.0, (3, 30)
"""How long is measured: rounds until this many seconds have passed, within these bounds."""


def measure_costs(
    session: Session, test_sets: Sequence[TestSet], batch_size: int, max_pixels: int
) -> dict[str, dict[str, Any]]:
    """The `CostRecord` of every detector of a session that scores the pictures tried.

    Each is measured alone, encoders that it shares with others included: `pictures_per_second` from the median of
    several rounds over one batch, with views already made and on the host; `peak_memory` in bytes above what was in use
    before the first round; `flops` per picture as `torch.utils.flop_counter` counts them (matrix products, convolutions
    and attention, a multiplication and an addition each).
    """
    decoded = list(islice(decoded_pictures(test_sets, max_pixels), min(PICTURES, batch_size)))
    found = {}
    for name in session.detectors if decoded else ():
        views = session.pipeline.views([name])
        batch = [prepared_clean(one, image, views) for one, image in decoded]
        if cost := _measure(session, name, batch):
            found[name] = cost
    return found


def _measure(session: Session, name: str, batch: Sequence[Prepared]) -> dict[str, Any] | None:
    """None where a picture cannot be scored: its error is for the run to tell."""
    pipeline, device = session.pipeline, session.pipeline.device
    before = memory_now(device)
    if any(one.error for one in score_prepared(pipeline, batch, [name])):
        return None
    peak = memory_peak(device)
    flops = operations_of(lambda: score_prepared(pipeline, batch, [name]))
    times: list[float] = []
    while len(times) < ROUNDS[0] or (sum(times) < SECONDS and len(times) < ROUNDS[1]):
        wait(device)
        start = time.perf_counter()
        score_prepared(pipeline, batch, [name])
        wait(device)
        times.append(time.perf_counter() - start)
    trained, frozen = parameters(session, name)
    return {
        "pictures": len(batch),
        "pictures_per_second": len(batch) / statistics.median(times),
        "peak_memory": None if before is None or peak is None else max(0, peak - before),
        "flops": flops / len(batch),
        "parameters_trained": trained,
        "parameters_frozen": frozen,
    }


def operations_of(work: Callable[[], object]) -> int:
    """Floating-point operations of matrix products, convolutions and attention, a multiplication and an addition each."""
    # which loads a compiler that no other run needs
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # kernels of several products, compiled or torch's own of attention, tell nobody what they compute
    with counter, torch.compiler.set_stance("force_eager"), _attention_by_parts():
        work()
    return counter.get_total_flops()


@contextmanager
def _attention_by_parts() -> Iterator[None]:
    """Attention layers as products one by one, in all threads of this process."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def prepared_clean(picture: Picture, decoded: Image, views: Sequence[View]) -> Prepared:
    """A picture as it is, made into views."""
    return prepare(picture, decoded, [Perturbation(CLEAN, none(""))], views, seed=0)  # type: ignore[arg-type]


def parameters(session: Session, name: str) -> tuple[int, int]:
    """Parameters that the detector's training set, and those of the frozen networks that it reads, each once."""
    detector = session.detectors[name]
    own = list(detector.parameters())
    frozen: dict[int, nn.Parameter] = {id(one): one for one in own if not one.requires_grad}
    for source in detector.inputs.values():
        if isinstance(source, Feature):
            for encoder in _encoders(session, source.encoder):
                frozen |= {id(one): one for one in encoder.parameters()}
    return sum(one.numel() for one in own if one.requires_grad), sum(one.numel() for one in frozen.values())


def _encoders(session: Session, spec: EncoderSpec) -> Iterator[nn.Module]:
    """An encoder and those that it reads."""
    encoder = session.encoders.get(spec)
    yield encoder
    for read in encoder.reads.values():
        yield from _encoders(session, read)


def decoded_pictures(test_sets: Sequence[TestSet], max_pixels: int) -> Iterator[tuple[Picture, Any]]:
    """Pictures that can be decoded, one of each test set in turn."""
    for turn in zip_longest(*(one.pictures for one in test_sets)):
        for test_set, picture in zip(test_sets, turn, strict=True):
            if picture is None:
                continue
            try:
                yield picture, open_member(test_set, picture, max_pixels)
            except PictureError:
                continue


def wait(device: torch.device) -> None:
    """Go on when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_now(device: torch.device) -> int | None:
    """Bytes in use, after which `memory_peak` counts anew: the allocator's on a GPU, else this process's resident ones.

    None where this system cannot tell.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if sys.platform != "linux":
        return None
    try:
        # freed memory that the allocator keeps would hide what is taken anew; 5 sets the high-water mark back
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return None
    return _status("VmRSS")


def memory_peak(device: torch.device) -> int | None:
    """The most bytes that were in use at once since `memory_now`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM")


def _status(key: str) -> int | None:
    """Bytes of one line of Linux's account of this process."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
    except (OSError, StopIteration, ValueError):
        return None
