"""The pictures in something that nobody names a layout for, where nobody needs labels."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.datasets import parquet_pictures, tar_shards
from benchmarks.datasets.shards import ShardKind, open_store
from benchmarks.pictures import is_picture
from benchmarks.remote import Address, AddressStore
from benchmarks.storage import Matched, Place
from registry.dataset import StoredFile


def stored_pictures(root: Place) -> list[StoredFile]:
    """Pictures in shards and at addresses, sorted; none where it is no such thing.

    Raises:
        UserError: a shard cannot be read, or is damaged.
        LayoutMismatch: no column of it holds pictures.
    """
    first = next(root.iterdir()) if isinstance(root, Matched) else root
    kind: ShardKind | None = None
    if first.is_file() and first.suffix.lower() == tar_shards.SUFFIX:
        kind = tar_shards.kind(labelled=False)
    elif first.is_file() and first.suffix.lower() == parquet_pictures.SUFFIX:
        kind = parquet_pictures.kind(root)
    if kind:
        store = open_store(root, kind)
        return [StoredFile(store, path) for path in store.paths()]
    if isinstance(root, Matched):
        files = [file for file in root.iterdir() if is_picture(file)]
        return [_alone(file) for file in files if isinstance(file, Address)]
    if isinstance(root, Address):
        return [_alone(root)] if root.is_file() else list(_below(root))
    return []


def _alone(file: Address) -> StoredFile:
    return StoredFile(AddressStore(file.parent), file.name)


def _below(folder: Address) -> Iterator[StoredFile]:
    store = AddressStore(folder)
    waiting = [folder]
    while waiting:
        for entry in sorted(waiting.pop().iterdir(), key=str, reverse=True):
            if entry.is_dir():
                waiting.append(entry)
            elif is_picture(entry):
                yield StoredFile(store, entry.relative_to(folder).as_posix())
