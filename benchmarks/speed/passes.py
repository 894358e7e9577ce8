"""What one pass saves: a detector as it was released and as it runs here, in lower precision, and with others beside it.

    python -m benchmarks.speed.passes [--detector d3qe] [--others univfd,rine,linear_probe] [--device cpu]
        [--pictures 4] [--batch-size 4] [--rounds 3] [--precision bfloat16] [--ways released,float32,lower] [--protocol uniform]

Networks with weights from a seed where there are none, whose cost is that of trained ones, on random 256-pixel pictures, from
decoded pictures to logits; building the networks is in none of it. Ways, in turn:

released: as D³QE's released evaluation runs: picture by picture, with gradients recorded by the trained part, and at
    each position all distances to the codes and a softmax over them for an entropy that nobody uses. The C library
    gives back what is freed, and a GPU's convolutions are in TF32, as by default.
float32, lower: the detector here, in batches, in float32 and in `--precision`.
compiled, compiled-lower: the same two with `--compile`; how long the first call took, in which it compiles, is printed apart.
together: the detector and the others in one pass. apart: each in a pass of its own. Both in float32.

Operations are those of the detector's networks, as `run --cost` counts them; the peak is that of the fastest product of square
matrices measured here in the way's precision. The last column is the largest difference of a logit from the way `float32`.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from PIL import Image
from torch import Tensor

from benchmarks.commands.outcome import run_script
from benchmarks.loading import Session, open_session
from benchmarks.loading.allocator import keep_freed_memory
from benchmarks.loading.tensor_float import use_tensor_float
from benchmarks.runfolder.provenance import device_name
from benchmarks.runner.cost_probe import operations_of
from benchmarks.speed.alternation import Way, alternately, ratio
from benchmarks.speed.peak import matmul_peak
from benchmarks.tables import print_table
from registry import Feature, UserError
from registry.errors import unknown_name
from registry.inputs import encoder_outputs
from registry.plugins import one_line
from registry.tokenizer import Tokenizer
from registry.view import views_of

WAYS = ("released", "float32", "lower", "compiled", "compiled-lower", "together", "apart")
_TEMPERATURE = 0.01


def released_way(session: Session, name: str, pictures: list[Image.Image]) -> list[float]:
    """Logits as the released evaluation finds them, written from its description."""
    detector, pool = session.detectors[name].eval(), session.encoders
    logits = []
    for picture in pictures:
        known: dict[Any, Tensor] = {}
        for (spec, view), outputs in encoder_outputs(detector.inputs.values()).items():
            images, encoder = view(picture)[None].to(session.device), pool.get(spec)
            found = (
                _all_distances(encoder, images)
                if isinstance(encoder, Tokenizer)
                else encoder(images, outputs)
            )
            known.update({Feature(spec, view, output): found[output] for output in outputs})
        inputs = {key: known[source] for key, source in detector.inputs.items()}
        logits.append(float(detector(inputs).detach()))
    return logits


def _as_by_default(way: Way) -> object:
    """A way with what a session changes as it is by default: the C library's treatment of freed memory, a GPU's of float32."""
    keep_freed_memory(False)
    use_tensor_float(True)
    try:
        return way()
    finally:
        use_tensor_float(False)
        keep_freed_memory()


def _all_distances(tokenizer: Tokenizer, images: Tensor) -> dict[str, Tensor]:
    """Codes by all distances at once, and the entropy of a softmax over them, position by position and on average."""
    _, latents = tokenizer.encoded(images)
    codes = F.normalize(tokenizer.codebook, dim=1) if tokenizer.l2_normalized else tokenizer.codebook
    vectors = latents.permute(0, 2, 3, 1).flatten(0, 2)
    distances = (
        vectors.square().sum(1, keepdim=True)
        + codes.square().sum(1)
        - 2 * torch.einsum("nc,kc->nk", vectors, codes)
    )
    indices = distances.argmin(1)
    quantized = codes[indices].unflatten(0, (len(latents), *latents.shape[2:])).permute(0, 3, 1, 2)
    probabilities = (-distances / _TEMPERATURE).softmax(1)
    logarithms = (-distances / _TEMPERATURE).log_softmax(1)
    (-(probabilities * logarithms).sum(1)).mean()
    average = probabilities.mean(0)
    (-(average * (average + 1e-5).log()).sum())
    return {
        "indices": indices.unflatten(0, (len(latents), -1)),
        "quantization_error": quantized - latents,
        "quantized": quantized,
        "normalized_latent": latents,
    }


def scored(session: Session, names: list[str], pictures: list[Image.Image]) -> dict[str, list[Any]]:
    """Logits by the session's pipeline, in batches of its size."""
    size, views = session.settings.batch_size, session.pipeline.views(names)
    logits: dict[str, list[Any]] = {name: [] for name in names}
    for start in range(0, len(pictures), size):
        samples = [views_of(picture, views) for picture in pictures[start : start + size]]
        for name, outcomes in session.pipeline.score(samples, names).items():
            logits[name] += outcomes
    return logits


