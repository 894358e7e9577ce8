"""Each on-disk layout, found by detection and by name."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from benchmarks.datasets import find_test_sets
from registry import Catalogs, TestSet, UserError


def table(sets: list[TestSet]) -> dict[str, tuple[str, str, int, int]]:
    return {s.name: (s.generator, s.paradigm, s.count(0), s.count(1)) for s in sets}


def pair(folder: str, real: int = 2, fake: int = 3) -> list[str]:
    return [f"{folder}/0_real/{i}.png" for i in range(real)] + [
        f"{folder}/1_fake/{i}.png" for i in range(fake)
    ]


def test_paradigm_folders_of_the_shared_field_set(catalogs: Catalogs, shared: Path) -> None:
    sets = find_test_sets(catalogs.datasets, [str(shared / "data" / "field")])
    assert len(sets) == 10
    assert sum(len(s.pictures) for s in sets) == 526
    assert table(sets)["AR/minDALL-E"] == ("minDALL-E", "AR", 36, 36)
    paths = [p.path for s in sets for p in s.pictures if s.name == "AR/minDALL-E"]
    assert paths[0] == "AR/minDALL-E/0_real/alae_imagenet256_png_0.png"
    assert paths == sorted(paths)


def test_paradigm_folders_may_have_class_folders_and_unknown_names(catalogs: Catalogs, make_files) -> None:
    root = make_files(
        *pair("GAN/progan/horse"), *pair("GAN/progan/car"), *pair("faces/BlendFace"), *pair("video/SDXL")
    )
    assert table(find_test_sets(catalogs.datasets, [str(root)])) == {
        "GAN/progan": ("progan", "GAN", 4, 6),
        "faces/BlendFace": ("BlendFace", "unknown", 2, 3),
        "video/SDXL": ("SDXL", "diffusion", 2, 3),
    }


def test_generator_folders_with_and_without_class_folders_in_one_root(catalogs: Catalogs, make_files) -> None:
    root = make_files(
        *pair("progan/horse"), *pair("progan/tv monitor"), *pair("biggan"), *pair("ADM"), "notes/a.png"
    )
    assert table(find_test_sets(catalogs.datasets, [str(root)])) == {
        "ADM": ("ADM", "diffusion", 2, 3),
        "biggan": ("biggan", "GAN", 2, 3),
        "progan": ("progan", "GAN", 4, 6),
    }


def test_bare_pair_is_named_after_its_folder(catalogs: Catalogs, make_files) -> None:
    root = make_files(*pair("VAR"))
    assert table(find_test_sets(catalogs.datasets, [str(root / "VAR")])) == {"VAR": ("VAR", "AR", 2, 3)}


def test_pictures_below_the_class_folder_count_at_any_depth(catalogs: Catalogs, make_files) -> None:
    root = make_files("0_real/n01440764/a.JPEG", "0_real/b.png", "1_fake/x/y/c.webp")
    (found,) = find_test_sets(catalogs.datasets, [str(root)])
    assert [p.path for p in found.pictures] == [
        "0_real/b.png",
        "0_real/n01440764/a.JPEG",
        "1_fake/x/y/c.webp",
    ]


@pytest.mark.parametrize("split", ["val", "train"])
def test_genimage_takes_one_split(catalogs: Catalogs, make_files, split: str) -> None:
    root = make_files(
        "Midjourney/imagenet_midjourney/val/ai/a.png",
        "Midjourney/imagenet_midjourney/val/nature/b.png",
        "Midjourney/imagenet_midjourney/train/ai/c.png",
        "Midjourney/imagenet_midjourney/train/nature/d.png",
        "imagenet_ai_0419_sdv4/val/ai/a.png",
        "imagenet_ai_0419_sdv4/val/nature/b.png",
        "imagenet_ai_0419_sdv4/train/ai/a.png",
        "imagenet_ai_0419_sdv4/train/nature/b.png",
    )
    sets = find_test_sets(catalogs.datasets, [str(root)], options={"split": split})
    assert table(sets) == {
        "Midjourney": ("Midjourney", "diffusion", 1, 1),
        "imagenet_ai_0419_sdv4": ("imagenet_ai_0419_sdv4", "diffusion", 1, 1),
    }
    assert all(f"/{split}/" in p.path for s in sets for p in s.pictures)
    if split == "val":
        assert find_test_sets(catalogs.datasets, [str(root)]) == sets


def test_genimage_plain_classes(catalogs: Catalogs, make_files) -> None:
    root = make_files("BigGAN/ai/a.png", "BigGAN/nature/b.png")
    assert table(find_test_sets(catalogs.datasets, [str(root)])) == {"BigGAN": ("BigGAN", "GAN", 1, 1)}
    assert table(find_test_sets(catalogs.datasets, [str(root / "BigGAN")])) == {
        "BigGAN": ("BigGAN", "GAN", 1, 1)
    }


def test_genimage_names_a_missing_split(catalogs: Catalogs, make_files) -> None:
    root = make_files("ADM/train/ai/a.png", "ADM/train/nature/b.png")
    with pytest.raises(UserError, match=r"ADM has no split 'val'"):
        find_test_sets(catalogs.datasets, [str(root)])
    with pytest.raises(UserError, match=r"split 'vall' does not exist, did you mean 'val'"):
        find_test_sets(catalogs.datasets, [str(root)], layout="genimage", options={"split": "vall"})


def test_arforensics_root_gives_its_test_split_unless_asked(catalogs: Catalogs, make_files) -> None:
    root = make_files(*pair("train"), *pair("val", 4, 4), *pair("test/Janus_Pro"), *pair("test/Open_MAGVIT2"))
    assert table(find_test_sets(catalogs.datasets, [str(root)])) == {
        "Janus_Pro": ("Janus_Pro", "AR", 2, 3),
        "Open_MAGVIT2": ("Open_MAGVIT2", "AR", 2, 3),
    }
    validation = find_test_sets(
        catalogs.datasets, [str(root)], layout="arforensics", options={"split": "val"}
    )
    assert table(validation) == {"val": ("LlamaGen", "AR", 4, 4)}
    assert table(find_test_sets(catalogs.datasets, [str(root / "train")])) == {
        "train": ("train", "unknown", 2, 3)
    }


def test_plain_splits_of_ones_own_are_not_mixed(catalogs: Catalogs, make_files) -> None:
    root = make_files(*pair("train"), *pair("val"), *pair("test", 5, 5), root="StyleGAN3")
    assert table(find_test_sets(catalogs.datasets, [str(root)])) == {"test": ("StyleGAN3", "GAN", 5, 5)}
    validation = find_test_sets(catalogs.datasets, [str(root)], options={"split": "val"})
    assert table(validation) == {"val": ("StyleGAN3", "GAN", 2, 3)}


def test_generators_one_level_too_deep_are_not_scored_as_one(catalogs: Catalogs, make_files) -> None:
    root = make_files(*pair("test/biggan"), *pair("test/progan/car"), *pair("test/ADM"))
    with pytest.raises(UserError, match=r"test holds generators \(ADM\), not classes: give .*test instead"):
        find_test_sets(catalogs.datasets, [str(root)])
    assert len(find_test_sets(catalogs.datasets, [str(root / "test")])) == 3


@pytest.mark.parametrize(("seventh", "warned"), [("MAR", True), ("Switti", False)])
@pytest.mark.parametrize("below", ["", "test"])
def test_first_upload_of_arforensics_is_noticed(
    catalogs: Catalogs, make_files, caplog: pytest.LogCaptureFixture, seventh: str, warned: bool, below: str
) -> None:
    names = ["Infinity", "Janus_Pro", "RAR", "VAR", "LlamaGen", "Open_MAGVIT2", seventh]
    root = make_files(*(path for name in names for path in pair(f"test/{name}")), *pair("val"))
    with caplog.at_level(logging.WARNING):
        assert len(find_test_sets(catalogs.datasets, [str(root / below)])) == 7
    assert ("MAR in place of Switti" in caplog.text) == warned


def test_universal_fake_detect_joins_the_real_pictures_that_belong_to_each_set(
    catalogs: Catalogs, make_files
) -> None:
    root = make_files(
        "imagenet/0_real/a.png",
        "laion/0_real/b.png",
        "guided/1_fake/c.png",
        "ldm_200_cfg/1_fake/d.png",
        "dalle/1_fake/e.png",
    )
    sets = find_test_sets(catalogs.datasets, [str(root)])
    assert table(sets) == {
        "dalle": ("dalle", "AR", 1, 1),
        "guided": ("guided", "diffusion", 1, 1),
        "ldm_200_cfg": ("ldm_200_cfg", "diffusion", 1, 1),
    }
    assert {s.name: s.pictures[-1].path for s in sets if s.name != "dalle"} == {
        "guided": "imagenet/0_real/a.png",
        "ldm_200_cfg": "ldm_200_cfg/1_fake/d.png",
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["VAR/1_fake/a.png"], r"VAR has 1_fake but no 0_real"),
        (["AR/VAR/0_real/a.png"], r"VAR has 0_real but no 1_fake"),
        (["1_fake/a.png"], r"data has 1_fake but no 0_real"),
        (["VAR/0_real/a.txt", "VAR/1_fake/b.png"], r"no pictures in .*VAR.0_real \(other files: 1 × \.txt\)"),
        (["x/y.png"], r"data has no known layout \(manifest: .*; pair: .*generators: no folder in it holds"),
    ],
)
def test_what_is_wrong_is_named(catalogs: Catalogs, make_files, files: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_test_sets(catalogs.datasets, [str(make_files(*files))])


def test_odd_names_hidden_files_and_broken_pictures(
    catalogs: Catalogs, make_files, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["a.b.c.png", "René Magritte – 1.jpg", "日本.webp", "UPPER.JPG", "broken.png"]
    root = make_files(*(f"0_real/{name}" for name in names), "1_fake/x.png")
    make_files(
        "0_real/.hidden.png", "0_real/Thumbs.db", "0_real/README.md", "0_real/data.npy", "0_real/.git/x.png"
    )
    (root / "0_real" / "broken.png").write_text("no picture")
    with caplog.at_level(logging.WARNING):
        (found,) = find_test_sets(catalogs.datasets, [str(root)])
    assert {p.path.removeprefix("0_real/") for p in found.pictures if p.label == 0} == set(names)
    assert "1 × .npy" in caplog.text
    assert "Thumbs" not in caplog.text


def test_a_name_that_is_not_unicode_is_refused_before_anything_runs(catalogs: Catalogs, make_files) -> None:
    root = make_files("0_real/a.png", "1_fake/b.png")
    (root / "0_real" / "a.png").rename(root / "0_real" / "caf\udce9.png")
    with pytest.raises(UserError, match=r"is not Unicode"):
        find_test_sets(catalogs.datasets, [str(root)])


@pytest.mark.parametrize("what", ["file", "folder", "class"])
def test_links_out_of_the_root_are_refused_unless_allowed(catalogs: Catalogs, make_files, what: str) -> None:
    elsewhere = make_files("c.png", root="elsewhere")
    root = make_files("VAR/0_real/a.png", *(["VAR/1_fake/b.png"] if what != "class" else []))
    link, target = {
        "file": ("VAR/0_real/c.png", elsewhere / "c.png"),
        "folder": ("VAR/0_real/more", elsewhere),
        "class": ("VAR/1_fake", elsewhere),
    }[what]
    (root / link).symlink_to(target)
    with pytest.raises(UserError, match=r"is a link to .*elsewhere.*follow_links=true"):
        find_test_sets(catalogs.datasets, [str(root)])
    (found,) = find_test_sets(catalogs.datasets, [str(root)], options={"follow_links": "true"})
    assert len(found.pictures) == (2 if what == "class" else 3)


def test_links_inside_the_root_are_followed_and_cycles_refused(catalogs: Catalogs, make_files) -> None:
    root = make_files("VAR/0_real/a.png", "VAR/1_fake/b.png", "RAR/1_fake/c.png")
    (root / "RAR" / "0_real").symlink_to(root / "VAR" / "0_real")
    assert table(find_test_sets(catalogs.datasets, [str(root)]))["RAR"] == ("RAR", "AR", 1, 1)
    (root / "VAR" / "0_real" / "again").symlink_to(root / "VAR" / "0_real")
    with pytest.raises(UserError, match="lies in"):
        find_test_sets(catalogs.datasets, [str(root)])
