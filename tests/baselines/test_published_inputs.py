"""Inputs that a detector was published with by name, against torchvision's own transforms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from baselines.cnnspot import CNNSpot
from baselines.crops import ten_crops
from baselines.gramnet import GramNet
from baselines.npr import NPR
from baselines.rine import RINE
from baselines.univfd import UnivFD
from registry import Pipeline, UserError, View
from registry.encoder import EncoderPool
from registry.view import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from tests.conftest import Invoke
from tests.contracts.test_detectors import CATALOGS, TOY
from tests.golden.seeded import write_image_files
from tests.pictures import make_class_folders

IMAGENET = transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)
SMALL = (1, 1, 1, 1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    paths = write_image_files(tmp_path_factory.mktemp("pictures"))
    found = [Image.open(path).convert("RGB") for path in paths]
    rng = np.random.RandomState(5)
    return [
        *found,
        *(
            Image.fromarray(rng.randint(0, 256, (*size, 3)).astype(np.uint8))
            for size in ((301, 500), (256, 256))
        ),
    ]


def composed(*steps: Any) -> transforms.Compose:
    return transforms.Compose([*steps, transforms.ToTensor(), IMAGENET])


@pytest.mark.parametrize(
    ("detector", "published"),
    [
        (NPR, composed()),
        *((lambda name=name: NPR(input=name), composed(transforms.Resize((256, 256)))) for name in ("ForenSynths", "DiffusionForensics", "UniversalFakeDetect")),
        (lambda: GramNet(blocks=SMALL), composed(transforms.Resize(256), transforms.CenterCrop(224))),
        (lambda: GramNet(blocks=SMALL, input="whole"), composed()),
        (lambda: CNNSpot(blocks=SMALL), composed()),
        (lambda: CNNSpot(blocks=SMALL, input="AIGCDetectBenchmark"), composed(transforms.Resize(256), transforms.CenterCrop(224))),
    ],
)  # fmt: skip
def test_views_are_those_of_the_published_evaluation(
    detector: Any, published: Any, pictures: list[Image.Image]
) -> None:
    view = detector().view
    for picture in pictures:
        assert torch.equal(view(picture), published(picture))


def test_univfd_by_aigcdetectbenchmark(pictures: list[Image.Image]) -> None:
    view = UnivFD(input="AIGCDetectBenchmark").feature.view
    steps = [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(CLIP_MEAN, CLIP_STD),
    ]
    for picture in pictures:
        assert torch.equal(view(picture), transforms.Compose(steps)(picture))


def test_ten_crops_are_torchvisions(pictures: list[Image.Image]) -> None:
    large = [picture for picture in pictures if min(picture.size) >= 224]
    assert len({picture.size for picture in large}) > 2
    plain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(CLIP_MEAN, CLIP_STD)])
    for picture in large:
        views = ten_crops(View(crop=224, mean=CLIP_MEAN, std=CLIP_STD))
        for view, published in zip(views, transforms.TenCrop(224)(picture), strict=True):
            assert torch.equal(view(picture), plain(published))
    with pytest.raises(UserError, match="a picture of 200×300 has no crops of 224 pixels"):
        ten_crops(View(crop=224))[0](Image.new("RGB", (200, 300)))


def test_rine_averages_the_logits_of_ten_crops(pictures: list[Image.Image]) -> None:
    torch.manual_seed(0)
    options = TOY["rine"]
    ten = RINE(input="Synthbuster", **options).eval()
    one = RINE(**options).eval()
    one.load_state_dict(ten.state_dict())
    pool = EncoderPool(CATALOGS.encoders, lambda _: None, allow_untrained=True, seed=0)
    picture = next(picture for picture in pictures if picture.size == (500, 301))
    side = ten.features[0].view.crop
    encoder = pool.get(ten.features[0].encoder)
    plain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(CLIP_MEAN, CLIP_STD)])
    with torch.inference_mode():
        crops = torch.stack([plain(crop) for crop in transforms.TenCrop(side)(picture)])
        tokens = encoder(crops, ("block_tokens",))["block_tokens"]
        logits = [one({"tokens": row[None]}).item() for row in tokens]
        pipeline = Pipeline({"ten": ten}, pool)
        views = [
            {view: view(p) for view in pipeline.views()}
            for p in (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        ]
        found = pipeline.score(views)["ten"]
    assert np.ptp(logits) > 1e-4
    # ten crops of a mirrored picture are the same ten
    np.testing.assert_allclose(found, [np.mean(logits)] * 2, rtol=1e-4, atol=1e-6)


def test_rine_learns_from_all_of_its_squares() -> None:
    torch.manual_seed(0)
    rine = RINE(input="Synthbuster", contrast=0, **TOY["rine"]).eval()
    width = TOY["rine"]
    inputs = {name: torch.randn(4, width["blocks"], width["channels"]) for name in rine.inputs}
    labels = torch.tensor([0, 1, 0, 1])
    logits = torch.cat([rine.head(rine.embed(tokens)).squeeze(1) for tokens in inputs.values()])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float().repeat(10))
    assert rine.training_loss(inputs, labels).item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("detector", [NPR, GramNet, CNNSpot, UnivFD, RINE])
def test_other_inputs_are_refused(detector: Any) -> None:
    with pytest.raises(UserError, match=r"input 'UniversalFakeDetct' is not known.*\(known: "):
        detector(input="UniversalFakeDetct")


def test_uniform_has_one_input_for_all() -> None:
    with pytest.raises(
        UserError, match="npr: input 'ForenSynths' is of the protocol original, not of uniform"
    ):
        NPR(protocol="uniform", input="ForenSynths")


def test_an_input_is_named_recorded_and_listed(invoke: Invoke, tmp_path: Path) -> None:
    make_class_folders(tmp_path / "data", count=2)
    config = tmp_path / "run.yaml"
    detectors = [
        {"name": "npr", "label": name, "options": {"input": name}}
        for name in ("GANGen-Detection", "ForenSynths")
    ]
    config.write_text(
        json.dumps(
            {
                "data": [str(tmp_path / "data")],
                "detectors": detectors,
                "allow_untrained": True,
                "bootstrap": 0,
                "out": str(tmp_path / "run"),
            }
        ),
        encoding="utf-8",
    )
    done = invoke("run", config, "--device", "cpu")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))["detectors"]
    assert "stretch=True" in record["ForenSynths"]["inputs"]["image"]
    assert record["ForenSynths"]["options"]["input"] == "ForenSynths"
    assert "resize=None" in record["GANGen-Detection"]["inputs"]["image"]
    listed = invoke("list", "detectors").out
    assert "input as in the tables of NPR on GANGen-Detection" in " ".join(listed.split())
    facts = {one["name"]: one["tables"] for one in json.loads(invoke("list", "detectors", "--json").out)}
    assert facts["gramnet"] == "AIGCDetectBenchmark"


def test_every_card_with_published_figures_or_weights_says_whose_tables_its_input_is_that_of() -> None:
    silent = {
        entry.name for entry in CATALOGS.detectors if entry.card.needs_weights and not entry.card.tables
    }
    assert silent == {"linear_probe", "aeroblade", "univfd_mini", "cnnspot_mini", "d3qe_mini"}
