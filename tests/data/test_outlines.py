"""Outlines as masks: by hand, by the shoelace formula, and as pycocotools encodes them."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data.outlines import BoxOutline, Polygons, Runs, polygons, runs, uncompressed
from tfprune.errors import InputError


def counted(mask: np.ndarray) -> list[int]:
    """Return a mask's runs down its columns, the first outside."""
    flat = mask.astype(int).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges, len(flat)]).tolist()
    return [0, *lengths] if flat[0] else lengths


def compressed(counts: list[int]) -> str:
    """Return counts in COCO's text, number by number in 5 bits each, the other way round."""
    text = ""
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


def test_counts_are_those_that_pycocotools_wrote():
    """pycocotools 2.0.11, `mask.encode`, of a mask written by hand and of an ellipse."""
    small = np.zeros((4, 5), dtype=bool)
    small[1:3, 2] = small[0, 3] = True
    assert uncompressed("921O6") == [9, 2, 1, 1, 7] == counted(small)
    row, column = np.mgrid[:37, :51]
    ellipse = (row - 18) ** 2 / 100 + (column - 20) ** 2 / 200 < 1
    text = "_73P14L4M2N2O0O2O0O2O000000000000000000000001N101N101N2N3L4LQb0"
    np.testing.assert_array_equal(runs(text, [37, 51], where="it").within(37, 51), ellipse)
    assert ellipse.sum() == 443
    assert compressed(counted(ellipse)) == text
    large = np.zeros((100, 100), dtype=bool)
    large[0, 0] = True
    large[:, 50:] = True
    large[99, 99] = False
    text = "01Wl4Vl4jSK"
    np.testing.assert_array_equal(runs(text, (100, 100), where="it").within(100, 100), large)


def test_masks_come_back_from_their_runs():
    rng = np.random.default_rng(0)
    for height, width, share in [(7, 9, 0.5), (40, 3, 0.02), (1, 50, 0.9), (5, 5, 0.0), (5, 5, 1)]:
        mask = rng.random((height, width)) < share
        counts = counted(mask)
        for told in (counts, compressed(counts)):
            found = runs(told, (height, width), where="it").within(height, width)
            np.testing.assert_array_equal(found, mask)


def test_runs_are_taken_at_the_centres_of_fewer_pixels_and_small_things_keep_one():
    mask = np.zeros((6, 6), dtype=bool)
    mask[1, 4] = mask[3, 3] = True
    found = runs(counted(mask), (6, 6), where="it").within(2, 2)
    np.testing.assert_array_equal(found, [[False, True], [False, False]])  # rows and columns 1, 4
    mask[1, 4] = False
    np.testing.assert_array_equal(
        runs(counted(mask), (6, 6), where="it").within(2, 2), [[False, False], [False, True]]
    )
    assert not Runs(np.array([36]), 6, 6).within(2, 2).any()  # nothing seen is seen nowhere


def test_a_triangle_holds_the_centres_that_it_holds_by_hand():
    triangle = polygons([[0, 0, 4, 0, 0, 4]], height=4, width=4, where="it")
    by_hand = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    on_edge = np.fliplr(np.eye(4, dtype=bool))  # centres on the slope itself count or don't
    found = triangle.within(4, 4)
    np.testing.assert_array_equal(found & ~on_edge, by_hand)
    ring = [[0, 0, 6, 0, 6, 6, 0, 6, 0, 0, 2, 2, 4, 2, 4, 4, 2, 4, 2, 2]]
    seen = polygons(ring, height=6, width=6, where="it").within(6, 6)
    assert seen.sum() == 36 - 4
    assert not seen[2:4, 2:4].any()


@pytest.mark.parametrize("seed", range(5))
def test_a_polygons_pixels_are_its_area_by_the_shoelace_formula(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.random(9)) * 2 * np.pi
    radii = rng.uniform(10, 48, 9)
    x, y = 50 + radii * np.cos(angles), 50 + radii * np.sin(angles)
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    corners = np.column_stack([x, y])
    one = polygons([corners.ravel().tolist()], height=100, width=100, where="it")
    perimeter = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1).sum()
    assert abs(one.within(100, 100).sum() - area) < 0.1 * perimeter
    fine = one.within(800, 400).sum() * (100 / 800) * (100 / 400)  # pixels needn't be square
    assert fine == pytest.approx(area, rel=0.005)
    turned = Polygons((one.corners[0][::-1],))
    np.testing.assert_array_equal(turned.within(100, 100), one.within(100, 100))


def test_a_rectangle_is_the_box_with_its_sides():
    box = BoxOutline(0.13, 0.21, 0.77, 0.4)
    y, x = (0.13, 0.77), (0.21, 0.4)
    corners = np.array([[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]]])
    for size in ((10, 20), (64, 37)):
        np.testing.assert_array_equal(Polygons((corners,)).within(*size), box.within(*size))
    far = Polygons((corners / 1000 + 0.61,))
    assert np.argwhere(far.within(10, 10)).tolist() == [[6, 6]]
    outside = Polygons((corners + 5,)).within(4, 4)
    assert np.argwhere(outside).tolist() == [[3, 3]]


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ([3, 4], [2, 4], "the counts of its segmentation hold 7 pixels, and its size is 2 x 4 = 8"),
        ([-1, 9], [2, 4], "the counts of its segmentation are a list of whole numbers from 0 on, "
         "or their compressed text, got [-1, 9]"),
        (None, [2, 4], "the counts of its segmentation are a list of whole numbers from 0 on, or "
         "their compressed text, got None"),
        ([8], [2], "the size of its segmentation is [height, width] in pixels, got [2]"),
        ("8 ", [2, 4], "the compressed counts of its segmentation are characters from '0' to 'o', "
         "got ' '"),
        ("X", [2, 4], "the compressed counts of its segmentation break off within a number"),
    ],
)  # fmt: skip
def test_damaged_runs_are_refused(counts, size, message):
    with pytest.raises(InputError) as refused:
        runs(counts, size, where="annotation 3")
    assert str(refused.value) == f"annotation 3: {message}."


def test_damaged_polygons_are_refused():
    for wrong in ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, "x"], 3,
                  [0, 0, 1, 0, float("nan"), 1]):  # fmt: skip
        with pytest.raises(InputError) as refused:
            polygons([wrong], height=4, width=4, where="annotation 3")
        assert str(refused.value) == (
            "annotation 3: a polygon of its segmentation is a list x1, y1, x2, y2, ... of at "
            f"least three points, got {wrong!r}."
        )
