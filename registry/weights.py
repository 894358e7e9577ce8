"""Reads weights files without ever running code from them, and fits them strictly."""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.converted import through_conversion
from registry.dataset import PictureFile
from registry.errors import WeightsError
from registry.files import atomic

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_SHOWN = 4
_TRAINING = "d3qe_bench.training"
"""Key in a safetensors file's metadata."""


def sha256(path: PictureFile) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class WeightsFile:
    """A weights file and the SHA-256 of its bytes, hex in lower case, which identifies it wherever it lies."""

    path: Path
    sha256: str


def weights_file(path: Path) -> WeightsFile:
    """The file at `path` with its digest; a file that has not changed is hashed once per process.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        status = Path(path).stat()
        return WeightsFile(
            Path(path), _digest_of(Path(path).resolve(), status.st_ino, status.st_mtime_ns, status.st_size)
        )
    except OSError as error:
        raise WeightsError(f"weights file {path}: {error.strerror}") from error


@cache
def _digest_of(path: Path, inode: int, modified: int, size: int) -> str:
    return sha256(path)


def read_checkpoint(path: Path, *, convert: bool = True) -> Any:
    """The object in a `.safetensors` file or a torch file, tensors on the CPU.

    Torch files are read with `weights_only=True`: a pickle that names code is refused.

    convert: keep a torch file as safetensors, and read it from there ever after (`registry.converted`); off for a file
        that is read once.

    Raises:
        WeightsError: no such file, unreadable, or unsafe.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file at {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if not convert:
        return _unpickle(path)
    file = weights_file(path)

    def read() -> Any:
        found = _unpickle(path)
        if weights_file(path) != file:
            raise WeightsError(f"{path} changed while it was read: start again")
        return found

    return through_conversion(path, file.sha256, read)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}") from error
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {_first_line(error)}") from error


def _unpickle(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            # a remark on the pickle protocol; what matters comes as an error
            warnings.simplefilter("ignore", UserWarning)
            # where training scripts keep their options: names and plain values, no code
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch appends paragraphs on how to switch the protection off, which nobody should follow
        reason = "it names code to run" if "GLOBAL" in str(error) else "it is no checkpoint of torch's"
        raise WeightsError(f"{path} is refused: not a plain file of tensors ({reason})") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def read_state_dict(
    path: Path, keys: Sequence[str] = ("model", "state_dict"), strip: Sequence[str] = ("module.",)
) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name.

    keys: top-level keys that may hold the state dict, the first present one is taken; a file
        with none of them is taken to be the state dict itself.
    strip: prefixes that are cut from a name where present (DistributedDataParallel's `module.`).

    Raises:
        WeightsError: as `read_checkpoint`, or if there is no table of tensors in the file.
    """
    import torch

    found = read_checkpoint(path)
    if isinstance(found, Mapping):
        found = next((found[key] for key in keys if isinstance(found.get(key), Mapping)), found)
    if not isinstance(found, Mapping) or not any(isinstance(v, torch.Tensor) for v in found.values()):
        raise WeightsError(
            f"{path} holds no table of tensors (looked under {', '.join(keys)} and the top level)"
        )
    state = {}
    for name, value in found.items():
        if isinstance(value, torch.Tensor):
            for prefix in strip:
                name = name.removeprefix(prefix)
            state[name] = value
    return state


def load_strict(
    module: nn.Module, state: Mapping[str, Tensor], path: Path, optional: Sequence[str] = ()
) -> None:
    """Copy `state` into `module`, all of it or nothing.

    optional: names that the module has and the file may lack.

    Raises:
        WeightsError: one line that names the missing, unexpected and misshapen tensors.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state and name not in optional]
    unexpected = [name for name in state if name not in own]
    misshapen = [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and own[name].shape != value.shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if names
    ]
    if problems:
        raise WeightsError(f"{path} does not fit {type(module).__name__}: {'; '.join(problems)}")
    module.load_state_dict(dict(state), strict=False)


def save_state(module: nn.Module, path: Path) -> None:
    """Write a module's state, whole or not at all: as safetensors, or under another suffix as a torch file with `model`."""
    # a copy of each: safetensors refuses tensors that share memory
    state = {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}
    if Path(path).suffix == ".safetensors":
        _save_tensors(state, Path(path))
    else:
        save_checkpoint({"model": state}, Path(path))


def save_checkpoint(content: Any, path: Path) -> None:
    """Write tensors and plain values as a torch file, whole or not at all. Raises `OSError`, of a full disk, too."""
    import torch

    # of a file that it opens itself, torch would not say that the disk is full
    with atomic(path) as draft, open(draft, "wb") as stream:
        try:
            torch.save(content, stream)
        except RuntimeError as error:
            # closing the archive hides it behind "unexpected pos 576 vs 534"
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    with atomic(path) as draft:
        save_file(dict(tensors), draft, metadata=metadata)


def write_training(path: Path, facts: Mapping[str, Any]) -> None:
    """Put what a training recorded into a safetensors file, so that it travels with it; its tensors stay as they are.

    A file of another format stays as it is.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, "pt") as stream:
            metadata = dict(stream.metadata() or {})
    except SafetensorError:
        return
    tensors = load_file(path, device="cpu")
    _save_tensors(tensors, path, {**metadata, _TRAINING: json.dumps(facts, sort_keys=True)})


def read_training(path: Path) -> Any:
    """What `write_training` put into a file, unchecked; None where there is nothing."""
    from safetensors import SafetensorError, safe_open

    if Path(path).suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as stream:
            return json.loads((stream.metadata() or {}).get(_TRAINING, "null"))
    except (SafetensorError, OSError, ValueError):
        return None


def parameter_digest(module: nn.Module) -> str:
    """Hex SHA-256 over names and values of all parameters and buffers: equal weights, equal digest."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(_raw_bytes(value))
    return digest.hexdigest()


def _raw_bytes(value: torch.Tensor) -> bytes:
    import torch

    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
