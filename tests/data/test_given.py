"""Data that a program hands over, and functions that return data."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.data.given import given_data
from tfprune.errors import InputError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (24, 5, 6, 3), np.uint8), np.arange(24) % 3
LIMIT = 2**30


class Pairs:
    """Single pairs, as PyTorch's data sets return them."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return self.x[place], self.y[place]


def tf_pairs(x, y, batch=None):
    import tensorflow as tf

    found = tf.data.Dataset.from_tensor_slices((x, y))
    return found.batch(batch) if batch else found


FORMS = {
    "arrays": lambda x, y: (x, y),
    "lists": lambda x, y: [x.tolist(), y.tolist()],
    "items": Pairs,
    "items with one-hot labels": lambda x, y: Pairs(x, np.eye(3)[y]),
    "tf.data": tf_pairs,
    "tf.data in batches": lambda x, y: tf_pairs(x, y, 7),
    "tf.data with one-hot labels": lambda x, y: tf_pairs(x, np.eye(3)[y], 7),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_images(form):
    make = FORMS[form]
    with given_data(make(X[:18], Y[:18]), make(X[18:], Y[18:]), limit=LIMIT) as name:
        data = load_dataset(name, validation_fraction=0)
    np.testing.assert_array_equal(data.train.images, X[:18])
    np.testing.assert_array_equal(data.test.images, X[18:])
    assert data.train.labels.tolist() == Y[:18].tolist()


def test_what_is_handed_over_is_left_as_it_is():
    x, y = X.copy(), Y.copy()
    with given_data((x, y), limit=LIMIT) as name:
        for seed in (0, 1):
            load_dataset(name, test_fraction=0.25, validation_fraction=0.5, seed=seed)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_the_name_is_of_the_content():
    def name_of(x, y, **more):
        with given_data((x, y), limit=LIMIT, **more) as name:
            return name

    names = [
        name_of(X, Y),
        name_of(X + 1, Y),
        name_of(X, Y[::-1]),
        name_of(X, Y, class_names=["a", "b", "c"]),
    ]
    assert len(set(names)) == 4
    assert name_of(X.copy(), Y.copy()) == names[0]


def test_names_of_classes_are_taken():
    with given_data((X, Y), limit=LIMIT, class_names=["a", "b", "c"]) as name:
        assert load_dataset(name, test_fraction=0.25).class_names == ("a", "b", "c")


def test_data_that_are_no_longer_at_hand_are_asked_for():
    with given_data((X, Y), limit=LIMIT) as name:
        pass
    with pytest.raises(InputError) as refused:
        load_dataset(name)
    assert str(refused.value) == (
        f"the data {name!r} were passed from Python and are not available now. Call tfprune.run "
        "with the same configuration and the same train and test: an interrupted run is then "
        "resumed."
    )


def test_channels_first_are_turned_and_that_is_said():
    with given_data((np.moveaxis(X, 3, 1), Y), limit=LIMIT) as name:
        data = load_dataset(name, test_fraction=0.25, validation_fraction=0)
    assert data.input_shape == (5, 6, 3)
    assert data.notes == ("The images of train came channels-first and were transposed.",)


def endless():
    return tf_pairs(X, Y).repeat()


def images_only():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(X)


BAD = [
    (lambda: (X, Y[:5]),
     "train has 24 images and 5 labels; expected one label for each image."),
    (lambda: (np.ma.masked_equal(X, 3), Y), "the images of train is a masked array"),
    (lambda: ([X[0], X[1][:2]], [0, 1]), "the images of train are not an array: "),
    (lambda: {"x": X}, "train is a mapping with x; expected (images, labels)."),
    (lambda: X, "train is a numpy.ndarray; expected (images, labels), a tf.data.Dataset of such "
     "pairs, or an object with __len__ and __getitem__."),
    (lambda: 3, "train is a builtins.int; expected (images, labels), a tf.data.Dataset of such "
     "pairs, or an object with __len__ and __getitem__."),
    (endless, "train is a tf.data.Dataset without an end; remove its .repeat()."),
    (images_only, "; expected pairs (image, label)."),
    (lambda: Pairs(X[:0], Y[:0]), "train holds no images."),
    (lambda: Pairs([X[0], X[1][:3]], Y),
     "the images of train differ in size: the first is (5, 6, 3), that of an item later (1) is "
     "(3, 6, 3). Resize them to one size."),
    (lambda: [X, Y, Y], "item 0 of train is a ndarray; expected (image, label)."),
]  # fmt: skip


@pytest.mark.parametrize(("make", "told"), BAD)
def test_what_is_no_data_is_refused(make, told):
    with pytest.raises(InputError) as refused, given_data(make(), limit=LIMIT):
        pass
    assert told in str(refused.value)


def test_items_past_the_memory_bound_are_refused():
    with (
        pytest.raises(InputError, match=r"need more than the limit of 0\.0 GiB of memory"),
        given_data(Pairs(X, Y), limit=500),
    ):
        pass


@pytest.fixture
def function(monkeypatch):
    """A function that makes another one importable, and returns its reference."""

    def make(call):
        module = types.ModuleType("users_data")
        module.load = call
        monkeypatch.setitem(sys.modules, "users_data", module)
        return "users_data:load"

    return make


RETURNS = {
    "as Keras returns them": lambda: ((X[:18], Y[:18]), (X[18:], Y[18:])),
    "two tf.data.Dataset": lambda: (tf_pairs(X[:18], Y[:18], 5), tf_pairs(X[18:], Y[18:])),
    "two objects": lambda: [Pairs(X[:18], Y[:18]), Pairs(X[18:], Y[18:])],
    "a mapping": lambda: {"train": (X[:18], Y[:18]), "test": (X[18:], Y[18:]),
                          "class_names": ["0", "1", "2"]},
}  # fmt: skip


@pytest.mark.parametrize("form", RETURNS)
def test_a_function_may_return_every_form(function, form):
    data = load_dataset(function(RETURNS[form]), validation_fraction=0)
    np.testing.assert_array_equal(data.train.images, X[:18])
    np.testing.assert_array_equal(data.test.images, X[18:])
    assert data.class_names == ("0", "1", "2")
    assert data.provenance["function"] == "users_data:load"


@pytest.mark.parametrize("make", [
    lambda: (X, Y), lambda: [X.tolist(), Y.tolist()], lambda: Pairs(X, Y),
    lambda: tf_pairs(X, Y), lambda: {"train": (X, Y)},
])  # fmt: skip
def test_a_function_may_return_what_is_undivided(function, make):
    data = load_dataset(function(make), test_fraction=0.25, validation_fraction=0)
    assert (len(data.train), len(data.test)) == (18, 6)


def fails():
    raise KeyError("no such file")


WRONG = [
    (lambda: None, "the data function 'users_data:load' returned None (is its return statement "
     "missing?). It returns (images, labels), "),
    (fails, "the data function 'users_data:load' raised KeyError: 'no such file'. It is called "
     "without arguments."),
    (lambda: (X, Y, X, Y), "'users_data:load' returned a tuple of 4; it returns "),
    (lambda: {"x": X}, "the mapping that 'users_data:load' returned holds x; expected 'train', "
                       "'test' and optionally 'class_names'."),
    (lambda: 7, "all of 'users_data:load' is a builtins.int; expected (images, labels), "),
]  # fmt: skip


@pytest.mark.parametrize(("call", "told"), WRONG)
def test_a_function_that_returns_no_data_is_refused(function, call, told):
    with pytest.raises(InputError) as refused:
        load_dataset(function(call))
    assert told in str(refused.value)


def test_a_function_that_is_not_there_is_refused(function):
    function(lambda: None)
    with pytest.raises(InputError, match="unknown function of users_data 'laod'; did you mean"):
        load_dataset("users_data:laod")
    with pytest.raises(InputError, match=r"no module 'no_such.module' for the data function"):
        load_dataset("no_such.module:load")
