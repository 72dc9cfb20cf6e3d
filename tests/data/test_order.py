"""Order and augmentation draws are pure functions of (seed, epoch, example)."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import Augmentation, epoch_plan
from tfprune.errors import InputError

BOTH = Augmentation(padding=4, flip=True)


def test_the_order_is_a_permutation_that_differs_by_seed_and_by_epoch():
    plans = {
        (seed, epoch): epoch_plan(200, seed=seed, epoch=epoch).order
        for seed in range(3)
        for epoch in range(3)
    }
    for order in plans.values():
        assert order.dtype == np.int32
        np.testing.assert_array_equal(np.sort(order), np.arange(200))
    assert len({tuple(order) for order in plans.values()}) == 9


def test_the_plan_does_not_depend_on_what_was_drawn_before():
    epoch_plan(50, seed=3, epoch=8, augmentation=BOTH)
    np.random.default_rng(0).random(100)
    one = epoch_plan(50, seed=3, epoch=9, augmentation=BOTH)
    two = epoch_plan(50, seed=3, epoch=9, augmentation=BOTH)
    for a, b in ((one.order, two.order), (one.shift, two.shift), (one.flip, two.flip)):
        np.testing.assert_array_equal(a, b)


def test_augmentation_changes_neither_the_order_nor_each_others_draws():
    plain = epoch_plan(50, seed=1, epoch=2)
    both = epoch_plan(50, seed=1, epoch=2, augmentation=BOTH)
    flipped = epoch_plan(50, seed=1, epoch=2, augmentation=Augmentation(padding=0))
    shifted = epoch_plan(50, seed=1, epoch=2, augmentation=Augmentation(flip=False))
    assert plain.shift is plain.flip is flipped.shift is shifted.flip is None
    np.testing.assert_array_equal(plain.order, both.order)
    np.testing.assert_array_equal(flipped.flip, both.flip)
    np.testing.assert_array_equal(shifted.shift, both.shift)


def test_the_draws_of_an_example_do_not_depend_on_how_many_follow():
    few = epoch_plan(7, seed=1, epoch=2, augmentation=BOTH)
    many = epoch_plan(1000, seed=1, epoch=2, augmentation=BOTH)
    np.testing.assert_array_equal(few.shift, many.shift[:7])
    np.testing.assert_array_equal(few.flip, many.flip[:7])


def test_shifts_take_every_value_and_half_the_images_are_flipped():
    plan = epoch_plan(20_000, seed=0, epoch=0, augmentation=BOTH)
    counts = np.stack([np.bincount(plan.shift[:, axis] + 4, minlength=9) for axis in (0, 1)])
    assert counts.shape == (2, 9)
    # binomial: mean 2222, standard deviation 44
    assert np.abs(counts - 20_000 / 9).max() < 5 * 44.5
    assert abs(plan.flip.mean() - 0.5) < 5 * 0.5 / np.sqrt(20_000)
    # rows, columns and flips are independent of each other
    table = np.corrcoef(np.column_stack([plan.shift, plan.flip]).T)
    assert np.abs(table - np.eye(3)).max() < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("padding", [-1, 1.5, True])
def test_a_padding_that_is_no_number_of_pixels_is_refused(padding):
    with pytest.raises(InputError, match=f"pixels of at least 0, got {padding}"):
        Augmentation(padding=padding)
