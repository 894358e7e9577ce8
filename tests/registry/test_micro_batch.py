"""How many pictures go through a frozen encoder together: all that are there, or as many as are asked for."""

from __future__ import annotations

import pytest
import torch

from benchmarks.loading import load_catalogs
from registry import EncoderPool, EncoderSpec
from tests.registry.test_pipeline import CLIP, pool

IMAGES = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def sizes(encoders: EncoderPool) -> list[int]:
    encoders.encode(CLIP, IMAGES, ["mean"])
    return [count for count, _ in encoders.get(CLIP).calls]  # type: ignore[attr-defined]


def test_the_number_asked_for_goes_through_together_and_the_outputs_keep_their_order() -> None:
    encoders = pool(at_once=2)
    found = encoders.encode(CLIP, IMAGES, ["mean", "max"])
    assert [count for count, _ in encoders.get(CLIP).calls] == [2, 2, 1]  # type: ignore[attr-defined]
    assert torch.equal(found["mean"], IMAGES.mean(dim=(2, 3)))
    assert torch.equal(found["max"], IMAGES.amax(dim=(2, 3)))
    assert encoders.micro_batches == {"clip": 2}
    encoders.run_at_once("clip", None)
    assert sizes(encoders)[3:] == [5]
    assert sizes(pool()) == [5], "by default all together"


@pytest.mark.parametrize("name", ["mini-image-encoder", "mini-vq4"])
def test_one_by_one_what_is_found_in_a_picture_depends_on_no_batch(name: str) -> None:
    encoders = EncoderPool(load_catalogs().encoders, allow_untrained=True, at_once=1)
    spec = EncoderSpec(name)
    outputs = set(encoders.get(spec).outputs[:4])
    with torch.inference_mode():
        together = encoders.encode(spec, IMAGES, outputs)
        for index in range(len(IMAGES)):
            alone = encoders.encode(spec, IMAGES[index : index + 1].clone(), outputs)
            assert all(torch.equal(together[key][index : index + 1], alone[key]) for key in outputs)
