"""The released layout and ours, and files that are neither."""

import json

import pytest
import torch
from torch import nn

from registry import WeightsError
from tests.d3qe_plugin.small import small_d3qe, small_inputs


def _released_file(path, prefix=""):
    """A file as the released code writes it, from a network of another seed."""
    source = small_d3qe(seed=1)
    source.after_step(small_inputs(), torch.tensor([0, 1, 1, 0]))
    state = {prefix + name: value for name, value in source.state_dict().items() if name != "update_count"}
    torch.save({"model": state, "optimizer": {"state": {}, "param_groups": []}, "total_steps": 31250}, path)
    return source


@pytest.mark.parametrize("prefix", ["", "module."])
def test_released_layout_loads(tmp_path, prefix):
    source = _released_file(tmp_path / "model_epoch_best.pth", prefix)
    detector = small_d3qe(seed=2)
    detector.load_weights(tmp_path / "model_epoch_best.pth")
    assert torch.equal(detector.real_codebook_count, source.real_codebook_count)
    assert torch.equal(detector(small_inputs()), source(small_inputs()))


def test_released_layout_has_no_counter_so_delta_is_off(tmp_path):
    _released_file(tmp_path / "model_epoch_best.pth")
    detector = small_d3qe(seed=2)
    detector.update_count.fill_(500)
    detector.load_weights(tmp_path / "model_epoch_best.pth")
    assert detector.update_count == 0
    assert not detector.delta().any()
    paper = small_d3qe(delta_mode="paper")
    paper.load_weights(tmp_path / "model_epoch_best.pth")
    assert paper.delta().any()


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("best.safetensors", ["best.json", "best.safetensors"]),
        ("best.pth", ["best.pth", "best.pth.converted.safetensors"]),
    ],
)
def test_own_files_keep_everything(tmp_path, name, files):
    source = small_d3qe(seed=1)
    for _ in range(3):
        source.after_step(small_inputs(), torch.tensor([0, 1, 1, 0]))
    source.save_weights(tmp_path / name)
    detector = small_d3qe(seed=2)
    detector.load_weights(tmp_path / name)
    for key, value in source.state_dict().items():
        assert torch.equal(detector.state_dict()[key], value), key
    assert detector.update_count == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_note_says_how_the_network_was_built(tmp_path):
    small_d3qe(attention="plain").save_weights(tmp_path / "best.safetensors")
    note = json.loads((tmp_path / "best.json").read_text())
    assert (note["detector"], note["update_count"]) == ("d3qe", 0)
    assert (note["options"]["attention"], note["options"]["grid"]) == ("plain", [3, 5])


def test_other_options_are_refused_by_name(tmp_path):
    small_d3qe(tokenizer_range="minus_one_one").save_weights(tmp_path / "best.safetensors")
    with pytest.raises(WeightsError, match=r"tokenizer_range='minus_one_one'.*'zero_one'"):
        small_d3qe().load_weights(tmp_path / "best.safetensors")


def test_mode_of_delta_may_be_chosen_after_training(tmp_path):
    small_d3qe().save_weights(tmp_path / "best.safetensors")
    small_d3qe(delta_mode="off", protocol="uniform").load_weights(tmp_path / "best.safetensors")


def test_damaged_note_is_refused(tmp_path):
    small_d3qe().save_weights(tmp_path / "best.safetensors")
    (tmp_path / "best.json").write_text("{")
    with pytest.raises(WeightsError, match="not the note"):
        small_d3qe().load_weights(tmp_path / "best.safetensors")


class _Code(nn.Module):
    """Something that only runs code could restore."""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda state: state.pop("fc.1.weight"), "1 missing: fc.1.weight"),
        (
            lambda state: state.update({"fc.1.weight": torch.zeros(2, 3)}),
            r"of another shape: fc.1.weight \(2, 3\)",
        ),
        (lambda state: state.update({"vq_model.x": torch.zeros(2)}), "1 unexpected: vq_model.x"),
    ],
)
def test_files_of_another_network_change_nothing(tmp_path, change, text):
    detector = small_d3qe()
    state = dict(small_d3qe(seed=1).state_dict())
    change(state)
    torch.save({"model": state}, tmp_path / "wrong.pth")
    before = detector(small_inputs())
    with pytest.raises(WeightsError, match=text):
        detector.load_weights(tmp_path / "wrong.pth")
    assert torch.equal(detector(small_inputs()), before)


def test_pickle_with_code_is_refused(tmp_path):
    torch.save({"model": _Code()}, tmp_path / "code.pth")
    with pytest.raises(WeightsError, match="names code to run"):
        small_d3qe().load_weights(tmp_path / "code.pth")
