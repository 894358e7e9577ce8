"""The command's answers to wrong requests, and what it must not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs import reference
from tests.pictures import make_class_folders, make_test_sets

PLUGIN = Path(__file__).parents[1] / "runner" / "plugin_file.py"


def test_help_and_list_import_nothing_heavy():
    code = (
        "import sys\n"
        "from benchmarks.cli import main\n"
        "for line in sys.stdin.read().splitlines():\n"
        "    sys.argv = ['d3qe-bench', *line.split()]\n"
        "    try:\n        main()\n    except SystemExit as stop:\n        assert not stop.code, (line, stop.code)\n"
        "    heavy = {'torch', 'mmengine', 'open_clip', 'pandas', 'torchvision', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, (line, heavy)\n"
    )
    commands = [name.removeprefix("d3qe-bench").strip() for name, _ in reference.all_commands()]
    lines = ["--help", *(f"{name} --help" for name in commands), "list", "list plugins", "weights list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(lines), capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["detectors", "encoders", "datasets", "perturbations", "metrics", "plugins"])
def test_list_shows_every_name(invoke, kind):
    from registry import load_plugins

    catalogs = load_plugins()
    names = [p.name for p in catalogs.plugins] if kind == "plugins" else getattr(catalogs, kind).names()

    shown = invoke("list", kind)
    facts = json.loads(invoke("list", kind, "--json").out)

    assert shown.code == 0
    assert all(name in shown.out for name in names)
    assert [fact["name"] for fact in facts] == names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--detectors", "brightnes"], "did you mean 'brightness'"),
        (["--detectors", "brightness", "--perturb", "jpg:75"], "did you mean 'jpeg'"),
        (["--detectors", "brightness", "--perturb", "jpeg:400"], "jpeg"),
        (
            ["--detectors", "brightness", "--batch-size", "0"],
            "--batch-size: input should be greater than or equal to 1, got 0",
        ),
        (
            ["--detectors", "learned", "--allow-untrained", "--option", "learned.scael=3"],
            "did you mean 'scale'",
        ),
        (["--detectors", "brightness", "--weights", "brightnes=x"], "brightnes"),
        (["--detectors", "brightness", "--device", "cuda:99"], "cuda:99"),
        (["--detectors", "brightness", "--protocol", "origina"], "protocol"),
        (["--detectors", "brightness", "--launcher", "slurm"], "srun"),
        (["--detectors", "brightness", "--no-clean"], "--perturb"),
    ],
)
def test_wrong_options_are_refused_in_one_line(invoke, tmp_path, arguments, said):
    make_test_sets(tmp_path / "data", count=2)

    result = invoke(
        "run", "--data", tmp_path / "data", "--plugin", PLUGIN, "--out", tmp_path / "run", *arguments
    )

    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not list((tmp_path / "run").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("batchsize: 3", "did you mean 'batch_size'"),
        ("batch_size: '3'", "batch_size"),
        ("flush_seconds: 0", "flush_seconds: input should be greater than 0, got 0"),
        ("clean: no", "write true or false"),
        ("seed: 1\nclean: true\nseed: 2", "the key 'seed' stands twice, in lines 1 and 3"),
        ("detectors: [{name: brightness, optoins: {}}]", "did you mean 'options'"),
        ("- a list", "keys and values"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_settings_are_refused(invoke, tmp_path, text, said):
    (tmp_path / "config.yaml").write_text(text)

    result = invoke("run", tmp_path / "config.yaml", "--plugin", PLUGIN)

    assert result.code == 2
    assert said in result.err


def test_a_settings_file_does_what_its_options_do(invoke, tmp_path):
    make_test_sets(tmp_path / "data", count=2)
    (tmp_path / "config.yaml").write_text(
        f"data: [{tmp_path / 'data'}]\n"
        "detectors: [{name: brightness, label: mine}]\n"
        f"plugins: [{PLUGIN}]\nperturbations: ['jpeg:50']\nbootstrap: 10\n"
    )

    result = invoke("run", tmp_path / "config.yaml", "--out", tmp_path / "run")

    assert result.code == 0, result.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert list(record["detectors"]) == ["mine"]
    assert record["config"]["bootstrap"] == 10


@pytest.mark.parametrize("missing", ["data", "class", "empty class"])
def test_data_that_is_not_there(invoke, tmp_path, missing):
    data = tmp_path / "data"
    if missing != "data":
        make_class_folders(data / "VAR", count=2)
        for picture in (data / "VAR" / "1_fake").iterdir():
            picture.unlink()
        if missing == "class":
            (data / "VAR" / "1_fake").rmdir()

    result = invoke(
        "run", "--data", data, "--plugin", PLUGIN, "--detectors", "brightness", "--out", tmp_path / "run"
    )

    assert result.code == 2
    assert str(data) in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_an_unwritable_run_folder(invoke, tmp_path):
    make_class_folders(tmp_path / "data" / "VAR", count=2)
    (tmp_path / "file").write_text("in the way")

    result = invoke(
        "run", "--data", tmp_path / "data", "--plugin", PLUGIN, "--detectors", "brightness",
        "--out", tmp_path / "file" / "run",
    )  # fmt: skip

    assert result.code == 2
    assert "cannot write to the run folder" in result.err


def test_doctor_names_what_a_run_needs(invoke):
    result = invoke("doctor")

    assert result.code == 0, result.out
    for what in ("torch", "opencv", "mmengine's Runner", "GPU", "weights folder", "plugin d3qe"):
        assert what in result.out
    for line in result.out.splitlines():
        # a frozen network of a library is not trained here
        assert not ("weights of timm" in line or "weights of open_clip" in line) or "train it" not in line


@pytest.mark.parametrize("command", ["run", "predict", "figures"])
def test_weights_named_for_nothing_are_refused(invoke, command, tmp_path):
    make_test_sets(tmp_path / "data")
    file = tmp_path / "some.pth"
    file.touch()
    pictures = [tmp_path / "data"] if command == "predict" else ["--data", tmp_path / "data"]
    out = [] if command == "predict" else ["--out", tmp_path / "out"]
    option = "--detector" if command == "figures" else "--detectors"
    done = invoke(command, *pictures, *out, option, "d3qe_mini", "--weights", f"d3qe_minni={file}")
    assert done.code == 2
    assert "unknown detector or encoder in --weights 'd3qe_minni', did you mean 'd3qe_mini'?" in done.err
