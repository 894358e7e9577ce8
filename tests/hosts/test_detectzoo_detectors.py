"""DetectZoo's detectors as ours give DetectZoo's scores, batched; and ours as DetectZoo's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command
from tests.hosts.installed import NEEDS_DETECTZOO

pytestmark = NEEDS_DETECTZOO

IN = """
import json, pickle, sys
from pathlib import Path
import numpy as np, torch
from PIL import Image
from benchmarks.hosts import detectzoo_detectors
from benchmarks.hosts.detectzoo import load_suite
from benchmarks.hosts.suite import Notes
from registry import EncoderCard, EncoderPool, Pipeline, WeightsError
from registry.catalog import Catalog

folder = Path(sys.argv[1])
suite = load_suite(Notes())
from detectzoo.detectors.image.npr_deepfake import _NPRResNet

torch.manual_seed(0)
torch.save({"model": _NPRResNet().state_dict()}, folder / "npr.pth")
torch.save({"model": torch.nn.Linear(1, 1).state_dict()}, folder / "foreign.pth")

class Code:
    def __reduce__(self):
        return (open, (str(folder / "it ran"), "w"))

torch.save({"model": _NPRResNet().state_dict(), "extra": Code()}, folder / "code.pth")
rng = np.random.default_rng(0)
sizes = [(96, 80), (96, 80), (97, 80), (96, 80)]
pictures = [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes]
detector = detectzoo_detectors.build("npr_deepfake")
detector.load_weights(folder / "npr.pth")
batches = []
detector._suite._model.register_forward_pre_hook(lambda module, args: batches.append(len(args[0])))
pipeline = Pipeline({"it": detector}, EncoderPool(Catalog("encoder", EncoderCard)))
logits = pipeline.score([pipeline.prepare(picture) for picture in pictures])["it"]
alone = suite.load_detector("npr_deepfake", checkpoint_path=folder / "npr.pth")
refused = {}
for name in ("code.pth", "foreign.pth"):
    try:
        detector.load_weights(folder / name)
    except WeightsError as error:
        refused[name] = str(error)
print(json.dumps({
    "scores": [torch.tensor(logit, dtype=torch.float64).sigmoid().item() for logit in logits],
    "theirs": [alone.predict(picture).score for picture in pictures],
    "batches": sorted(batches),
    "refused": refused,
    "names": detectzoo_detectors.image_detectors(),
    "registered": suite.list_detectors("image"),
}))
"""

OUT = """
import json, sys
import numpy as np
from pathlib import Path
from PIL import Image
from benchmarks.hosts import detectzoo
from benchmarks.hosts.scorer import Scorer
from benchmarks.hosts.settings import settings_for

names = detectzoo.register(["random_score", "univfd"], device="cpu")
again = detectzoo.register(["random_score"], device="cpu")
import detectzoo as suite

path = Path(sys.argv[1], "picture.png")
Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(path)
detector = suite.load_detector("random_score")
scores = [detector.predict(str(path)).score, detector.predict(Image.open(path)).score]
detector.unload()
scores.append(detector.predict(path).score)
print(json.dumps({
    "names": names, "again": again, "scores": scores, "modality": detector.modality,
    "ours": Scorer(settings_for(["random_score"], "detectzoo", {"device": "cpu"}), "random_score").probability(path),
}))
"""


def answer(code: str, folder: Path) -> dict:
    finished = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return json.loads(finished.stdout.splitlines()[-1])


def test_their_detectors_score_here_as_there_and_in_batches(tmp_path: Path) -> None:
    found = answer(IN, tmp_path)
    assert found["scores"] == pytest.approx(found["theirs"], abs=1e-6)
    # three pictures of one size and one of another
    assert found["batches"] == [1, 3]
    assert "is refused" in found["refused"]["code.pth"]
    assert "does not fit detectzoo:npr_deepfake" in found["refused"]["foreign.pth"]
    assert not (tmp_path / "it ran").exists()
    assert sorted(found["names"]) == sorted(found["registered"])
    assert {"aide", "c2p_clip", "cospy", "drct", "fatformer", "freqnet", "lgrad", "patchcraft"} < set(
        found["names"]
    )


def test_our_detectors_are_loaded_by_name_there(tmp_path: Path) -> None:
    found = answer(OUT, tmp_path)
    assert found["names"] == {"random_score": "random_score", "univfd": "d3qe_bench_univfd"}
    assert found["again"] == {"random_score": "random_score"}
    assert found["scores"] == [found["ours"]] * 3
    assert found["modality"] == "image"


def test_the_list_names_them(command: Command) -> None:
    assert "detectzoo:aeroblade" in command("list", "detectors", "--json").stdout
