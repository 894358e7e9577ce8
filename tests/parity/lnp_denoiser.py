"""The denoiser in front of LNP's classifier."""

from __future__ import annotations

from baselines.denoiser import Denoiser
from tests.parity.filling import Arrays, filled, golden_names, images


def arrays(seed: int) -> Arrays:
    network = filled(Denoiser, golden_names("lnp_denoiser"), "", seed)
    return {"out": network(images(1, 64, seed))["pattern"].numpy()}
