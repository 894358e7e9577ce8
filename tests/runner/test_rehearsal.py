"""From an empty folder to the paper's table: the three commands of README against servers on this machine.

A tree of ARForensics' shape, and checkpoints of the published layouts with seeded weights, of small networks.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from d3qe_plugin.clip import ClipVision
from d3qe_plugin.llamagen import LlamaGenTokenizer
from d3qe_plugin.network import D3QE
from tests.conftest import ROOT, Command
from tests.datasets.servers import hub_of
from tests.datasets.test_published import GENERATORS, arforensics, in_parts

TOKENIZER = {"width": 32, "multipliers": [1, 1], "blocks": 1, "codebook_size": 32, "code_channels": 4}
CLIP = {"image_size": 28, "width": 32, "layers": 2, "heads": 2, "features": 12}
SMALL = {
    "size": 32,
    "clip_size": 28,
    "width": 16,
    "heads": 2,
    "grid": 16,
    "codebook_size": 32,
    "latent_channels": 4,
    "clip_features": 12,
    "tokenizer_options": TOKENIZER,
    "clip_options": CLIP,
}


def checkpoints(folder: Path) -> dict[str, dict[str, bytes]]:
    """Repository → file → content, each in the layout in which it is published."""
    torch.manual_seed(7)
    folder.mkdir()
    network = D3QE(**SMALL)
    network.real_codebook_count += torch.arange(32.0)
    network.fake_codebook_count += torch.arange(32.0).flip(0)
    state = {
        f"module.{name}": value for name, value in network.state_dict().items() if name != "update_count"
    }
    torch.save(
        {"model": state, "optimizer": {"state": {}}, "total_steps": 6250}, folder / "model_epoch_best.pth"
    )
    torch.save({"model": LlamaGenTokenizer(**TOKENIZER).state_dict()}, folder / "vq_ds16_c2i.pt")
    tower = ClipVision(**CLIP).visual.state_dict()
    named = {f"visual.{name}": value.contiguous().clone() for name, value in tower.items()}
    save_file({**named, "logit_scale": torch.ones(1)}, folder / "open_clip_model.safetensors")
    homes = {
        "Yanran21/D3QE": "model_epoch_best.pth",
        "FoundationVision/LlamaGen": "vq_ds16_c2i.pt",
        "timm/vit_large_patch14_clip_224.openai": "open_clip_model.safetensors",
    }
    return {home: {file: (folder / file).read_bytes()} for home, file in homes.items()}


@pytest.mark.slow
def test_the_three_commands_from_an_empty_folder(tmp_path: Path, command: Command) -> None:
    files = in_parts(arforensics(tmp_path / "made" / "ARForensics", count=5))
    models = checkpoints(tmp_path / "checkpoints")
    config = tmp_path / "small.yaml"
    detectors = [
        {"name": "d3qe", "label": "d3qe_released", "options": SMALL},
        {"name": "d3qe", "label": "d3qe_paper", "options": {**SMALL, "delta_mode": "paper"}},
    ]
    table = str(ROOT / "benchmarks/configs/paper/table1.yaml")
    out = tmp_path / "run"
    settings = {"base": table, "detectors": detectors, "out": str(out), "bootstrap": 50}
    config.write_text(yaml.safe_dump(settings))
    with hub_of("Yanran21/ARForensics", files, models) as hub:
        environment = {
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(tmp_path / "hub"),
            "D3QE_BENCH_DATA": str(tmp_path / "data"),
            "D3QE_BENCH_WEIGHTS": str(tmp_path / "weights"),
        }
        refused = command("run", config, env=environment)
        assert refused.returncode == 2
        assert "`d3qe-bench data get ARForensics`" in refused.stderr

        got = command("data", "get", "ARForensics", "--yes", env=environment)
        assert got.returncode == 1, got.stderr  # as published but for the counts, which are said
        assert "VAR: 5 real, 5 generated" in got.stdout

        fetched = command("weights", "get", "--for", config, env=environment)
        assert fetched.returncode == 0, fetched.stderr
        lines = fetched.stdout.splitlines()
        for name in ("d3qe", "llamagen-vq16", "clip-vit-l-14/openai"):
            (before, after) = [i for i, line in enumerate(lines) if line.startswith(f"{name}: ")]
            assert "licence: MIT" in lines[before]
            assert "SHA-256" in lines[after]
        asked = len(hub.asked)
        again = command("weights", "get", "--for", config, env=environment)
        assert again.stdout == f"all that {config} needs is here\n"
        assert len(hub.asked) == asked

    run = command("run", config, env={**environment, "HF_HUB_OFFLINE": "1"})
    assert run.returncode == 1, "one picture is broken"
    assert "broken.png" in run.stderr
    assert "Traceback" not in got.stderr + fetched.stderr + run.stderr
    rows = pd.read_parquet(out / "scores")
    assert len(rows) == 2 * (len(GENERATORS) * 10 + 2)
    assert rows["logit"].notna().sum() == len(rows) - 2
    by_mode = [
        rows[rows["detector"] == name].sort_values(["dataset", "path"])
        for name in ("d3qe_released", "d3qe_paper")
    ]
    assert not (by_mode[0]["logit"].dropna().to_numpy() == by_mode[1]["logit"].dropna().to_numpy()).all()

    record = json.loads((out / "run.json").read_text("utf-8"))
    assert {one["weights"]["file"] for one in record["detectors"].values()} == {"model_epoch_best.pth"}
    assert not any(one["untrained"] for one in record["detectors"].values())
    with open(out / "leaderboard.measured_and_reported.csv", encoding="utf-8", newline="") as stream:
        compared = list(csv.DictReader(stream))
    assert {(one["detector"], one["on"]) for one in compared} == {
        (name, on) for name in ("d3qe_released", "d3qe_paper") for on in ("VAR", "AR mean of 7")
    }
    of_var = [one for one in compared if one["on"] == "VAR"]
    assert all(one["difference"] for one in of_var)
    # five pictures of a class are too few for an interval of AP
    said = {one["metric"]: one["in_interval"] in ("yes", "no") for one in of_var}
    assert said == {"acc": True, "ap": False}
