"""The embedded digits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tfprune.data import load_dataset
from tfprune.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_every_digit_is_in_exactly_one_of_train_validation_and_test(digits):
    parts = (digits.train, digits.validation, digits.test)
    assert [len(part) for part in parts] == [1167, 130, 500]
    rows = np.concatenate([part.indices for part in parts])
    np.testing.assert_array_equal(np.sort(rows), np.arange(1797))


def test_values_and_labels_are_exactly_those_of_the_source(digits):
    source = load_digits()
    for part in (digits.train, digits.validation, digits.test):
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        np.testing.assert_array_equal(part.images[..., 0], source.images[part.indices])
        np.testing.assert_array_equal(part.labels, source.target[part.indices])
    assert digits.train.images.max() == 16
    assert digits.input_shape == (8, 8, 1)
    assert digits.class_names == tuple("0123456789")


def test_scikit_learn_reads_the_same_where_its_file_has_moved(monkeypatch):
    from tfprune.data import digits as module

    from_its_file = module._table()
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    np.testing.assert_array_equal(module._table(), from_its_file)


def test_the_test_split_is_stratified_and_the_same_for_every_seed(digits):
    other = load_dataset("digits", seed=7)
    np.testing.assert_array_equal(digits.test.indices, other.test.indices)
    assert set(digits.validation.indices) != set(other.validation.indices)
    whole = np.bincount(load_digits().target)
    assert np.abs(np.bincount(digits.test.labels) - 500 * whole / 1797).max() < 1


def test_the_same_seed_holds_out_the_same_validation_examples(digits):
    again = load_dataset("digits", seed=0)
    np.testing.assert_array_equal(digits.validation.indices, again.validation.indices)


def test_splits_can_be_sliced_as_with_tfds(digits):
    half = load_dataset(
        "digits", train_split="train[:50%]", test_split="test[-100:]", validation_fraction=0
    )
    everything = load_dataset("digits", validation_fraction=0)
    np.testing.assert_array_equal(half.train.indices, everything.train.indices[:648])
    np.testing.assert_array_equal(half.test.indices, digits.test.indices[-100:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"train_split": "trian"},
            "--train-split 'trian' is not a split of 'digits'. Its splits: train (1297 examples), "
            "test (500 examples); slices are written 'train[:500]' or 'train[10%:50%]'.",
        ),
        (
            {"train_split": "train[5:5]"},
            "--train-split 'train[5:5]' selects no examples or reaches past the end of 'digits'. "
            "Its splits: train (1297 examples), test (500 examples).",
        ),
        (
            {"test_split": "train[:20]"},
            "--train-split 'train' and --test-split 'train[:20]' share 20 examples; accuracy on "
            "them would not be a test. Choose splits that do not overlap.",
        ),
        (
            {"validation_fraction": 1.0},
            "--validation-fraction must lie in [0, 1), got 1.0; it is the share of the train "
            "split that is held out.",
        ),
        (
            {"train_split": "train[:3]"},
            "--validation-fraction 0.1 of 3 train examples rounds to none; raise it, or set it "
            "to 0 to hold none out.",
        ),
        (
            {"train_split": "train[:1]", "validation_fraction": 0},
            "the train split of 'digits' holds examples of one class only ('2'); a classifier "
            "needs at least two. Choose a larger --train-split.",
        ),
        (
            {"image_size": 0},
            "--image-size must be a positive number of pixels, or height and width, got 0.",
        ),
        ({"seed": -1}, "--seed must be a whole number of at least 0, got -1."),
        ({"memory_limit": 0}, "memory_limit must be a positive number of bytes, got 0."),
    ],
)
def test_what_can_not_be_loaded_is_refused_with_the_remedy(options, message):
    with pytest.raises(InputError) as caught:
        load_dataset("digits", **options)
    assert str(caught.value) == message


def test_digits_can_be_enlarged_for_networks_with_much_pooling():
    large = load_dataset("digits", image_size=32)
    assert large.input_shape == (32, 32, 1)
    assert large.train.images.dtype == np.uint8
    assert large.train.images.max() <= 16
