"""Labelled pictures laid out as each suite wants them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image


@dataclass(frozen=True)
class Labelled:
    """One picture: where it is, 0 real or 1 generated, and what made it."""

    file: Path
    label: int
    generator: str

    @property
    def name(self) -> str:
        """A file name that no other picture of the set has."""
        return f"{self.generator}-{self.label}-{self.file.name}"


def field(root: Path) -> list[Labelled]:
    """Every picture of the shared field data."""
    return [
        Labelled(file, label, folder.name)
        for folder in sorted(root.glob("*/*"))
        for label, name in enumerate(("0_real", "1_fake"))
        for file in sorted((folder / name).iterdir())
    ]


def linked(pictures: Sequence[Labelled], folder: Path) -> Path:
    """All pictures in one folder, by their unique names."""
    folder.mkdir(parents=True)
    for picture in pictures:
        (folder / picture.name).symlink_to(picture.file)
    return folder


def for_detectzoo(pictures: Sequence[Labelled], folder: Path) -> list[str]:
    real = linked([picture for picture in pictures if picture.label == 0], folder / "real")
    fake = linked([picture for picture in pictures if picture.label == 1], folder / "fake")
    return ["--real", str(real), "--fake", str(fake)]


def for_deepsafe(pictures: Sequence[Labelled], folder: Path) -> list[str]:
    tier = linked(pictures, folder / "master_eval_small")
    records = [
        {
            "path": picture.name,
            "label": "fake" if picture.label else "real",
            "generator": picture.generator,
            "modality": "images",
        }
        for picture in pictures
    ]
    (tier / "metadata.json").write_text(json.dumps(records))
    return ["--tier", "small", "--data", str(folder)]


def for_forensichub(pictures: Sequence[Labelled], folder: Path) -> list[str]:
    linked(pictures, folder / "pictures")
    listed = [{"path": f"pictures/{picture.name}", "label": picture.label} for picture in pictures]
    (folder / "list.json").write_text(json.dumps(listed))
    options = {"path": str(folder / "list.json"), "image_size": 224}
    test_set = {"name": "AIGCLabelDataset", "dataset_name": "field", "init_config": options}
    (folder / "config.yaml").write_text(yaml.safe_dump({"test_batch_size": 7, "test_dataset": [test_set]}))
    return ["--config", str(folder / "config.yaml")]


def for_deepfakebench(pictures: Sequence[Labelled], root: Path) -> list[str]:
    """Written into a checkout: its paths and its labels are fixed there. Frames have to be numbered."""
    videos: dict[str, Any] = {"field_real": {"test": {}}, "field_fake": {"test": {}}}
    for index, picture in enumerate(pictures):
        kind, video = ("field_real", "field_fake")[picture.label], f"{picture.generator}-{index}"
        frame = Path("datasets/rgb/field", kind, video, f"{index:04d}.png")
        (root / frame).parent.mkdir(parents=True)
        (root / frame).symlink_to(picture.file)
        videos[kind]["test"][video] = {"label": kind, "frames": [f"./{frame}"]}
    (root / "preprocessing/dataset_json/field.json").write_text(json.dumps({"field": videos}))
    config = root / "training/config/test_config.yaml"
    content = yaml.safe_load(config.read_text())
    content["label_dict"] |= {"field_real": 0, "field_fake": 1}
    config.write_text(yaml.safe_dump(content))
    return ["--test_dataset", "field"]


def for_gasbench(pictures: Sequence[Labelled], folder: Path) -> list[str]:
    """A filled cache, as its download would leave it, and the list of its two data sets."""
    test_sets = []
    for label, media in enumerate(("real", "synthetic")):
        samples = folder / "cache" / "datasets" / f"field-{media}" / "samples"
        samples.mkdir(parents=True)
        chosen = [picture for picture in pictures if picture.label == label]
        for index, picture in enumerate(chosen):
            Image.open(picture.file).convert("RGB").save(samples / f"img_{index:06d}.png")
        metadata = {f"img_{i:06d}.png": {"source_file": one.name} for i, one in enumerate(chosen)}
        (samples.parent / "sample_metadata.json").write_text(json.dumps(metadata))
        (samples.parent / "dataset_info.json").write_text(json.dumps({"sample_count": len(chosen)}))
        test_sets.append(
            {"name": f"field-{media}", "path": f"field/{media}", "modality": "image", "media_type": media}
        )
    (folder / "sets.yaml").write_text(yaml.safe_dump({"benchmark_size": 10_000, "datasets": test_sets}))
    return [
        "--cache-dir",
        str(folder / "cache"),
        "--dataset-config",
        str(folder / "sets.yaml"),
        "--skip-missing",
    ]


def copied(checkout: Path, target: Path) -> Path:
    """A checkout that a test may write into."""
    return Path(shutil.copytree(checkout, target, ignore=shutil.ignore_patterns(".git")))
