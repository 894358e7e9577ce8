"""Which picture is seen when."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.training.batches import TrainingBatches, ValidationBatches
from registry import UserError


def test_epochs_are_permutations_that_a_seed_repeats():
    batches = TrainingBatches(20, 5, seed=3)
    epochs = []
    for batches.epoch in (0, 1):
        epochs.append([key for batch in batches for key in batch])
    assert sorted(i for _, i in epochs[0]) == list(range(20))
    assert {e for e, _ in epochs[1]} == {1}
    assert [i for _, i in epochs[0]] != [i for _, i in epochs[1]]
    again = TrainingBatches(20, 5, seed=3)
    again.epoch = 1
    assert [key for batch in again for key in batch] == epochs[1]


@pytest.mark.parametrize(("processes", "parts"), [(2, 1), (1, 2), (2, 2), (4, 1)])
def test_every_process_count_sees_the_same_batches(processes, parts):
    whole = [{i for _, i in batch} for batch in TrainingBatches(22, 8, seed=1)]
    shares = [
        list(TrainingBatches(22, 8, seed=1, parts=parts, rank=rank, processes=processes))
        for rank in range(processes)
    ]
    assert {len(share) for share in shares} == {len(whole) * parts}
    for number, expected in enumerate(whole):
        seen = [
            i for share in shares for part in share[number * parts : (number + 1) * parts] for _, i in part
        ]
        assert Counter(seen) == Counter(expected)


@pytest.mark.parametrize("processes", [1, 3])
def test_validation_covers_every_picture_once(processes):
    shares = [ValidationBatches(10, 4, rank=rank, processes=processes) for rank in range(processes)]
    assert sorted(i for share in shares for batch in share for _, i in batch) == list(range(10))
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]


def test_uneven_shares_are_refused():
    with pytest.raises(UserError, match="3 processes × accumulate 1"):
        TrainingBatches(100, 32, seed=0, processes=3)
