"""Fair views: what they do to both classes alike, how sets are named, and that runs keep them apart."""

from __future__ import annotations

import json
import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.audits import audit
from benchmarks.datasets import find_test_sets
from benchmarks.datasets.fair import centre_crop
from benchmarks.pictures import PictureError, open_picture
from benchmarks.runfolder.scores import read_scores
from registry import Catalogs, TestSet, UserError
from tests.runner.test_run import PLUGIN


def noise(width: int, height: int, seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """GenImage's fault: real pictures are JPEG of many sizes, generated ones PNG of one."""
    root = tmp_path / "data" / "ADM"
    for number in range(12):
        for folder, name, picture in (
            ("0_real", f"{number}.jpg", noise(100 + 4 * number, 90, number)),
            ("1_fake", f"{number}.png", noise(96, 96, 100 + number)),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            picture.save(root / folder / name)
    (root / "0_real" / "broken.jpg").write_bytes(b"")
    return root


def view(catalogs: Catalogs, root: Path, *names: str) -> TestSet:
    (found,) = find_test_sets(catalogs.datasets, [str(root)], fair=names)
    return found


def prepared(test_set: TestSet, path: str) -> Image.Image:
    assert test_set.prepare is not None
    return test_set.prepare(open_picture(test_set.root / path))


def test_size_view_crops_every_picture_to_the_smallest_sides(catalogs: Catalogs, data: Path) -> None:
    seen = view(catalogs, data, "size")
    assert (seen.name, str(seen.prepare)) == ("ADM@size", "size:96x90")
    assert seen.generator == "ADM"
    sizes = {prepared(seen, picture.path).size for picture in seen.pictures if "broken" not in picture.path}
    assert sizes == {(96, 90)}
    original = np.asarray(open_picture(data / "0_real" / "11.jpg"))
    # (144 - 96) // 2 = 24 → 16; (90 - 90) // 2 = 0: on the JPEG's own block grid, pixels untouched
    np.testing.assert_array_equal(np.asarray(prepared(seen, "0_real/11.jpg")), original[:90, 16:112])


def test_jpeg_view_is_pillows_jpeg_for_both_classes(catalogs: Catalogs, data: Path) -> None:
    seen = view(catalogs, data, "jpeg96")
    assert seen.name == "ADM@jpeg96"
    for path in ("0_real/3.jpg", "1_fake/3.png"):
        buffer = BytesIO()
        open_picture(data / path).save(buffer, "JPEG", quality=96)
        with Image.open(buffer) as expected:
            np.testing.assert_array_equal(
                np.asarray(prepared(seen, path)), np.asarray(expected.convert("RGB"))
            )


def test_views_combine_in_order_and_reach_other_processes(catalogs: Catalogs, data: Path) -> None:
    seen = view(catalogs, data, "size", "jpeg90")
    assert (seen.name, str(seen.prepare)) == ("ADM@size+jpeg90", "size:96x90+jpeg90")
    again = pickle.loads(pickle.dumps(seen))
    for path in ("0_real/5.jpg", "1_fake/5.png"):
        np.testing.assert_array_equal(np.asarray(prepared(again, path)), np.asarray(prepared(seen, path)))
    assert view(catalogs, data).prepare is None


def test_a_view_takes_the_shortcut_away(catalogs: Catalogs, data: Path) -> None:
    def cues(*names: str) -> set[str]:
        return {finding.cue for _, finding in audit([view(catalogs, data, *names)]).shortcuts}

    assert {"format", "size", "aspect"} <= cues()
    assert {"size", "aspect"} <= cues("jpeg96")
    assert "format" not in cues("jpeg96")
    # the real pictures were JPEG twice now, and that still shows
    assert cues("size", "jpeg96") == {"jpeg past"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["jpg96"], r"fair view 'jpg96' does not exist, did you mean 'jpeg96'\? \(size: .*; jpeg96: "),
        (["jpeg0"], r"fair view 'jpeg0' does not exist"),
        (["jpeg101"], r"fair view 'jpeg101' does not exist"),
        (["size", "size"], r"one is given twice"),
        (["size", "size:64"], r"one is given twice"),
        (["size:0"], r"fair view 'size:0' does not exist"),
        (["size:500"], r"ADM: no real picture has 500 pixels or more on each side"),
    ],
)
def test_views_that_do_not_exist_are_refused(
    catalogs: Catalogs, data: Path, names: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        view(catalogs, data, *names)


def test_what_cannot_be_viewed_is_a_picture_error(catalogs: Catalogs, data: Path) -> None:
    seen = view(catalogs, data, "size")
    assert seen.prepare is not None
    with pytest.raises(PictureError, match="size:96x90: 50×50 is smaller than 96×90"):
        seen.prepare(noise(50, 50, 0))
    with pytest.raises(ValueError, match="smaller"):
        centre_crop(noise(50, 50, 0), width=51, height=1)
    for file in [*data.glob("*/*")]:
        file.write_bytes(b"")
    with pytest.raises(UserError, match="no picture of ADM can be read"):
        view(catalogs, data, "size")


def test_a_run_names_the_view_and_refuses_to_mix_it_with_another(invoke, data: Path, tmp_path: Path) -> None:
    (data / "0_real" / "broken.jpg").unlink()
    arguments = ["run", "--data", str(data), "--plugin", str(PLUGIN), "--detectors", "brightness"]
    arguments += ["--out", str(tmp_path / "run"), "--bootstrap", "0"]
    result = invoke(*arguments, "--fair", "size,jpeg96", "--workers", "2")
    assert result.code == 0, result.err
    frame = read_scores(tmp_path / "run")
    assert set(frame["dataset"]) == {"ADM@size+jpeg96"}
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["fair"] == ["size", "jpeg96"]
    assert record["datasets"]["ADM@size+jpeg96"]["prepare"] == "size:96x90+jpeg96"
    assert set(frame["paradigm"]) == {"diffusion"}
    mixed = invoke(*arguments)
    assert mixed.code == 2
    assert "its fair view was size, jpeg96, now none" in mixed.err


def test_scores_come_from_the_view(invoke, data: Path, tmp_path: Path) -> None:
    (data / "0_real" / "broken.jpg").unlink()
    for out, fair in (("plain", []), ("fair", ["--fair", "jpeg5"])):
        arguments = ["--plugin", str(PLUGIN), "--detectors", "brightness", "--out", str(tmp_path / out)]
        assert invoke("run", "--data", str(data), *arguments, *fair, "--bootstrap", "0").code == 0
    plain, fair = (read_scores(tmp_path / out).set_index("path")["logit"] for out in ("plain", "fair"))
    assert (plain != fair).mean() > 0.9


def test_one_icon_is_warned_of_and_a_floor_leaves_it_out(
    invoke, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / "0_real" / "broken.jpg").unlink()
    noise(16, 12, 7).save(data / "1_fake" / "icon.png")

    def run(fair: str, out: str) -> tuple[str, dict[str, object], str]:
        caplog.clear()
        arguments = ["run", "--data", str(data), "--plugin", str(PLUGIN), "--detectors", "brightness"]
        done = invoke(*arguments, "--out", str(tmp_path / out), "--bootstrap", "0", "--fair", fair)
        assert done.code == 0, done.err
        said = caplog.text + done.out
        record = json.loads((tmp_path / out / "run.json").read_text())
        report = invoke("report", str(tmp_path / out), "--out", str(tmp_path / f"{out}-report"))
        assert report.code == 0, report.err
        return said, record, (tmp_path / f"{out}-report" / "leaderboard.md").read_text()

    said, record, table = run("size", "all")
    assert "keeps 2.0% of the pictures' area (16×12), because of 1_fake/icon.png" in said
    assert "ADM@size:16x12" in table
    assert "ADM@size:16x12" in said
    said, record, table = run("size:64,jpeg90", "floor")
    assert "1 of 25 pictures left out, smaller than 64 pixels on a side" in said
    assert "of the pictures' area" not in said
    assert record["datasets"] == {
        "ADM@size:64+jpeg90": {
            **record["datasets"]["ADM@size:64+jpeg90"],  # type: ignore[index]
            "asked": {"real": 12, "fake": 12},
            "prepare": "size:96x90+jpeg90",
            "omitted": ["1_fake/icon.png"],
        }
    }
    assert "ADM@size:96x90+jpeg90, 1 left out" in table
