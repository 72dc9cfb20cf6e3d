"""The probe set is fixed, stratified and drawn from one split."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import Dataset, Examples, load_dataset, probe_set
from tfprune.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_the_probe_set_is_the_same_whatever_the_seed_of_training(digits):
    other = load_dataset("digits", seed=9, validation_fraction=0.3)
    one, two = probe_set(digits, size=100), probe_set(other, size=100)
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.indices, two.indices)


def test_the_probe_set_holds_examples_of_its_split_once_each_and_in_order(digits):
    for split in ("test", "validation", "train"):
        probe = probe_set(digits, size=50, split=split)
        part = getattr(digits, split)
        rows = np.flatnonzero(np.isin(part.indices, probe.indices))
        assert len(rows) == 50
        np.testing.assert_array_equal(part.indices[rows], probe.indices)
        np.testing.assert_array_equal(part.images[rows], probe.images)
        np.testing.assert_array_equal(part.labels[rows], probe.labels)


def test_the_probe_set_is_stratified_and_another_seed_gives_another(digits):
    probe = probe_set(digits, size=100)
    quota = 100 * np.bincount(digits.test.labels) / 500
    assert np.abs(np.bincount(probe.labels) - quota).max() < 1
    assert set(probe_set(digits, size=100, seed=1).indices) != set(probe.indices)


def test_the_whole_split_is_the_largest_probe_set(digits):
    np.testing.assert_array_equal(probe_set(digits, size=500).indices, digits.test.indices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"size": 501},
            "--probe-size 501 is more than the 500 examples of the test split of 'digits'; lower "
            "it, or take a larger --test-split or --test-fraction.",
        ),
        (
            {"size": 131, "split": "validation"},
            "--probe-size 131 is more than the 130 validation examples of 'digits'; lower it, or "
            "raise --validation-fraction.",
        ),
        ({"size": 0}, "--probe-size must be at least 1, got 0."),
        (
            {"size": 5, "split": "tets"},
            "unknown probe split 'tets'; did you mean 'test'? Known: test, validation, train.",
        ),
    ],
)
def test_a_probe_set_that_can_not_be_drawn_is_refused(digits, options, message):
    with pytest.raises(InputError) as caught:
        probe_set(digits, **options)
    assert str(caught.value) == message


def test_a_balanced_probe_set_has_as_many_of_every_class():
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    examples = Examples(np.zeros((100, 1, 1, 1), np.uint8), labels, np.arange(100))
    data = Dataset("uneven", examples, examples, examples, 3, ("a", "b", "c"), {})
    for size, counts in ((30, [10, 10, 10]), (31, [11, 10, 10]), (60, [30, 20, 10]),
                         (100, [70, 20, 10]), (2, [1, 1])):  # fmt: skip
        probe = probe_set(data, size=size, balanced=True)
        assert np.bincount(probe.labels).tolist() == counts
        assert (np.diff(probe.indices) > 0).all()
    first, again, other = (
        probe_set(data, size=30, balanced=True, seed=seed).indices.tolist() for seed in (0, 0, 1)
    )
    assert first == again != other
    assert np.bincount(probe_set(data, size=30).labels).tolist() == [21, 6, 3]
