"""The k smallest, against a stable sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.pruning import masks as selection
from tfprune.pruning.masks import smallest

entries = st.tuples(st.sampled_from([-1.0, -0.0, 0.0, 0.25, 3.0]), st.booleans())


@given(st.lists(st.lists(entries, min_size=1, max_size=10), min_size=1, max_size=4), st.data())
def test_the_chosen_are_the_first_of_a_stable_sort(layers, data):
    scores = [np.array([score for score, _ in layer]) for layer in layers]
    eligible = [np.array([flag for _, flag in layer]) for layer in layers]
    flat_scores, flat_eligible = np.concatenate(scores), np.concatenate(eligible)
    count = data.draw(st.integers(0, int(flat_eligible.sum())))
    order = [i for i in np.argsort(flat_scores, kind="stable") if flat_eligible[i]]
    expected = np.zeros(flat_scores.size, dtype=bool)
    expected[order[:count]] = True
    chosen = smallest(scores, eligible, count=count)
    np.testing.assert_array_equal(np.concatenate(chosen), expected)


def test_ties_are_cut_at_the_same_place_when_they_span_several_chunks(monkeypatch):
    monkeypatch.setattr(selection, "CHUNK", 4)
    ones = [np.ones(10), np.ones(7)]
    for count in range(18):
        chosen = smallest(ones, [np.ones(10, bool), np.ones(7, bool)], count=count)
        np.testing.assert_array_equal(np.concatenate(chosen), np.arange(17) < count)


def test_the_flat_index_is_that_of_c_order_whatever_the_memory_layout():
    scores = np.asfortranarray(np.ones((3, 4)))
    eligible = np.asfortranarray(np.ones((3, 4), bool))
    (chosen,) = smallest([scores], [eligible], count=5)
    np.testing.assert_array_equal(chosen, np.arange(12).reshape(3, 4) < 5)


def test_scores_of_two_precisions_are_compared_exactly():
    third = np.float32(1 / 3)
    chosen = smallest(
        [np.array([third]), np.array([1 / 3])], [np.ones(1, bool), np.ones(1, bool)], count=1
    )
    assert float(third) > 1 / 3
    assert [bool(flags[0]) for flags in chosen] == [False, True]


def test_more_than_there_are_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="count=3 of 2 eligible scores"):
        smallest([np.ones(4)], [np.array([True, True, False, False])], count=3)
