from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from tfprune.report.page.pictures import (
    MOST_EXAMPLES,
    data_uri,
    example_pictures,
    filter_grid,
    filter_pictures,
)


def pixels(uri: str) -> np.ndarray:
    kind, _, text = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_zero_is_middle_gray_and_the_scale_reaches_white_and_black():
    kernels = np.array([1.0, 0.0, -1.0, -2.0]).reshape(2, 2, 1, 1)
    grid = filter_grid(kernels, np.array([1.0]))
    assert grid.tolist() == [[[255] * 3, [128] * 3], [[0] * 3, [0] * 3]]


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_filters_stand_row_by_row_with_a_gap_that_is_no_gray(channels):
    kernels = np.ones((3, 3, channels, 10))
    grid = filter_grid(kernels, np.ones(10), columns=4)
    assert grid.shape == (3 * 4 - 1, 4 * 4 - 1, 3)
    assert (grid[:3, :3] == 255).all()
    gap = grid[3, 0]
    assert len(set(gap.tolist())) == 3
    assert (grid[3] == gap).all()
    assert (grid[:, 3] == gap).all()


def test_a_filter_without_weights_is_gray_not_an_error():
    assert (filter_grid(np.zeros((3, 3, 1, 1)), np.zeros(1)) == 128).all()


def test_dense_and_pruned_share_a_scale_so_that_survivors_compare(make_data):
    data = make_data(n_levels=2, extras=True)
    first = filter_pictures(data)[0]
    dense, pruned = pixels(first.dense), pixels(first.pruned)
    kept = data.filters[0].pruned[0, 0, :, 0] != 0
    np.testing.assert_array_equal(dense[0, 0][kept], pruned[0, 0][kept])
    assert (pruned[0, 0][~kept] == 128).all()


def test_pixels_come_back_from_the_page():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(pixels(data_uri(image)), image)


def test_levels_have_as_many_examples_as_one_another(make_data):
    data = make_data(n_levels=3, extras=True)
    flips = (12, 12, 5)
    flipped = tuple(
        dataclasses.replace(data.flipped[0], level=level, label=f"{level}:{n}")
        for level, count in enumerate(flips, start=1)
        for n in range(count)
    )
    shown = [item.label for item in example_pictures(dataclasses.replace(data, flipped=flipped))]
    wanted = [f"{level}:{n}" for level, count in ((1, 10), (2, 9), (3, 5)) for n in range(count)]
    assert shown == wanted


def test_large_and_many_examples_are_thinned(make_data):
    data = make_data(extras=True)
    large = dataclasses.replace(data.flipped[0], image=np.zeros((500, 300, 1), np.uint8))
    pictures = example_pictures(dataclasses.replace(data, flipped=(large,) * 40))
    assert len(pictures) == MOST_EXAMPLES
    assert max(pixels(pictures[0].picture).shape) <= 96
