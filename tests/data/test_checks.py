"""What a loader returns is checked before it reaches a network."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data.dataset import Examples, Source, check_source
from tfprune.errors import InputError


def examples(images: np.ndarray, labels: list[int]) -> Examples:
    return Examples(images, np.array(labels, np.int64), np.arange(len(labels)))


def source(train: Examples, test: Examples | None = None) -> Source:
    good = examples(np.zeros((2, 4, 4, 1), np.float32), [0, 1])
    return Source(train, test or good, ("a", "b"), {})


def test_pixels_that_are_not_numbers_are_refused():
    images = np.zeros((2, 4, 4, 1), np.float32)
    images[1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match=r"the train split of 'x' has pixels that are NaN or inf"):
        check_source("x", source(examples(images, [0, 1])))


def test_a_label_past_the_last_class_is_refused():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    with pytest.raises(InputError, match=r"labels from 0 to 2, but 2 classes need .* \[0, 1\]"):
        check_source("x", source(examples(images, [0, 2])))


def test_train_and_test_of_different_shape_are_refused():
    train = examples(np.zeros((2, 5, 5, 1), np.uint8), [0, 1])
    with pytest.raises(InputError, match=r"differ in shape: \(5, 5, 1\) and \(4, 4, 1\)"):
        check_source("x", source(train))


def test_an_empty_split_is_refused():
    empty = examples(np.zeros((0, 4, 4, 1), np.uint8), [])
    with pytest.raises(InputError, match="the train split of 'x' is empty"):
        check_source("x", source(empty))


def test_a_class_whose_name_is_no_utf_8_is_refused():
    """As of a folder that was named in another encoding: its name would be stored at the end."""
    good = examples(np.zeros((2, 4, 4, 1), np.float32), [0, 1])
    with pytest.raises(InputError) as refused:
        check_source("x", Source(good, good, ("a", "b\udcff"), {}))
    assert str(refused.value) == (
        r"a class of 'x' is 'b\udcff', which UTF-8 can't hold: it came as bytes of another "
        "encoding. Rename it, or type it in a UTF-8 locale such as LANG=C.UTF-8."
    )
