"""Whether a run folder may be resumed: rows of one cell must come from one network on the same pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.runfolder.record import DatasetRecord, DetectorRecord, RunRecord, dumped, make_record
from benchmarks.runfolder.scores import cells
from registry.errors import UserError


def merged_record(old: RunRecord | None, new: RunRecord, run: Path) -> RunRecord:
    """The record of a run folder after one more command: what it held stays listed.

    Raises:
        UserError: rows are there that were made from other weights, views, data or seeds.
    """
    if old is None:
        return new
    found = set(cells(run))
    scored_detectors = {cell.detector for cell in found} & old.detectors.keys()
    scored_datasets = {cell.dataset for cell in found} & old.datasets.keys()
    changes = list(_changed_run(old, new))
    for name in sorted(scored_detectors & new.detectors.keys()):
        changes += [
            f"its scores were made with another {what} of {name}"
            for what in changed_detector(old.detectors[name], new.detectors[name])
        ]
    changes += [
        f"its scores were made on other pictures of {name}"
        for name in sorted(scored_datasets & new.datasets.keys())
        if _changed_dataset(old.datasets[name], new.datasets[name])
    ]
    changes += [
        f"its scores were made with {name} = {old.chains[name]}"
        for name in sorted({cell.perturbation for cell in found} & old.chains.keys() & new.chains.keys())
        if old.chains[name] != new.chains[name]
    ]
    if changes:
        raise _not_resumed(run, changes)
    before, now = dumped(old), dumped(new)
    for key in ("device", "device_name"):
        if key in before:  # of a run by Ray it is not known before an actor is at work
            now.setdefault(key, before[key])
    if scored_detectors and new.device_name:
        now["device_name"] = _all_names(old.device_name, new.device_name)
    detectors = {**before["detectors"], **now["detectors"]}
    for name in scored_detectors & new.detectors.keys():
        # one that cannot be built now does not forget what its rows were made with
        for facts in ("encoders", "inputs"):
            earlier = before["detectors"][name].get(facts, {})
            detectors[name] = {**detectors[name], facts: {**earlier, **detectors[name].get(facts, {})}}
        if "cost" in before["detectors"][name]:
            detectors[name] = {"cost": before["detectors"][name]["cost"], **detectors[name]}
        if left_out := before["detectors"][name].get("feeds_left_out"):
            detectors[name]["feeds_left_out"] = left_out | detectors[name].get("feeds_left_out", {})
        if old.detectors[name].inputs and not new.detectors[name].inputs:
            built = {key: before["detectors"][name].get(key) for key in ("options", "protocol", "identity")}
            detectors[name] |= {key: value for key, value in built.items() if value is not None}
    return make_record(
        {
            **now,
            "detectors": detectors,
            "plugins": [*now.get("plugins", []), *_forgotten_plugins(old, new)],
            "datasets": {**before["datasets"], **now["datasets"]},
            "encoders": before.get("encoders", {}),
            "micro_batches": {**before.get("micro_batches", {}), **now.get("micro_batches", {})},
            "compiled": _all_compiled(old, new.micro_batches, new.compiled),
            "perturbations": list(dict.fromkeys([*old.perturbations, *new.perturbations])),
            **{
                key: merged
                for key in ("chains", "suites")
                if (merged := {**before.get(key, {}), **now.get(key, {})})
            },
            **({"reported": figures} if (figures := now.get("reported") or before.get("reported")) else {}),
        }
    )


def _all_names(before: str | None, now: str) -> str:
    """The devices of all commands on a run folder that has rows, each once."""
    earlier = before.split("; ") if before else []
    return "; ".join(dict.fromkeys([*earlier, now]))


def _forgotten_plugins(old: RunRecord, new: RunRecord) -> list[dict[str, Any]]:
    """Plugins of earlier commands whose metrics this one did not load."""
    known = {name for plugin in new.plugins for name in plugin.metrics}
    return [dumped(plugin) for plugin in old.plugins if {*plugin.metrics} - known]


def _changed_run(old: RunRecord, new: RunRecord) -> Iterator[str]:
    for key in ("seed", "dtype"):
        before, now = getattr(old, key), getattr(new, key)
        if key in old.model_fields_set and before != now:
            yield f"its {key} was {before!r}, now {now!r}"
    if same_kind_of_device(old.device, new.device):
        yield from _changed_encoders(old, new.micro_batches, new.compiled)
    # means over test sets must not mix views; records from before there were any have no such key
    views = [", ".join(record.fair) or "none" for record in (old, new)]
    if views[0] != views[1]:
        yield f"its fair view was {views[0]}, now {views[1]}"


def with_device(
    record: RunRecord,
    device: str,
    name: str,
    micro_batches: Mapping[str, int | None],
    compiled: Sequence[str],
    run: Path,
) -> RunRecord:
    """The record of a run whose device, micro-batches and compiled encoders were not known when it was written.

    name: of the device; those known before are kept.

    Raises:
        UserError: rows are there for which pictures went through an encoder by another number, or through another program.
    """
    changes = list(_changed_encoders(record, micro_batches, compiled))
    if changes and same_kind_of_device(record.device, device):
        raise _not_resumed(run, changes)
    facts = {
        "device": device,
        "device_name": _all_names(record.device_name, name),
        "micro_batches": {**record.micro_batches, **micro_batches},
        "compiled": _all_compiled(record, micro_batches, compiled),
    }
    return make_record({**dumped(record), **facts})


def _all_compiled(old: RunRecord, known: Collection[str], compiled: Collection[str]) -> list[str]:
    """The compiled encoders of a run folder, where what is said of the `known` ones is the latest word."""
    return sorted({*old.compiled} - {*known} | {*compiled})


def _changed_encoders(
    old: RunRecord, micro_batches: Mapping[str, int | None], compiled: Collection[str]
) -> Iterator[str]:
    """How encoders that both know run otherwise than before. compiled: those of `micro_batches` that are."""
    for name, at_once in old.micro_batches.items():
        if (other := micro_batches.get(name, at_once)) != at_once:
            was, now = (count or "its batch" for count in (at_once, other))
            yield f"its pictures went through {name} by {was}, now by {now} (--micro-batch)"
        if name in micro_batches and (name in old.compiled) != (name in compiled):
            was, now = ("compiled" if name in those else "as it is" for those in (old.compiled, compiled))
            yield f"its encoder {name} ran {was}, now {now} (--compile)"


def _not_resumed(run: Path, changes: Sequence[str]) -> UserError:
    return UserError(f"{run} cannot be resumed: {'; '.join(changes)}. Choose another --out")


def same_kind_of_device(one: str | None, other: str | None) -> bool:
    """Whether both are a CPU or both a GPU, whichever."""
    return (one or "").partition(":")[0] == (other or "").partition(":")[0]


def changed_detector(old: DetectorRecord, new: DetectorRecord) -> Iterator[str]:
    """What scores depend on and is not as it was, whether or not the detector failed then or fails now.

    Inputs and encoders are unknown where it could not be built. Equal inputs name equal encoders, so only
    what both records know need be the same.
    """
    if "weights" in old.model_fields_set and _digest(old) != _digest(new):
        yield "weights file"
    if old.identity and new.identity and old.identity != new.identity:
        yield "set of weights"
    if any(new.encoders.get(name, digest) != digest for name, digest in old.encoders.items()):
        yield "encoder"
    if old.inputs and new.inputs and old.inputs != new.inputs:
        yield "view"
    if "options" in old.model_fields_set and _options(old, new) != _options(new, old):
        yield "set of options"
    if "name" in old.model_fields_set and old.name != new.name:
        yield "registry name"


def _options(detector: DetectorRecord, other: DetectorRecord) -> dict[str, Any]:
    """Its options; whether `protocol` is among them is unknown of one that could not be imported."""
    known = detector.inputs and other.inputs
    return {key: value for key, value in detector.options.items() if known or key != "protocol"}


def _digest(detector: DetectorRecord) -> str:
    return detector.weights.sha256 if detector.weights else ""


def _changed_dataset(old: DatasetRecord, new: DatasetRecord) -> bool:
    """Keys that the older record lacks say nothing, but for `prepare`, which is written where there is one."""
    known = {*DatasetRecord.model_fields} & {*old.model_fields_set, "prepare"}
    return any(getattr(old, key) != getattr(new, key) for key in known)
