"""Which pictures several test sets of a run hold, by content: common real pictures of one root, or copies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.metrics.shared import SharedPictures
from benchmarks.runfolder.picture_digests import picture_digests
from registry.dataset import FAKE, REAL


@dataclass(frozen=True)
class Sharing:
    """identities: of each test set that shares pictures, path → uint64. common: identities that several sets hold."""

    identities: Mapping[str, pd.Series] = field(default_factory=dict)
    common: frozenset[int] = frozenset()

    def of(
        self, dataset: str, paths: NDArray[np.object_] | None, labels: NDArray[Any], seed: int
    ) -> SharedPictures | None:
        """What resamples of a test set have to know; None where it shares nothing.

        paths: (N,) of the pictures that were scored; None for all of the set, by path. labels: (N,).
        """
        known = self.identities.get(dataset)
        if known is None or (paths is None and len(known) != len(labels)):
            return None
        found = known.sort_index() if paths is None else known.reindex(paths)
        if found.isna().any():
            return None
        identities = found.to_numpy(np.uint64)
        in_several = np.isin(identities, np.fromiter(self.common, np.uint64, len(self.common)))
        classes = [kind for kind in (REAL, FAKE) if (in_several & (np.asarray(labels) == kind)).any()]
        return SharedPictures(seed, identities, tuple(classes)) if classes else None

    @property
    def datasets(self) -> list[str]:
        """The test sets that share pictures with others."""
        return list(self.identities)


def find_sharing(run: Path) -> Sharing:
    """Which test sets of a run hold the same pictures; nothing where the run has no digests of its pictures."""
    table = picture_digests(run)
    if table is None:
        return Sharing()
    # the first 8 of 32 bytes: two different pictures of a million agree in them once in 40 million runs
    identities = np.frombuffer(b"".join(digest[:8] for digest in table["sha256"]), np.uint64)
    table = table.assign(identity=identities).drop_duplicates(["dataset", "path"])
    sets = table.groupby("identity")["dataset"].nunique()
    common = sets.index[sets > 1]
    if not len(common):
        return Sharing()
    members = table[table["identity"].isin(common)]["dataset"].unique()
    return Sharing(
        {
            str(name): rows.set_index("path")["identity"]
            for name, rows in table[table["dataset"].isin(members)].groupby("dataset", sort=False)
        },
        frozenset(int(one) for one in common),
    )


def shared_paths(run: Path, dataset: str, others: Collection[str]) -> frozenset[str]:
    """Paths of the pictures of `dataset` that one of `others` holds, too: by content, or by path where nothing was hashed."""
    table = picture_digests(run)
    if table is None:
        return frozenset()
    mine, theirs = table[table["dataset"] == dataset], table[table["dataset"].isin(others)]
    return frozenset(mine["path"][mine["sha256"].isin(set(theirs["sha256"]))])
