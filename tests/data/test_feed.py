"""Examples of any shape, in whatever form a program has them, as `fit` takes them."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data.feed import feed
from tfprune.errors import InputError, RunError

X = np.arange(30, dtype="float32").reshape(10, 3)
Y = np.arange(10)


def fed(value, **options):
    return feed(value, **{"where": "train", "rank": 2, "n_inputs": 1, "batch_size": 4, "seed": 0,
                          **options})  # fmt: skip


class Items:
    """A data set as PyTorch's are: single examples, one by one."""

    def __len__(self):
        return len(X)

    def __getitem__(self, place):
        return X[place], Y[place]


class Batches:
    """A data set as Keras's Sequence: batches of 4."""

    def __len__(self):
        return 3

    def __getitem__(self, place):
        return X[4 * place : 4 * place + 4], Y[4 * place : 4 * place + 4]


def test_arrays_go_through_as_they_are():
    found = fed((X, Y, np.ones(10)))
    assert found.x is X
    assert found.n == 10
    x, y, weights = found.first(4)
    np.testing.assert_array_equal(x, X[:4])
    np.testing.assert_array_equal(y, Y[:4])
    assert weights.shape == (4,)
    assert found.arguments(5)["batch_size"] == 5
    assert len(found.as_validation()) == 3


def test_lists_become_arrays_and_several_inputs_stay_several():
    assert fed((X.tolist(), Y.tolist())).x.shape == (10, 3)
    two = fed(([X, X[:, :1]], Y), n_inputs=2)
    assert [part.shape for part in two.x] == [(10, 3), (10, 1)]
    named = fed(({"a": X, "b": X}, {"c": Y}))
    assert {name: part.shape for name, part in named.first(2)[0].items()} == {
        "a": (2, 3), "b": (2, 3),
    }  # fmt: skip


def test_the_last_share_is_held_out_as_keras_does():
    kept, held_out = fed((X, Y)).divided(0.25)
    np.testing.assert_array_equal(kept.y, Y[:7])
    np.testing.assert_array_equal(held_out.y, Y[7:])
    assert (kept.n, held_out.n) == (7, 3)


def test_what_an_object_raises_names_the_example():
    class Broken:
        def __len__(self):
            return 6

        def __getitem__(self, place):
            if place == 4:
                raise OSError("the disk is gone")
            return X[place], Y[place]

    shown = feed(Broken(), where="train", rank=2, n_inputs=1, batch_size=2, seed=None)
    assert len(shown.first(4)[0]) == 4
    with pytest.raises(RunError) as error:
        shown.first(6)
    assert str(error.value) == "example 4 of train can't be read: OSError: the disk is gone."


@pytest.mark.parametrize("batched", [False, True])
def test_a_dataset_is_batched_where_it_is_not(batched):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    found = fed(dataset.batch(6) if batched else dataset)
    sizes = [len(y) for _, y in found.x]
    assert sizes == ([6, 4] if batched else [4, 4, 2])
    np.testing.assert_array_equal(found.first(7)[1], Y[:7])


def test_single_examples_come_in_another_order_in_every_epoch_and_the_same_for_a_seed():
    epochs = [np.concatenate([y for _, y in fed(Items()).x]) for _ in range(2)]
    np.testing.assert_array_equal(epochs[0], epochs[1])  # a seed's first epoch
    feed_once = fed(Items())
    first, second = (np.concatenate([y for _, y in feed_once.x]) for _ in range(2))
    assert sorted(first) == sorted(second) == list(Y)
    assert list(first) != list(second)
    in_order = np.concatenate([y for _, y in fed(Items(), seed=None).x])
    np.testing.assert_array_equal(in_order, Y)
    x, y = next(iter(feed_once.x))
    np.testing.assert_array_equal(x[:, 0], 3 * np.asarray(y))  # each input with its own target


def test_batches_come_as_their_object_has_them():
    found = fed(Batches())
    assert isinstance(found.x, Batches)
    np.testing.assert_array_equal(found.first(6)[0], X[:6])


def infinite():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, Y)).repeat()


def lone():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(X)


def holed(place, value):
    array = X.copy()
    array[place, 1] = value
    return array


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            lambda: (X, Y[:7]),
            "the arrays of train differ in length: x 10, y 7. Expected one of each for every "
            "example.",
        ),
        (
            lambda: (holed(6, np.nan), Y),
            "x of train holds numbers that are not finite (nan or infinite), the first in example "
            "6. Leave such examples out, or repair them.",
        ),
        (
            lambda: (X, holed(2, np.inf)),
            "y of train holds numbers that are not finite (nan or infinite), the first in example "
            "2. Leave such examples out, or repair them.",
        ),
        (
            lambda: (X, np.array(["cat"] * 10)),
            "y of train holds texts, such as 'cat'; expected numbers, in the form in which the "
            "model was trained on them.",
        ),
        (
            lambda: (np.array([X, None], dtype=object), Y),
            "x of train is an array of shape (2,) and dtype object; expected numbers, one row for "
            "each example.",
        ),
        (lambda: (X[:0], Y[:0]), "train holds no examples."),
        (
            lambda: X,
            "train is a numpy.ndarray; expected arrays (x, y) or (x, y, sample_weight), a "
            "tf.data.Dataset of such, or an object with __len__ and __getitem__.",
        ),
        (
            lambda: iter([(X, Y)]),
            "train is a builtins.list_iterator; expected arrays (x, y) or (x, y, sample_weight), a "
            "tf.data.Dataset of such, or an object with __len__ and __getitem__.",
        ),
        (infinite, "train is a tf.data.Dataset without an end; leave out its .repeat()."),
        (
            lone,
            "train is a tf.data.Dataset of TensorSpec(shape=(3,), dtype=tf.float32, name=None); "
            "expected pairs (x, y), or (x, y, sample_weight).",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_shown_is_refused_in_one_message(value, message):
    with pytest.raises(InputError) as error:
        fed(value())
    assert str(error.value) == message


def test_a_share_of_what_is_no_array_is_refused():
    with pytest.raises(InputError) as error:
        fed(Items()).divided(0.2)
    assert str(error.value) == (
        "validation is the share 0.2 of train, which only arrays can be divided into. Give the "
        "examples to validate on, as train."
    )
