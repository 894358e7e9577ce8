"""`d3qe-bench train` and `d3qe-bench figures`, as a user calls them."""

from __future__ import annotations

import yaml

from tests.contracts.test_detectors import TOY
from tests.training.conftest import TOY_PLUGIN, write_config


def test_trains_a_list_goes_on_after_a_failure_and_resumes(invoke, tmp_path, training_set, validation_set):
    folders = [tmp_path / name for name in ("good", "nan", "also")]
    for folder in folders:
        folder.mkdir()
    configs = [
        write_config(folders[0], training_set, validation_set, epochs=1),
        write_config(
            folders[1], training_set, validation_set, detector={"name": "toy", "options": {"explode_at": 0}}
        ),
        write_config(folders[2], training_set, validation_set, epochs=1),
    ]
    done = invoke("train", *configs)
    assert done.code == 1
    assert (
        f"{configs[0]}: 1 epochs; weights of the best one in {folders[0] / 'out/best.safetensors'}"
        in done.err
    )
    assert f"{configs[1]}: loss nan in epoch 1" in done.err
    assert (folders[2] / "out/best.safetensors").is_file()

    again = invoke("train", configs[0], "--epochs", "2")
    assert again.code == 0
    assert "epoch 2/2" in again.err
    assert "epoch 1/2" not in again.err


def test_its_weights_are_read_by_a_run(invoke, tmp_path, training_set, validation_set):
    config = write_config(tmp_path, training_set, validation_set, epochs=1)
    assert invoke("train", config).code == 0
    weights = f"toy={tmp_path / 'out/best.safetensors'}"
    done = invoke(
        "run", "--data", training_set.root, "--detectors", "toy", "--weights", weights, "--plugin", TOY_PLUGIN,
        "--allow-untrained", "--bootstrap", 0, "--out", tmp_path / "run", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "run/metrics.json").is_file()


def test_wrong_requests(invoke, tmp_path, training_set, validation_set):
    missing = invoke("train", tmp_path / "none.yaml")
    assert (missing.code, "cannot read the configuration" in missing.err) == (2, True)
    config = write_config(tmp_path, training_set, validation_set, optimizr={"lr": 1})
    typo = invoke("train", config)
    assert typo.code == 2
    assert "unknown key 'optimizr', did you mean 'optimizer'" in typo.err
    assert "Traceback" not in typo.err
    config = write_config(tmp_path, training_set, validation_set)
    twice = invoke("train", config, config)
    assert (twice.code, "another configuration trains into" in twice.err) == (2, True)
    width = write_config(
        tmp_path, training_set, validation_set, detector={"name": "d3qe", "options": {"width": 100}}
    )
    refused = invoke("train", width)
    assert (refused.code, "width 100 cannot be divided among 8 heads" in refused.err) == (2, True)


def test_draws_figures_of_a_trained_detector(invoke, tmp_path, training_set, validation_set):
    options = {**TOY["d3qe"], "delta_mode": "paper"}
    config = write_config(
        tmp_path, training_set, validation_set, epochs=1, detector={"name": "d3qe", "options": options}
    )
    assert invoke("train", config).code == 0
    given = [
        f"--option=d3qe.{key}={yaml.safe_dump(_plain(value), default_flow_style=True).strip()}"
        for key, value in options.items()
    ]
    done = invoke(
        "figures", "code_usage,delta_map", "--detector", "d3qe", "--data", training_set.root, "--out", tmp_path / "figures",
        "--weights", f"d3qe={tmp_path / 'out/best.safetensors'}", "--allow-untrained", "--device", "cpu", *given,
    )  # fmt: skip
    assert done.code == 0, done.err
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {f"{n}.{k}" for n in ("code_usage", "delta_map") for k in ("png", "svg", "json", "csv")}
    refused = invoke("figures", "delta_mop", "--detector", "d3qe", "--data", training_set.root)
    assert (refused.code, "did you mean 'delta_map'" in refused.err) == (2, True)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value
