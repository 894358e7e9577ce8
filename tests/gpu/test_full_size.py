"""D³QE as published, with weights from a seed: what it finds on a GPU is what it finds on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.loading import open_session
from registry.view import views_of

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


def test_codes_and_logits_are_those_of_the_cpu(device: str, cuda: bool) -> None:
    """The CPU takes the pictures one by one, so that in a rehearsal, too, sums are in another order."""
    rng = np.random.default_rng(0)
    smooth = [rng.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(6 if cuda else 2)]
    pictures = [Image.fromarray(one).resize((256, 256), Image.Resampling.BICUBIC) for one in smooth]
    codes, logits = {}, {}
    for place, options in (("device", {"device": device}), ("cpu", {"device": "cpu", "micro_batch": 1})):
        session = open_session(detectors=["d3qe"], allow_untrained=True, batch_size=8, **options)
        (tokenizer, view) = next(
            (spec, view)
            for spec, view in session.pipeline.reads(["d3qe"])
            if "indices" in session.encoders.get(spec).outputs
        )
        samples = [views_of(picture, session.pipeline.views()) for picture in pictures]
        with torch.inference_mode():
            images = view.values(
                torch.stack([sample[view] for sample in samples]).to(session.encoders.device)
            )
            codes[place] = session.encoders.encode(tokenizer, images, ["indices"])["indices"].cpu()
        logits[place] = np.array(session.pipeline.score(samples)["d3qe"], dtype=float)
    assert codes["cpu"].unique().numel() > 10
    assert (codes["device"] == codes["cpu"]).float().mean() >= 0.99
    # noise of 1e-6 of the factors in convolutions moved them by 0.003, TF32's rounding by 6
    np.testing.assert_allclose(logits["device"], logits["cpu"], atol=0.1)
