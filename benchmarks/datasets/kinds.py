"""Which kind of shard files are, where nobody names a layout and nobody needs labels."""

from __future__ import annotations

from benchmarks.datasets import parquet_pictures, tar_shards
from benchmarks.datasets.shards import ShardKind, ShardStore, open_store
from benchmarks.storage import Folder, Matched


def unlabelled(root: Folder) -> ShardStore | None:
    """The pictures in a shard, or in those that a pattern names; None where the (first) file is none by its suffix.

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
    return open_store(root, kind) if kind else None
