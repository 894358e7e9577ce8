"""Code counts and ΔD against NumPy, and their sum over processes."""

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from d3qe_plugin.statistics import DELTA_FORMS, count_codes

REAL = torch.tensor([8.0, 1.0, 0.0, 1.0])
FAKE = torch.tensor([1.0, 1.0, 2.0, 0.0])


def test_counts():
    indices = torch.tensor([[0, 0, 3], [1, 2, 2], [3, 3, 3]])
    counts = count_codes(indices, torch.tensor([0, 1, 0]), 4)
    assert counts.tolist() == [[2, 0, 0, 4], [0, 1, 2, 0]]
    assert counts.dtype == torch.float32


def _expected(form: str) -> np.ndarray:
    real, fake = REAL.numpy(), FAKE.numpy()
    raw = real / real.sum() - fake / fake.sum()
    return {
        "raw": raw,
        "times_codes": raw * 4,
        "log_ratio": np.log((real + 1) / (real.sum() + 4)) - np.log((fake + 1) / (fake.sum() + 4)),
        "standardised": raw / raw.std(ddof=1),
    }[form]


@pytest.mark.parametrize("form", DELTA_FORMS)
def test_forms(form):
    np.testing.assert_allclose(DELTA_FORMS[form](REAL, FAKE).numpy(), _expected(form), rtol=1e-5)


@pytest.mark.parametrize("form", DELTA_FORMS)
def test_nothing_counted_is_no_difference(form):
    assert not DELTA_FORMS[form](torch.zeros(5), torch.zeros(5)).any()


def _count_a_part(rank: int, address: str, results: mp.SimpleQueue) -> None:
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    indices, labels = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
    counts = count_codes(indices[[rank]], labels[[rank]], 3)
    results.put(counts.tolist())
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_agree_on_the_sum(tmp_path):
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    mp.spawn(_count_a_part, (f"file://{tmp_path / 'rendezvous'}", results), nprocs=2)
    assert [results.get(), results.get()] == [[[1, 1, 0], [0, 1, 1]]] * 2
