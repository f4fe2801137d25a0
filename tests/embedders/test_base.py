"""Batches of equal length, and the precision every bundled embedder runs at."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from reaudio_eval.embedders._base import equal_length_batches, exact_inference


@given(lengths=st.lists(st.integers(0, 5), max_size=30), max_total=st.integers(1, 20))
def test_batches_hold_every_row_once_and_one_length_each(lengths: list[int], max_total: int) -> None:
    batches = list(equal_length_batches(lengths, max_total))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[row] for row in batch}) == 1
        assert len(batch) == 1 or sum(lengths[row] for row in batch) <= max_total


def test_inference_is_full_precision_and_leaves_the_settings_alone() -> None:
    before = torch.backends.cudnn.allow_tf32
    with exact_inference():
        assert torch.is_inference_mode_enabled()
        assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cudnn.deterministic is True
    assert torch.backends.cudnn.allow_tf32 == before
    assert not torch.is_inference_mode_enabled()
