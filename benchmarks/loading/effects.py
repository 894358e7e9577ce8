"""What a lower precision of encoders was measured to do to scores, and the precision that `--precision auto` makes of it.

`python -m benchmarks.speed.precision_effect --record` measures. What it found of the embedded detectors is in the package.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from benchmarks.files import write_json_by_line
from registry import UserError
from registry.files import user_folder

if TYPE_CHECKING:
    from benchmarks.loading.session import Session

MOST_AP = 0.01
"""The bound: no AP may differ by more."""
LOWER = "bfloat16"
FOLDER_VARIABLE = "D3QE_BENCH_EFFECTS"
_FILE = "precision_effects.json"
_FAST_CPU = {"avx512_bf16", "amx_bf16"}
_FAST_CUDA = (8, 0)


class Effect(BaseModel):
    """What changed for one detector against float32.

    identity: of its weights, options and encoders. device: `cpu` or `cuda`. data: the test sets. logit, ap: the largest
    change of a logit, and of the AP of a test set. flipped: share of its tokens with another code; None where it reads none.
    compiled: whether encoders that it reads went through torch.compile, which rounds in other places.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str
    identity: str
    precision: str
    device: str
    torch: str
    data: list[str]
    pictures: int
    logit: FiniteFloat
    ap: FiniteFloat
    flipped: float | None
    compiled: bool = False

    @property
    def within(self) -> bool:
        """Whether no AP moved by more than the bound."""
        return self.ap <= MOST_AP


def identity_of(record: Mapping[str, Any]) -> str:
    """SHA-256 of what decides a detector's scores, from its record of a session."""
    weights = record["weights"] or {}
    facts = [record["name"], record["options"], weights.get("sha256"), record["identity"], record["encoders"]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def effects_file() -> Path:
    """Where measured effects are kept: in the folder `$D3QE_BENCH_EFFECTS`, else in the user's cache."""
    return user_folder(FOLDER_VARIABLE, "effects") / _FILE


def read_effects(file: Path) -> list[Effect]:
    """The effects in a file; none where there is no file.

    Raises:
        UserError: it is not a file of effects.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return [Effect.model_validate(one) for one in content["effects"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, ValidationError) as error:
        raise UserError(f"{file} is no file of effects: remove it and measure again ({error})") from error


def keep_effects(found: Iterable[Effect], file: Path) -> None:
    """Put effects into a file, in place of older ones of the same detector, weights, precision, device and compilation."""
    kept = {_key(one): one for one in [*read_effects(file), *found]}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json_by_line(file, {"effects": [one.model_dump() for one in kept.values()]})


def _key(one: Effect) -> tuple[str, str, str, bool]:
    return one.identity, one.precision, one.device, one.compiled


def is_compiled(session: Session, detector: str) -> bool:
    """Whether encoders that a detector reads go through torch.compile."""
    from registry import Feature

    sources = session.detectors[detector].inputs.values()
    return any(session.encoders.compiled_in(one.encoder) for one in sources if isinstance(one, Feature))


def choose_precision(session: Session) -> dict[str, str]:
    """Lower a float32 session to bfloat16 if that is faster on its device and allowed by what is known of all its detectors.

    All of them have one precision, so that they share passes of encoders and are compared alike.

    Returns:
        why, by detector that reads an encoder.
    """
    kind = session.device.partition(":")[0]
    known = {
        _key(one): one
        for one in [*read_effects(Path(__file__).with_name(_FILE)), *read_effects(effects_file())]
    }
    readers = [name for name in session.detectors if session.records[name]["encoders"]]
    compiled = {name: is_compiled(session, name) for name in readers}
    found = {
        name: known.get((identity_of(session.records[name]), LOWER, kind, compiled[name])) for name in readers
    }
    allowed = [name for name, one in found.items() if one is not None and one.within]
    slow = _slow(session.device)
    if not slow and readers and len(allowed) == len(readers):
        session.encoders.lower(LOWER)
    return {
        name: _reason(session.encoders.precision, found[name], slow, allowed, readers, compiled[name])
        for name in readers
    }


def _reason(
    precision: str,
    one: Effect | None,
    slow: str,
    allowed: Sequence[str],
    readers: Sequence[str],
    compiled: bool,
) -> str:
    if slow:
        return f"{precision}: {slow}"
    if one is None:
        return (
            f"{precision}: what {LOWER} does to the scores of these weights{', compiled,' if compiled else ''} was not measured "
            f"(`python -m benchmarks.speed.precision_effect --record{' --compile' if compiled else ''}`)"
        )
    measured = f"|ΔAP| ≤ {one.ap:.4f}, |Δlogit| ≤ {one.logit:.4f} on {one.pictures} pictures"
    if not one.within:
        return f"{precision}: {LOWER} moves AP by more than {MOST_AP} ({measured})"
    if len(allowed) < len(readers):
        others = ", ".join(name for name in readers if name not in allowed)
        return f"{precision}: {LOWER} would do ({measured}), but not for {others}"
    return f"{precision}: {measured}"


def _slow(device: str) -> str:
    """Why bfloat16 is not faster on a device; empty where it is."""
    import torch

    if device.startswith("cuda"):
        if torch.cuda.get_device_capability(device) >= _FAST_CUDA:
            return ""
        return f"this GPU has no matrix products in {LOWER}"
    if device == "cpu" and _FAST_CPU & set(_cpu_flags()):
        return ""
    return f"this CPU has no instructions for {LOWER}"


def _cpu_flags() -> list[str]:
    if sys.platform != "linux":
        return []
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
