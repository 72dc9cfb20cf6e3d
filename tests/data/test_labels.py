"""Labels in whatever form a user has them become classes 0..n-1, in a known order."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data.labels import class_counts, find_classes, plain_labels, to_classes
from tfprune.errors import InputError


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ([3, 7, 3], [3, 7, 3]),
        (np.array([[3], [7]], np.uint8), [3, 7]),
        (np.array([1.0, 0.0]), [1, 0]),
        ([True, False], [1, 0]),
        (np.eye(3)[[2, 0]], [2, 0]),
        (np.eye(3, dtype=bool)[[1, 1]], [1, 1]),
        (np.array([2**31 - 1, -(2**31)]), [2**31 - 1, -(2**31)]),
        (["cat", "dog"], ["cat", "dog"]),
        (np.array(["cat", "dog"], object), ["cat", "dog"]),
        (np.array([b"cat", b"dog"]), ["cat", "dog"]),
    ],
)
def test_every_form_of_labels_is_taken(given, plain):
    found = plain_labels(given, where="mine")
    assert found.tolist() == plain
    assert found.dtype.kind in "iU"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            [0.5, 1.0],
            "the labels of mine hold 0.5; expected whole numbers, one for each class.",
        ),
        (
            [np.nan, 1.0],
            "the labels of mine hold nan; expected whole numbers, one for each class.",
        ),
        (
            [[1, 1, 0], [0, 0, 1]],
            "the labels of mine have shape (2, 3), which should be one-hot rows, and not every row "
            "holds one 1 and otherwise 0. Several labels for an image, or shares of labels, can't "
            "be trained on: give one label for each.",
        ),
        (
            [0, 2**31],
            "the labels of mine lie from 0 to 2147483648, beyond whole numbers of 32 bits: these "
            "look like identifiers, not classes. Give one number for each class.",
        ),
        (
            np.array([{"a": 1}, 3], object),
            "the labels of mine are Python objects (dict, int); expected names, whole numbers or "
            "one-hot rows.",
        ),
        (
            np.zeros((2, 2, 2)),
            "the labels of mine have shape (2, 2, 2); expected one label for each image, (n,), or "
            "one-hot rows, (n, n_classes).",
        ),
        (
            np.array([1j, 0]),
            "the labels of mine are of dtype complex128; expected names, whole numbers or one-hot "
            "rows.",
        ),
    ],
)
def test_labels_that_are_none_are_refused(given, told):
    with pytest.raises(InputError) as refused:
        plain_labels(given, where="mine")
    assert str(refused.value) == told


def classes_of(train, test, names=None):
    return find_classes(np.array(train), np.array(test), where="mine", names=names)


def test_numbers_become_classes_in_their_order():
    classes = classes_of([30, -1, 7, 30], [7])
    assert classes.values == (-1, 7, 30)
    assert classes.names == ("-1", "7", "30")
    assert to_classes(np.array([30, -1, 7]), classes).tolist() == [2, 0, 1]
    assert classes.note == "Labels became classes in this order: -1 is 0, 7 is 1, 30 is 2."


def test_classes_that_are_numbered_already_stay_and_are_not_spoken_of():
    classes = classes_of([0, 1, 2], [2])
    assert classes.note is None
    assert to_classes(np.array([2, 0]), classes).tolist() == [2, 0]


def test_of_many_classes_the_first_ten_are_named():
    names = [f"c{i:02d}" for i in range(13)]
    assert classes_of(names, ["c00"]).note.endswith("c09 is 9, and 3 more.")


def test_names_given_for_numbers_keep_the_classes_that_no_image_has():
    classes = classes_of([0, 2], [2], names=["a", "b", "c"])
    assert classes.names == ("a", "b", "c")
    assert to_classes(np.array([2]), classes).tolist() == [2]


def test_names_given_for_names_decide_the_order():
    classes = classes_of(["dog", "cat"], ["cat"], names=["dog", "cat"])
    assert to_classes(np.array(["cat"]), classes).tolist() == [1]


def test_as_many_names_as_labels_name_them_in_their_order():
    classes = classes_of([10, 20], [10], names=["ten", "twenty"])
    assert classes.names == ("ten", "twenty")
    assert classes.mapping == {"10": 0, "20": 1}


@pytest.mark.parametrize(
    ("train", "test", "names", "told"),
    [
        (
            [1, 2], [3, 1, 4], None,
            "the test split of mine has labels that its train split lacks: 3, 4. A network can't "
            "know them: put images of them into train, or leave them out of test.",
        ),
        (
            [1, 2], ["a"], None,
            "the labels of mine are numbers in train and names in test; give both in one form.",
        ),
        (
            [5, 6, 7], [5], ["a", "b"],
            "class_names of mine holds 2 names, and the training labels are 3 classes (5, 6, 7). "
            "Give one name for each.",
        ),
        (
            [0, 1], [0], ["a", "a"],
            "class_names of mine holds a name twice; each class needs its own.",
        ),
    ],
)  # fmt: skip
def test_labels_and_names_that_don_t_fit_are_refused(train, test, names, told):
    with pytest.raises(InputError) as refused:
        classes_of(train, test, names)
    assert str(refused.value) == told


def test_counts_are_in_the_order_of_the_classes():
    assert class_counts(np.array([2, 0, 2]), 4) == [1, 0, 2, 0]
