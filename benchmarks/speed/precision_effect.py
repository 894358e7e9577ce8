"""What a lower precision of the encoders' weights does to scores: logits, AP and codes beside those of float32.

    python -m benchmarks.speed.precision_effect [--precision bfloat16] [--detectors univfd_mini,d3qe_mini]
        [--data DATA] [--weights NAME=PATH] [--limit 100] [--compile] [--record] [--effects FILE]

By default all detectors of the embedded benchmark on its test sets. One line per detector: the largest change of a
logit and of the AP of a test set, and the share of tokens that get another code, for detectors that read codes. Says
whether each is within the bound on AP, and ends in exit code 1 where one is not. With `--record`, `run --precision auto` goes by it: the
outcome is kept in the user's cache, or in FILE, by the digests of weights and encoders. With `--compile` both precisions go through
torch.compile, as they do in runs with that option, which rounds in other places.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from rich.console import Console

from benchmarks.commands.options import split_pairs
from benchmarks.commands.outcome import run_script
from benchmarks.config import RunSettings, parse_settings
from benchmarks.loading import load_catalogs
from benchmarks.loading.effects import MOST_AP, Effect, effects_file, identity_of, is_compiled, keep_effects
from benchmarks.loading.samples import PreparedPictures
from benchmarks.metrics.ranking import ap
from benchmarks.metrics.tally import Undefined
from benchmarks.perturbations import CLEAN, parse_perturbation
from benchmarks.ranks import joined
from benchmarks.runfolder.provenance import device_name
from benchmarks.runfolder.scores import read_scores
from benchmarks.runner.plan import make_plan
from benchmarks.runner.score import score_pending
from benchmarks.tables import print_table
from registry import Pipeline, TestSet, UserError


def effects(settings: RunSettings, precision: str, device: str = "cpu") -> list[Effect]:
    """Each detector's scores in `precision` beside those in float32, on all test sets of the settings.

    Raises:
        UserError: as a run does.
    """
    frames, pipelines = {}, {}
    with tempfile.TemporaryDirectory() as folder, joined("none", device) as processes:
        for one in ("float32", precision):
            own = settings.model_copy(
                update={"precision": one, "out": Path(folder, one), "device": device, "fingerprint": "names"}
            )
            plan = make_plan(own, processes)
            score_pending(plan, Console(quiet=True))
            frames[one] = read_scores(own.out)
            pipelines[one] = plan.session.pipeline
        keys = ["detector", "dataset", "path"]
        rows = frames["float32"].merge(frames[precision], on=keys, suffixes=("", "_lower"), validate="1:1")
        rows = rows[rows["error"].isna() & rows["error_lower"].isna()]
        found = []
        for name in settings.labels:
            own_rows = rows[rows["detector"] == name]
            if own_rows.empty:
                raise UserError(f"{name}: no picture could be scored")
            found.append(
                Effect(
                    detector=name,
                    identity=identity_of(plan.session.records[name]),
                    precision=precision,
                    device=plan.session.device.partition(":")[0],
                    torch=torch.__version__,
                    data=[one.name for one in plan.test_sets],
                    pictures=len(own_rows),
                    logit=float((own_rows["logit"] - own_rows["logit_lower"]).abs().max()),
                    ap=max(_ap_change(cell) for _, cell in own_rows.groupby("dataset")),
                    flipped=_flipped(
                        pipelines["float32"], pipelines[precision], name, plan.test_sets, settings
                    ),
                    compiled=is_compiled(plan.session, name),
                )
            )
    return found


def _ap_change(cell: pd.DataFrame) -> float:
    """Of one test set; 0 where it has too few pictures for an AP."""
    labels = cell["label"].to_numpy()
    try:
        return abs(ap(labels, cell["logit"].to_numpy()) - ap(labels, cell["logit_lower"].to_numpy()))
    except Undefined:
        return 0.0


def _flipped(
    exact: Pipeline, lower: Pipeline, name: str, test_sets: Sequence[TestSet], settings: RunSettings
) -> float | None:
    """The share of the tokens that a detector's tokenizers find in the pictures whose code is another one."""
    tokenizers = [
        (spec, view) for spec, view in exact.reads([name]) if "indices" in exact.encoders.get(spec).outputs
    ]
    different = total = 0
    clean = parse_perturbation(CLEAN, load_catalogs(settings.plugins).perturbations)
    for test_set in test_sets if tokenizers else ():
        views = [view for _, view in tokenizers]
        pictures = PreparedPictures(
            test_set, test_set.pictures, [clean], views, seed=settings.seed, max_pixels=settings.max_pixels
        )
        for index in range(len(pictures)):
            arrays = pictures[index].samples[CLEAN]
            if isinstance(arrays, str):
                continue
            for spec, view in tokenizers:
                images = view.values(torch.from_numpy(arrays[view])[None].to(exact.device))
                with torch.inference_mode():
                    one, other = (p.encoders.encode(spec, images, ["indices"]) for p in (exact, lower))
                different += int((one["indices"] != other["indices"]).sum())
                total += one["indices"].numel()
    return different / total if total else None


def main(
    detectors: Annotated[str, typer.Option(help="names, separated by commas")] = "",
    data: Annotated[list[str] | None, typer.Option(help="as `run` takes it")] = None,
    weights: Annotated[list[str] | None, typer.Option(metavar="NAME=PATH")] = None,
    precision: Annotated[str, typer.Option(help="bfloat16 or float16")] = "bfloat16",
    device: Annotated[str, typer.Option(help="as `run` takes it")] = "cpu",
    limit: Annotated[int | None, typer.Option(help="pictures per class and test set")] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="as `run` takes it")] = False,
    record: Annotated[bool, typer.Option(help="keep the outcome for `run --precision auto`")] = False,
    file: Annotated[
        Path | None, typer.Option("--effects", help="where it is kept; by default in the cache")
    ] = None,
) -> None:
    """Print the effect of a lower precision on scores."""
    names = (
        detectors.split(",")
        if detectors
        else [n for n in load_catalogs().detectors.names() if n.endswith("_mini")]
    )
    values = {
        "data": data or ["mini"],
        "detectors": [{"name": name} for name in names],
        "weights": split_pairs(weights or [], "--weights"),
        "limit": limit,
        "compile": compiled,
    }
    found = effects(parse_settings(RunSettings, values, "precision_effect"), precision, device)
    print(f"{precision} beside float32, {device_name(device)}, torch {torch.__version__}\n")
    header = ["detector", "pictures", "max |Δlogit|", "max |ΔAP|", "codes that flip", f"ΔAP ≤ {MOST_AP}"]
    lines = [
        [
            one.detector,
            str(one.pictures),
            f"{one.logit:.4f}",
            f"{one.ap:.4f}",
            "–" if one.flipped is None else f"{one.flipped:.2%}",
            "yes" if one.within else "no",
        ]
        for one in found
    ]
    print_table(lines, head=header)
    if record or file:
        keep_effects(found, file or effects_file())
    raise typer.Exit(0 if all(one.within for one in found) else 1)


if __name__ == "__main__":
    run_script(main)
