"""SAFE: the diagonal band and the network on it."""

from __future__ import annotations

from baselines.safe import SAFE
from tests.parity.filling import Arrays, filled, golden_names, images


def arrays(seed: int) -> Arrays:
    detector = filled(SAFE, golden_names("safe"), "", seed, ours="network.")
    network, pictures = detector.network, images(2, 256, seed)
    band = network.signal(pictures)
    return {
        "hh_sample": band[..., ::16, ::16].numpy(),
        "hh_sum": band.sum(dim=(1, 2, 3)).numpy(),
        "feature": network.features(band).numpy(),
        "logit": network(pictures).numpy(),
        "prob": detector({"image": pictures}).sigmoid().numpy(),
        "logit_times16": network(pictures * 16).numpy(),
        "logit_250x231": network(pictures[:, :, :250, :231]).numpy(),
    }
