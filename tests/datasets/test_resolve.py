"""Names, overrides, limits and fingerprints of test sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.datasets import find_test_sets, fingerprint, limit_per_class
from benchmarks.datasets.paradigms import paradigm_of
from registry import Catalogs, DatasetCard, Picture, TestSet, UserError
from registry.catalog import Catalog, Entry

PAIR = ["0_real/a.png", "1_fake/b.png"]


def names(sets: list[TestSet]) -> list[str]:
    return [s.name for s in sets]


def two(make_files) -> tuple[Path, Path]:
    roots = [
        make_files(*(f"VAR/{p}" for p in PAIR), *(f"RAR/{p}" for p in PAIR), root=r) for r in ("one", "two")
    ]
    return roots[0], roots[1]


def test_equal_names_of_two_roots_are_refused_with_the_remedy(catalogs: Catalogs, make_files) -> None:
    one, other = two(make_files)
    with pytest.raises(UserError, match=r"two test sets are called 'RAR', in .*one and in .*two.*NAME=PATH"):
        find_test_sets(catalogs.datasets, [str(one), str(other)])
    assert names(find_test_sets(catalogs.datasets, [str(one), f"new={other}"])) == [
        "RAR",
        "VAR",
        "new/RAR",
        "new/VAR",
    ]
    assert names(find_test_sets(catalogs.datasets, [f"mine={one / 'VAR'}"])) == ["mine"]


def test_a_folder_with_an_equals_sign_is_a_path(catalogs: Catalogs, make_files) -> None:
    root = make_files(*PAIR, root="lr=0.1")
    assert names(find_test_sets(catalogs.datasets, [str(root)])) == ["lr=0.1"]


def test_named_data_sets_come_from_the_catalogue_with_their_options() -> None:
    def mini(size: int = 1) -> list[TestSet]:
        pictures = tuple(Picture(f"{label}{i}.png", label) for i in range(size) for label in (0, 1))
        return [TestSet("mini/AR", Path("."), "mine", "AR", pictures)]

    catalog: Catalog[DatasetCard] = Catalog("data set", DatasetCard)
    catalog.add(Entry("mini", mini, DatasetCard(), "test"))
    (found,) = find_test_sets(catalog, ["mini"], options={"size": 3})
    assert found.count(1) == 3
    with pytest.raises(UserError, match=r"has no option 'sise', did you mean 'size'"):
        find_test_sets(catalog, ["mini"], options={"sise": 3})
    with pytest.raises(UserError, match=r"no folder, manifest or data set 'mimi', did you mean 'mini'"):
        find_test_sets(catalog, ["mimi"])


def test_a_strangers_layout_takes_part_in_detection_and_may_find_nothing(make_files) -> None:
    root = make_files("real-1.png", "fake-1.png")
    catalog: Catalog[DatasetCard] = Catalog("data set", DatasetCard)
    catalog.add(Entry("blank", lambda root: [], DatasetCard(layout=True), "test"))
    with pytest.raises(UserError, match=r"no known layout \(blank: no test set found\)"):
        find_test_sets(catalog, [str(root)])

    def tiles(folder: Path) -> list[TestSet]:
        found = sorted(folder.glob("*.png"))
        pictures = tuple(Picture(path.name, int(path.name.startswith("fake"))) for path in found)
        return [TestSet("tiles", folder, "stranger", "unknown", pictures)]

    catalog.add(Entry("tiles", tiles, DatasetCard(layout=True), "test"))
    assert names(find_test_sets(catalog, [str(root)])) == ["tiles"]


def test_requests_that_cannot_be_met(catalogs: Catalogs, make_files, tmp_path: Path) -> None:
    root = str(make_files(*PAIR))
    find = find_test_sets
    with pytest.raises(UserError, match="no folder, manifest or data set '/nowhere/x'"):
        find(catalogs.datasets, ["/nowhere/x"])
    with pytest.raises(UserError, match="no data"):
        find(catalogs.datasets, [])
    with pytest.raises(UserError, match="no name before"):
        find(catalogs.datasets, [f"={root}"])
    with pytest.raises(UserError, match=r"unknown layout 'genimag', did you mean 'genimage'"):
        find(catalogs.datasets, [root], layout="genimag")
    with pytest.raises(UserError, match=r"does not have the layout 'genimage': no ai and nature"):
        find(catalogs.datasets, [root], layout="genimage")
    with pytest.raises(UserError, match=r"'pair' has no option 'split'"):
        find(catalogs.datasets, [root], layout="pair", options={"split": "val"})
    with pytest.raises(UserError, match=r"has no known layout \(.*data set 'pair' has no option 'split'"):
        find(catalogs.datasets, [root], options={"split": "val"})


def test_paradigms_can_be_overridden_whatever_the_layout_says(catalogs: Catalogs, make_files) -> None:
    root = make_files(*(f"AR/Janus_Pro/{p}" for p in PAIR), *(f"AR/new one/{p}" for p in PAIR))
    sets = find_test_sets(catalogs.datasets, [str(root)], paradigms={"janus-pro": "diffusion"})
    assert {s.generator: s.paradigm for s in sets} == {"Janus_Pro": "diffusion", "new one": "AR"}
    with pytest.raises(UserError, match=r"paradigm 'gan' of generator 'new one' .*did you mean 'GAN'"):
        find_test_sets(catalogs.datasets, [str(root)], paradigms={"new one": "gan"})
    with pytest.raises(UserError, match=r"no test set has a generator 'janus', did you mean 'Janus_Pro'"):
        find_test_sets(catalogs.datasets, [str(root)], paradigms={"janus": "AR"})


@pytest.mark.parametrize(
    ("paradigm", "generators"),
    [
        (
            "AR",
            "Infinity Janus_Pro janus-pro-7B RAR Switti VAR LlamaGen Open_MAGVIT2 MAR minDALL-E RQ-Transformer dalle",
        ),
        (
            "GAN",
            "progan stylegan biggan cyclegan stargan gaugan stylegan2 whichfaceisreal BigGAN StyleGAN2-church InfoMax-GAN",
        ),
        (
            "diffusion",
            "ADM Glide Midjourney stable_diffusion_v_1_4 stable_diffusion_v_1_5 VQDM wukong DALLE2 SDXL guided ldm_200 "
            "ldm_200_cfg ldm_100 glide_100_27 glide_50_27 glide_100_10 SD1.4 SD1.5 GLIDE Wukong FLUX-schnell DALL-E-3 "
            "imagenet_ai_0419_sdv4 imagenet_ai_0508_adm imagenet_glide",
        ),
        ("unknown", "crn imle seeingdark san deepfake variety camera 0419 imagenet"),
    ],
)
def test_paradigm_of_every_generator_in_the_protocol(paradigm: str, generators: str) -> None:
    assert {name: paradigm_of(name) for name in generators.split()} == dict.fromkeys(
        generators.split(), paradigm
    )


def large_set(root: str = "AR/VAR/") -> TestSet:
    pictures = [
        Picture(f"{root}{'1_fake' if label else '0_real'}/{i:03}.png", label)
        for label in (0, 1)
        for i in range(200)
    ]
    return TestSet("AR/VAR", Path("."), "VAR", "AR", tuple(pictures))


def test_limit_takes_the_same_spread_out_pictures_everywhere() -> None:
    ten, twenty = (limit_per_class(large_set(), n) for n in (10, 20))
    assert (ten.count(0), ten.count(1), twenty.count(0)) == (10, 10, 20)
    assert set(ten.pictures) < set(twenty.pictures)
    assert list(ten.pictures) == sorted(ten.pictures, key=lambda p: p.path)
    # the choice is part of published results and must never change
    assert [p.path[-7:-4] for p in limit_per_class(large_set(), 4).pictures if p.label == 0] == PINNED
    shallow = limit_per_class(large_set(root=""), 10)
    assert [p.path for p in shallow.pictures] == [p.path.removeprefix("AR/VAR/") for p in ten.pictures]
    assert limit_per_class(large_set(), 500) == large_set()
    with pytest.raises(UserError, match="at least 1, got 0"):
        limit_per_class(large_set(), 0)


PINNED = ["027", "098", "135", "158"]


def test_fingerprint_sees_content_label_and_name(catalogs: Catalogs, make_files) -> None:
    root = make_files("0_real/a.png", "0_real/c.png", "1_fake/b.png")
    (before,) = find_test_sets(catalogs.datasets, [str(root)])
    first = {how: fingerprint(before, how) for how in ("content", "names")}
    assert first["content"] != first["names"]
    assert first["content"] == fingerprint(
        TestSet("x", before.root, "", "", before.pictures[::-1]), "content", threads=1
    )

    file = root / "0_real" / "a.png"
    original = file.read_bytes()
    file.write_bytes(original[:-1] + b"?")
    assert fingerprint(before) != first["content"]
    assert fingerprint(before, "names") == first["names"]
    file.unlink()
    assert fingerprint(before, "names") != first["names"]
    assert fingerprint(before) not in (first["content"], first["names"])
    file.write_bytes(original)
    assert fingerprint(before) == first["content"]

    flipped = [Picture(p.path, 1 - p.label) for p in before.pictures]
    assert fingerprint(TestSet("x", before.root, "", "", tuple(flipped))) != first["content"]
    with pytest.raises(UserError, match="did you mean 'names'"):
        fingerprint(before, "name")


def test_a_folder_that_may_not_be_listed_is_named(
    catalogs: Catalogs, make_files, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_files(*PAIR)
    listing = Path.iterdir

    def iterdir(self: Path) -> Iterator[Path]:
        if self.name == "0_real":
            raise PermissionError(13, "Permission denied")
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(UserError, match=r"0_real cannot be listed: Permission denied"):
        find_test_sets(catalogs.datasets, [str(root)])
