"""Where a weights file is looked for, and fetching one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from benchmarks.loading import Locator, load_catalogs, locate
from benchmarks.loading.locate import fetch, missing_files, stored
from registry import EncoderCard, EncoderSpec, UserError, WeightsError
from registry.catalog import Entry
from registry.weights import sha256, weights_file
from tests.conftest import Invoked

CATALOGS = load_catalogs()


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(locate.FOLDER_VARIABLE, str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_a_named_file_wins_over_a_fetched_one(tmp_path: Path) -> None:
    card = CATALOGS.detectors.entry("npr").card
    fetched = written(stored("npr", card.weights[0]), "fetched")
    assert Locator(CATALOGS, {}).resolve("npr") == weights_file(fetched)
    mine = written(tmp_path / "mine.pth", "mine")
    found = Locator(CATALOGS, {"npr": mine}).resolve("npr")
    assert (found.path, found.sha256) == (mine, sha256(mine))
    label = written(tmp_path / "label.pth", "label")
    locator = Locator(CATALOGS, {"npr": mine, "other": label}, ["other"])
    assert locator.detector("npr", "other", None).path == label
    assert locator.detector("npr", "npr", None).path == mine
    own = written(tmp_path / "own.pth", "own")
    assert locator.detector("npr", "other", own).path == own


def test_a_fetched_file_that_changed_is_refused() -> None:
    target = stored("npr", CATALOGS.detectors.entry("npr").card.weights[0])
    written(target, "fetched")
    note = target.with_name(f".{target.name}.sha256")
    written(note, sha256(target))
    assert Locator(CATALOGS, {}).resolve("npr") == weights_file(target)
    written(target, "something else")
    with pytest.raises(WeightsError, match="has changed since it was fetched"):
        Locator(CATALOGS, {}).resolve("npr")
    target.unlink()
    assert Locator(CATALOGS, {}).resolve("npr") is None


def test_a_file_in_the_place_of_a_published_one_has_to_be_it(folder: Path) -> None:
    """Else a run would go under the published name with other weights."""
    target = written(
        stored("resnet18/imagenet", CATALOGS.encoders.entry("resnet18/imagenet").card.weights[0]), "mine"
    )
    with pytest.raises(
        WeightsError, match=r"is not the published file .* on record is f37072fd\): remove it and"
    ):
        Locator(CATALOGS, {}).resolve("resnet18/imagenet")
    meant = Locator(CATALOGS, {"resnet18/imagenet": target})
    assert meant.resolve("resnet18/imagenet") == weights_file(target)


def test_variants_of_an_encoder_have_files_of_their_own(tmp_path: Path, folder: Path) -> None:
    one = EncoderSpec.of("timm", {"model": "test_vit"})
    other = EncoderSpec.of("timm", {"model": "test_resnet"})
    named = written(tmp_path / "named", "named")
    locator = Locator(CATALOGS, {"timm/test_vit": named})
    assert locator.resolve(one).path == named
    assert locator.resolve(other) is None
    fetched = written(folder / "timm" / "test_resnet" / "model.safetensors", "fetched")
    assert locator.resolve(other).path == fetched


def test_an_encoder_registered_under_a_slash_is_no_variant(tmp_path: Path) -> None:
    catalogs = load_catalogs()
    catalogs.encoders.add(Entry("timm/own", nn.Identity, EncoderCard(), "test"))
    file = written(tmp_path / "own", "own")
    locator = Locator(catalogs, {"timm/own": file})
    assert locator.resolve(EncoderSpec("timm/own")).path == file
    assert locator.resolve(EncoderSpec.of("timm", {"model": "own"})) is None
    locator.check_read(set())


@pytest.mark.parametrize(
    ("name", "message"),
    [("univfdd", "did you mean 'univfd'"), ("clip-vit-l-14/opena", "did you mean 'clip-vit-l-14/openai'")],
)
def test_a_file_for_nothing_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Locator(CATALOGS, {name: written(tmp_path / "file", "")})


def test_a_file_is_hashed_once_and_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr("registry.weights.sha256", lambda path: hashed.append(path) or sha256(path))
    file = written(tmp_path / "file", "one")
    first = weights_file(file)
    assert weights_file(file) == first
    assert len(hashed) == 1
    file.write_text("another")
    assert weights_file(file).sha256 != first.sha256


@pytest.mark.parametrize(
    ("name", "source", "file"),
    [
        ("open_clip/ViT-B-32/laion2b_s34b_b79k", "hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_pytorch_model.bin"),
        ("timm/vit_base_patch14_dinov2.lvd142m", "hf:timm/vit_base_patch14_dinov2.lvd142m", "pytorch_model.bin"),
    ],
)  # fmt: skip
def test_pretrained_tags_are_fetched_by_the_libraries_names(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, source: str, file: str
) -> None:
    asked: list[str] = []

    def hub(remote: locate.Remote, target: Path) -> Path:
        asked.append(remote.file)
        if remote.file != file:
            raise UserError("404")
        return written(target, f"{remote.source}/{remote.file}")

    monkeypatch.setattr(locate, "download", hub)
    (found,) = fetch(CATALOGS, name)
    assert found.path == folder / name / file
    assert found.path.read_text() == f"{source}/{file}"
    assert len(asked) == 2, "the safer format is tried first"
    encoder, _, variant = name.partition("/")
    factory = CATALOGS.encoders.entry(encoder).load()
    spec = EncoderSpec.of(encoder, factory.variant_options(variant))
    assert Locator(CATALOGS, {}).resolve(spec) == found


def test_what_cannot_be_fetched_says_what_to_name() -> None:
    with pytest.raises(UserError, match="open_clip/MODEL/TAG"):
        fetch(CATALOGS, "open_clip")
    with pytest.raises(UserError, match="did you mean 'laion2b_s34b_b79k'"):
        fetch(CATALOGS, "open_clip/ViT-B-32/laion2b_s34b_b79")
    with pytest.raises(UserError, match="--weights lnp=PATH"):
        fetch(CATALOGS, "lnp")
    told = {name: how for name, _, how in missing_files(CATALOGS)}
    assert told["timm"] == "`d3qe-bench weights get timm/MODEL`"
    assert told["lnp"] == "none published: train it"


def test_one_network_under_two_names_has_one_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    name, by_library = "clip-vit-l-14/openai", "open_clip/ViT-L-14-quickgelu/openai"
    monkeypatch.setattr(locate, "download", lambda remote, target: written(target, remote.file))
    (found,) = fetch(CATALOGS, by_library)
    assert found.path.parent == folder / name
    assert Locator(CATALOGS, {}).resolve(EncoderSpec(name)) == found
    mine = written(tmp_path / "mine", "mine")
    assert Locator(CATALOGS, {by_library: mine}).resolve(EncoderSpec(name)) == weights_file(mine)


@pytest.mark.parametrize("name", ["timm/test_vit.nope", "timm/test_vi", "open_clip/ViT-B-32/nope"])
def test_an_unknown_pretrained_tag_is_one_line(name: str, invoke: Callable[..., Invoked]) -> None:
    done = invoke("weights", "get", name)
    assert done.code == 2
    assert "nope" in done.err or "did you mean" in done.err
    assert "Traceback" not in done.err
