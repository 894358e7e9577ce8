"""The configuration of ForensicHub's test.py: the user's, with our model and our data set in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from benchmarks.config import read_settings
from benchmarks.hosts.host_run import HostRun
from registry import UserError

_DEFAULTS = {
    "test_batch_size": 16,
    "num_workers": 0,
    "pin_mem": False,
    "device": "cuda",
    "no_model_eval": False,
    "dist_on_itp": False,
    "dist_url": "env://",
    "transform": {"name": "AIGCTransform"},
    "evaluator": [{"name": "ImageAUC", "init_config": {"threshold": 0.5}}, {"name": "ImageAccuracy"}],
}
"""What the suite's test.py reads, where the user's configuration is silent."""


def write_configuration(host: HostRun, label: str, dataset: str) -> tuple[list[str], Path]:
    """The user's configuration with our model, our data set in place of the squashing one, and a checkpoint."""
    import torch

    parser = argparse.ArgumentParser(prog="d3qe-bench host run forensichub … --")
    parser.add_argument("--config", type=Path, required=True, help="configuration of ForensicHub's test.py")
    file = parser.parse_args(host.arguments).config
    config: dict[str, Any] = {**_DEFAULTS, **read_settings(file)}
    for one in config["test_dataset"]:
        if one["name"] not in ("AIGCLabelDataset", dataset):
            raise UserError(
                f"{file}: {one['name']} is not AIGCLabelDataset, the only list our data set can read"
            )
        host.notes.shim(
            f"data set {dataset} for AIGCLabelDataset", "which squashes every picture to a square"
        )
        options = {"path": one["init_config"]["path"], "test_set": one["dataset_name"]}
        one.update(name=dataset, init_config=options)
    folder = host.folder / label
    folder.mkdir()
    torch.save({"model": {"anchor": torch.zeros(1)}}, folder / "checkpoint-0.pth")
    config |= {"model": {"name": host.names[label]}, "checkpoint_path": str(folder), "log_dir": str(folder)}
    written = folder / "config.yaml"
    written.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [one["dataset_name"] for one in config["test_dataset"]], written
