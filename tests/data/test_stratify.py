"""Samples in which classes keep their shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.data.dataset import stratified_positions


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    share=st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_every_class_gets_its_quota_rounded_up_or_down_and_the_size_is_exact(labels, share, seed):
    labels = np.array(labels)
    size = round(share * len(labels))
    chosen = stratified_positions(labels, size=size, rng=np.random.default_rng(seed))
    assert len(chosen) == size
    assert (np.diff(chosen) > 0).all()
    for label in np.unique(labels):
        quota = size * np.sum(labels == label) / len(labels)
        assert abs(np.sum(labels[chosen] == label) - quota) < 1


def test_left_over_places_go_to_the_largest_remainders_and_ties_to_the_lower_label():
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    # quotas of 4 of 10: 2.0, 1.2, 0.8
    chosen = stratified_positions(labels, size=4, rng=np.random.default_rng(0))
    assert np.bincount(labels[chosen]).tolist() == [2, 1, 1]
    even = np.array([2, 1, 0])
    chosen = stratified_positions(even, size=1, rng=np.random.default_rng(0))
    assert even[chosen].tolist() == [0]


def test_a_size_past_the_end_is_refused():
    with pytest.raises(ValueError, match=r"size must lie in \[0, 3\], got 4"):
        stratified_positions(np.zeros(3, int), size=4, rng=np.random.default_rng(0))
