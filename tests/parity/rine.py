"""RINE: all class tokens of CLIP, and the head on them, seeded and published."""

from __future__ import annotations

from baselines.rine import RINE
from d3qe_plugin.clip import ClipVision
from tests.conftest import SHARED
from tests.parity.filling import Arrays, column, filled, golden_names, load_copy, normalised_images

CLIP = "clip."
PUBLISHED_HEAD = SHARED / "golden" / "published_heads" / "rine_2class.pth"


def arrays(seed: int) -> Arrays:
    encoder = filled(ClipVision, golden_names("rine", CLIP), CLIP, seed)
    tokens = encoder(normalised_images(2, 224, seed), ["block_tokens"])["block_tokens"]
    head = filled(lambda: RINE(variant="2class"), golden_names("rine", ignore=(CLIP,)), "", seed)
    found = {"logit": column(head({"tokens": tokens})), "embedding": head.embed(tokens).numpy()}
    if PUBLISHED_HEAD.is_file():
        load_copy(head, PUBLISHED_HEAD)
        found["logit_published_head"] = column(head({"tokens": tokens}))
    return found
