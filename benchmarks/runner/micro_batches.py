"""`--micro-batch probe`: how many pictures go through each encoder together, by a short measurement on the run's device.

The last bits of scores depend on it, so it is measured once for a run folder: run.json keeps what was chosen, and whoever
goes on with the folder, a resume, another shard or rank, takes it from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.loading import Session
from benchmarks.runfolder.record import RunRecord
from benchmarks.runfolder.resume import same_kind_of_device
from benchmarks.runfolder.scores import CLEAN
from benchmarks.runner.cost_probe import decoded_pictures, prepared_clean, wait
from registry import EncoderSpec, TestSet, View

SECONDS = 5.0
"""Sizes of which a call is expected to take longer are not tried."""
ROUNDS = 3
"""All sizes in turn, so often; the fastest call of each counts."""
GAIN = 0.97
"""A larger size has to take less than this share of the best smaller one's time, which needs less memory."""


def choose_micro_batches(session: Session, test_sets: Sequence[TestSet], old: RunRecord | None) -> None:
    """Set how many pictures go through each encoder of a session together: as in `old`, the record of the run folder, else
    as measured on the first picture.
    """
    known = old.micro_batches if old and same_kind_of_device(old.device, session.device) else {}
    encoders, seen = session.encoders, set(known)
    for variant, pictures in known.items():
        encoders.run_at_once(variant, pictures)
    for (spec, view), outputs in session.pipeline.reads(session.detectors).items():
        if spec.variant in seen or encoders.get(spec).reads:
            continue
        image = _first_view(test_sets, session.settings.max_pixels, view)
        if image is not None:
            seen.add(spec.variant)
            _measure(session, spec, view.values(torch.from_numpy(image)), outputs)


def _first_view(test_sets: Sequence[TestSet], max_pixels: int, view: View) -> np.ndarray | None:
    """The view of the first picture that has one."""
    for picture, decoded in decoded_pictures(test_sets, max_pixels):
        views = prepared_clean(picture, decoded, [view]).samples[CLEAN]
        if not isinstance(views, str):
            return views[view]
    return None


def _measure(session: Session, spec: EncoderSpec, image: torch.Tensor, outputs: set[str]) -> None:
    encoders, most = session.encoders, session.settings.batch_size
    encoder = encoders.get(spec)

    @torch.inference_mode()
    def seconds(pictures: int) -> float:
        encoders.run_at_once(spec.variant, pictures)
        batch = torch.stack([image] * pictures).to(encoders.device)
        wait(encoders.device)
        start = time.perf_counter()
        encoders.run(encoder, batch, outputs)
        wait(encoders.device)
        return time.perf_counter() - start

    sizes = {1, 2, 4, most} if encoders.device.type == "cpu" else {most // 4, most // 2, most}
    encoders.run_at_once(spec.variant, fastest(seconds, [one for one in sizes if 1 <= one <= most]))


def fastest(seconds: Callable[[int], float], sizes: Sequence[int]) -> int:
    """The size at which a picture takes the least time. seconds: of one call with so many pictures."""
    first = min(sizes)
    seconds(first)  # warms up
    alone = seconds(first) / first
    tried = [first, *(one for one in sorted(sizes) if one > first and one * alone <= SECONDS)]
    times: dict[int, list[float]] = {one: [] for one in tried}
    for _ in range(ROUNDS):
        for one in tried:
            times[one].append(seconds(one) / one)
    found = first
    for one in tried:
        if min(times[one]) < GAIN * min(times[found]):
            found = one
    return found
