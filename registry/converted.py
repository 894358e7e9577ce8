"""A pickled checkpoint as safetensors: unpickled once, safely, and read from there ever after.

    fc_weights.pth.converted.safetensors    the tensors under their place in the checkpoint (`model.fc.weight`); the
                                            metadata holds everything else as JSON

It lies beside the pickle, or in the user's cache where that folder cannot be written. It names the SHA-256 of the
pickle that it was made of, and one over all that it holds: that of another file or with a changed bit is made anew.
This guards against accidents, not against somebody who can write in the folder. What identifies weights (run.json,
resume, submissions) is the pickle's SHA-256 as before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.files import atomic, user_folder

if TYPE_CHECKING:
    from torch import Tensor

FOLDER_VARIABLE = "D3QE_BENCH_CONVERTED"
_SOURCE, _TREE, _CONTENT = "d3qe_bench.source", "d3qe_bench.tree", "d3qe_bench.sha256"
"""Keys in the metadata: SHA-256 of the pickle, JSON of all but the tensors, SHA-256 of these two and the tensors."""
_PLAIN = (str, int, float, bool, type(None))


class _Unfit(Exception):
    """Not a whole conversion of this source, or not what safetensors and JSON can hold."""


def through_conversion(path: Path, digest: str, read: Callable[[], Any]) -> Any:
    """What is in the pickle at `path`, from its conversion; there is one afterwards.

    A checkpoint that safetensors and JSON cannot hold unchanged (sparse tensors, sets, classes) is not converted.

    digest: SHA-256 of the pickle. read: reads it safely; raises whatever it does.
    """
    from safetensors import SafetensorError

    places = [
        path.with_name(f"{path.name}.converted.safetensors"),
        user_folder(FOLDER_VARIABLE, "converted") / f"{digest}.safetensors",
    ]
    for place in places:
        try:
            return _load(place, digest)
        except _Unfit:
            continue
    content = read()
    for place in places:
        try:
            _save(content, digest, place)
            shutil.copymode(path, place)  # who may read the one may read the other
            return _load(place, digest)
        except _Unfit:
            break
        except (OSError, SafetensorError):
            continue  # a folder that cannot be written, a full disk: the pickle was read all the same
    return content


def _load(place: Path, digest: str) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(place, "pt", device="cpu") as stream:
            notes = stream.metadata() or {}
            if notes.get(_SOURCE) != digest:
                raise _Unfit(f"{place} is of another file")
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (no mapping)
        if notes.get(_CONTENT) != _digest(digest, notes[_TREE], tensors):
            raise _Unfit(f"{place} is damaged")
        return _object(json.loads(notes[_TREE]), tensors)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _Unfit(str(error)) from error


def _save(content: Any, digest: str, place: Path) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    try:
        tree = json.dumps(_Writer(tensors).node(content, ()))
    except RecursionError as error:
        raise _Unfit("it holds itself") from error
    notes = {_SOURCE: digest, _TREE: tree, _CONTENT: _digest(digest, tree, tensors)}
    with atomic(place) as draft:
        save_file(tensors, draft, metadata=notes)


def _digest(source: str, tree: str, tensors: Mapping[str, Tensor]) -> str:
    import torch

    found = hashlib.sha256(f"{source}\n{tree}\n".encode())
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


class _Writer:
    """Gives every tensor of a checkpoint a name, and the rest as JSON: `{"dict": [[key, node], …]}` and the like.

    Tensors that are one in the pickle are one here; those that only overlap become copies.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.names: dict[tuple[object, ...], str] = {}
        self.storages: set[int] = set()

    def node(self, value: Any, place: tuple[str, ...]) -> Any:
        """`value` as JSON. Raises `_Unfit` for what cannot come back as it was."""
        import torch

        if type(value) in _PLAIN:
            return value
        if isinstance(value, torch.Tensor):
            return {"tensor": self._name(value, place)}
        if type(value) in (dict, OrderedDict):
            return {
                "dict": [[self._key(key), self.node(one, (*place, str(key)))] for key, one in value.items()]
            }
        if type(value) is argparse.Namespace:
            return {"namespace": self.node(vars(value), place)}
        if type(value) in (list, tuple):
            nodes = [self.node(one, (*place, str(number))) for number, one in enumerate(value)]
            return {type(value).__name__: nodes}
        raise _Unfit(f"a {type(value).__name__}")

    def _key(self, key: Any) -> Any:
        if type(key) not in _PLAIN:
            raise _Unfit(f"a key that is a {type(key).__name__}")
        return key

    def _name(self, value: Tensor, place: tuple[str, ...]) -> str:
        import torch

        if value.layout is not torch.strided or value.is_quantized or value.is_complex() or value.is_meta:
            raise _Unfit(f"a tensor of {value.layout}, {value.dtype}")
        same = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        if value.numel() and same in self.names:
            return self.names[same]
        name = wanted = ".".join(place) or "tensor"
        number = 1
        while name in self.tensors or name == "__metadata__":  # which safetensors keeps for itself
            number += 1
            name = f"{wanted}#{number}"
        storage = value.untyped_storage().data_ptr()
        # safetensors refuses tensors that share memory
        self.tensors[name] = (value.clone() if storage in self.storages else value).detach().contiguous()
        self.storages.add(storage)
        self.names[same] = name
        return name


def _object(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `_Writer.node` made JSON of."""
    if not isinstance(node, dict):
        return node
    ((kind, inner),) = node.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "dict":
        return {key: _object(one, tensors) for key, one in inner}
    if kind == "namespace":
        return argparse.Namespace(**_object(inner, tensors))
    return {"list": list, "tuple": tuple}[kind](_object(one, tensors) for one in inner)
