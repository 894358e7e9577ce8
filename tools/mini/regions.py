"""How far the regions of the photographs alone tell real test crops from crops that the generators learned from.

Run in a checkout: `python -m tools.mini.regions`, about a minute. Every crop is scored by its nearest neighbours
in two banks of other crops, of test and of training regions: no detector has such banks, but a high AUROC shows
that the regions differ. Then detectors are asked for crops of training and of test regions as the real class,
not matched to the generated pictures, so these figures are not those of the benchmark.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.config import DetectorSettings, SessionSettings
from benchmarks.datasets import find_test_sets
from benchmarks.loading import load_catalogs, open_session
from registry.dataset import FAKE
from tools.mini.photos import Crops

_SIDE = 16


def features(crops: np.ndarray) -> np.ndarray:
    """16×16 thumbnails: (n, 768) float32 levels."""
    small = np.stack(
        [np.asarray(Image.fromarray(crop).resize((_SIDE, _SIDE), Image.Resampling.BOX)) for crop in crops]
    ).astype(np.float32)
    return small.reshape(len(small), -1)


def nearest(queries: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Euclidean distance of each query, or its mirror image, to the nearest of the bank: (n,)."""
    mirrored = queries.reshape(-1, _SIDE, _SIDE, 3)[:, :, ::-1].reshape(queries.shape)
    squares = (bank**2).sum(axis=1)
    best = [
        (squares[None] - 2 * one @ bank.T).min(axis=1) + (one**2).sum(axis=1) for one in (queries, mirrored)
    ]
    return np.sqrt(np.maximum(np.minimum(*best), 0))


def region_aurocs(bank: int, queries: int, seed: int) -> tuple[float, float]:
    """AUROC of test against training crops by distance to `bank` test crops, and with as many training crops."""
    rng = np.random.default_rng(seed)
    drawn = {split: Crops(split) for split in ("train", "test")}
    banks = {split: features(crops.batch(bank, rng)[0]) for split, crops in drawn.items()}
    near, scores, labels = [], [], []
    for label, split in enumerate(("train", "test")):
        asked = features(drawn[split].batch(queries, rng)[0])
        near.append(-nearest(asked, banks["test"]))
        scores.append(near[-1] + nearest(asked, banks["train"]))
        labels += [label] * queries
    first, second = (float(roc_auc_score(labels, np.concatenate(part))) for part in (near, scores))
    return first, second


def swapped(names: list[str], count: int, seed: int) -> None:
    """Print AUROC per detector and generator with real crops of test and of training regions."""
    catalogs = load_catalogs()
    settings = SessionSettings(detectors=[DetectorSettings(name=name) for name in names], device="cpu")
    session = open_session(settings, catalogs=catalogs)
    real = {split: Crops(split).batch(count, np.random.default_rng(seed))[0] for split in ("test", "train")}
    real_scores = {split: session.score(crops) for split, crops in real.items()}
    for test_set in find_test_sets(catalogs.datasets, ["mini"]):
        paths = [test_set.root / p.path for p in test_set.pictures if p.label == FAKE]
        fake = session.score(paths)
        for name in names:
            shown = []
            for split, frame in real_scores.items():
                pair = [f.loc[f["detector"] == name, "score"].to_numpy() for f in (frame, fake)]
                labels = np.repeat([0, 1], [len(part) for part in pair])
                shown.append(f"{split} regions {roc_auc_score(labels, np.concatenate(pair)):.3f}")
            print(f"{name} on {test_set.name}: real crops of {', '.join(shown)}")


def main() -> None:
    """Print both measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=int, default=4000)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--detectors", nargs="+", default=["d3qe_mini", "univfd_mini", "cnnspot_mini"])
    asked = parser.parse_args()
    one, both = region_aurocs(asked.bank, asked.count, asked.seed)
    print(
        f"regions alone, {asked.bank} test crops known: AUROC {one:.3f}; as many training crops, too: {both:.3f}"
    )
    swapped(asked.detectors, asked.count, asked.seed)


if __name__ == "__main__":
    main()