def logits_of(outcome: Any, detector: str) -> np.ndarray:
    """The detector's logits in what a way returned.

    Raises:
        UserError: a picture could not be scored.
    """
    of_one = outcome if isinstance(outcome, dict) else outcome[0]
    found = of_one[detector] if isinstance(of_one, dict) else outcome
    for one in found:
        if isinstance(one, Exception):
            raise UserError(f"{detector}: {one_line(one)}")
    return np.array(found)


def main(
    detector: Annotated[str, typer.Option(help="the detector that is measured")] = "d3qe",
    others: Annotated[str, typer.Option(help="names, separated by commas")] = "univfd,rine,linear_probe",
    ways: Annotated[str, typer.Option(help=f"some of {', '.join(WAYS)}")] = ",".join(WAYS),
    pictures: Annotated[int, typer.Option(help="random pictures")] = 4,
    batch_size: Annotated[int, typer.Option(help="pictures per forward pass")] = 4,
    rounds: Annotated[int, typer.Option(help="how often each way is measured")] = 3,
    precision: Annotated[str, typer.Option(help="of the way `lower`")] = "bfloat16",
    protocol: Annotated[str, typer.Option(help="input protocol of all detectors")] = "uniform",
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
) -> None:
    """Print times per picture and ratios, medians over rounds, and shares of the device's peak, with its name."""
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (256, 256, 3), np.uint8)) for _ in range(pictures)]
    beside = [detector, *filter(None, others.split(","))]
    chosen = ways.split(",")
    if wrong := [way for way in chosen if way not in WAYS]:
        raise unknown_name("way", wrong[0], WAYS)

    def session(names: list[str], **values: Any) -> Session:
        opened = open_session(
            detectors=names,
            protocol=protocol,
            allow_untrained=True,
            device=device,
            batch_size=batch_size,
            **values,
        )
        for label, reason in opened.failed.items():
            raise UserError(f"{label}: {reason}")
        return opened

    full = session(beside if {"together", "apart"} & {*chosen} else [detector])
    measured: dict[str, Way] = {"float32": partial(scored, full, [detector], images)}
    if "released" in chosen:
        plain = session([detector])
        for spec, _ in plain.pipeline.reads([detector]):
            plain.encoders.get(spec).to(memory_format=torch.contiguous_format)
        measured["released"] = partial(_as_by_default, partial(released_way, plain, detector, images))
    if "lower" in chosen:
        measured["lower"] = partial(scored, session([detector], precision=precision), [detector], images)
    if "compiled" in chosen:
        measured["compiled"] = partial(scored, session([detector], compile=True), [detector], images)
    if "compiled-lower" in chosen:
        both = session([detector], precision=precision, compile=True)
        measured["compiled-lower"] = partial(scored, both, [detector], images)
    if "together" in chosen:
        measured["together"] = partial(scored, full, beside, images)
    if "apart" in chosen:
        measured["apart"] = lambda: [scored(full, [name], images) for name in beside]
    logits, first = {}, {}
    for name, way in measured.items():
        began = time.perf_counter()
        logits[name] = logits_of(way(), detector)
        first[name] = time.perf_counter() - began
    # the released way gives all memory back, which the next one would have to ask for
    seconds = alternately(measured, rounds, device, after={"released": measured["float32"]})
    each = operations_of(partial(scored, full, [detector], images[:1]))
    dtypes = {name: getattr(torch, precision if "lower" in name else "float32") for name in measured}
    peaks = {dtype: matmul_peak(device, dtype) for dtype in dict.fromkeys(dtypes.values())}
    load = f", load {os.getloadavg()[0]:.1f}" if device == "cpu" else ""
    print(
        f"{detector}, {pictures} pictures in batches of {batch_size}, {rounds} rounds, {device_name(device)}{load}"
    )
    print(
        f"{each / 1e9:.4g} GFLOP / picture; peak "
        + ", ".join(f"{peak / 1e12:.3g} TFLOP/s in {str(dtype)[6:]}" for dtype, peak in peaks.items())
    )
    rows = []
    for name, of_way in seconds.items():
        rate = pictures / np.median(of_way)
        speed = [f"{each * rate / 1e12:.3g}", f"{each * rate / peaks[dtypes[name]]:.0%}"]
        rows.append(
            [
                name.replace("lower", precision),
                f"{1000 / rate:.2f}",
                f"{rate:.4g}",
                *(
                    f"{ratio(seconds, name, to):.2f}" if to in seconds else "–"
                    for to in ("float32", "released")
                ),
                *(["–", "–"] if name in ("together", "apart") else speed),
                f"{np.abs(logits[name] - logits['float32']).max():.1e}",
            ]
        )
    head = ["way", "ms / picture", "pictures / s", "× float32", "× released"]
    print_table(rows, head=[*head, "TFLOP/s", "of the peak", "max |Δlogit|"])
    for name, took in first.items():
        if name.startswith("compiled"):
            print(f"{name.replace('lower', precision)}: the first call, which compiles, took {took:.0f} s")


if __name__ == "__main__":
    run_script(main)
