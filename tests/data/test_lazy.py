"""Images that stay on the disk behave as the array that they would make; little is read ahead."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from tfprune.config.words import NORMALIZATIONS
from tfprune.data.dataset import Examples, Source, probe_set
from tfprune.data.images import normalization
from tfprune.data.lazy import LazyImages, bounded, chunks, select
from tfprune.data.load import _with_validation
from tfprune.training.feeding import STEPS_PER_CALL, calls

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (50, 3, 4, 2), np.uint8)


class Counting:
    """Reads from an array, and remembers what."""

    def __init__(self, pixels=PIXELS, fails_at=None):
        self.pixels, self.fails_at, self.rows = pixels, fails_at, []
        self._lock = threading.Lock()

    @property
    def shape(self):
        return self.pixels.shape[1:]

    @property
    def dtype(self):
        return self.pixels.dtype

    def read(self, row):
        with self._lock:
            self.rows.append(row)
        if row == self.fails_at:
            raise ValueError(f"row {row}")
        return self.pixels[row]

    def content(self, rows):
        return self.pixels[rows].tobytes()


def lazy(pixels=PIXELS, **more):
    reader = Counting(pixels, **more)
    return LazyImages(reader, np.arange(len(pixels))), reader


@pytest.mark.parametrize("key", [
    3, -1, slice(2, 40, 3), slice(None), slice(5, 5), np.array([7, 7, 0]), np.array([], int),
])  # fmt: skip
def test_rows_are_those_of_the_array(key):
    images, _ = lazy()
    np.testing.assert_array_equal(images[key], PIXELS[key])
    assert images[key].dtype == np.uint8
    assert images.shape == PIXELS.shape
    assert images.nbytes == PIXELS.nbytes


def test_a_choice_is_not_read():
    images, reader = lazy()
    chosen = select(images.at(np.arange(10, 30)), np.array([3, 1]))
    assert len(chosen) == 2
    assert reader.rows == []
    np.testing.assert_array_equal(chosen[:], PIXELS[[13, 11]])


def test_blocks_come_in_order_with_room_for_the_largest():
    images, _ = lazy()
    parts = [np.array([4, 2, 9]), np.array([0])]
    first, last = images.blocks(parts, room=3)
    np.testing.assert_array_equal(first, PIXELS[parts[0]])
    np.testing.assert_array_equal(last[:1], PIXELS[:1])
    assert last.shape[0] == 3
    assert not last[1:].any()


def test_two_blocks_are_read_ahead_and_no_more():
    images, reader = lazy()
    blocks = images.blocks([np.arange(i, i + 5) for i in range(0, 50, 5)])
    next(blocks)
    end = time.monotonic() + 10
    while len(reader.rows) < 15 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.05)
    assert sorted(reader.rows) == list(range(15))
    blocks.close()
    assert len(reader.rows) == 15


def test_an_image_that_can_t_be_read_ends_the_reading():
    images, _ = lazy(fails_at=7)
    with pytest.raises(ValueError, match="row 7"):
        list(images.blocks([np.arange(5), np.arange(5, 10), np.arange(10, 15)]))


@pytest.mark.parametrize("pixels", [
    PIXELS, RNG.normal(size=(50, 3, 4, 2)).astype(np.float32), np.full((9, 2, 2, 1), 7, np.uint8),
], ids=["8-bit", "floats", "constant"])  # fmt: skip
@pytest.mark.parametrize("mode", NORMALIZATIONS)
def test_normalization_is_that_of_the_array(pixels, mode):
    images, _ = lazy(pixels)
    assert normalization(images, mode, chunk=8) == normalization(pixels, mode, chunk=8)


def test_8_bit_images_are_read_once_for_every_normalization():
    images, reader = lazy()
    for mode in (*NORMALIZATIONS, "standard"):
        normalization(images, mode)
    assert sorted(reader.rows) == list(range(50))


def test_content_tells_images_their_order_and_their_number_apart():
    images, _ = lazy()
    other = PIXELS.copy()
    other[49, 2, 3, 1] += 1
    digests = [
        images.digest(), lazy(other)[0].digest(), images.at(np.arange(49)).digest(),
        images.at(np.arange(50)[::-1]).digest(),
    ]  # fmt: skip
    assert len(set(digests)) == 4
    assert lazy(PIXELS.copy())[0].digest() == digests[0]


def test_validation_and_probe_set_read_what_they_show_and_no_more():
    images, reader = lazy()
    labels = np.arange(50) % 2
    train = Examples(images.at(np.arange(40)), labels[:40], np.arange(40))
    test = Examples(images.at(np.arange(40, 50)), labels[40:], np.arange(10))
    in_memory = Source(
        Examples(PIXELS[:40].copy(), labels[:40], np.arange(40)),
        Examples(PIXELS[40:].copy(), labels[40:], np.arange(10)),
        ("a", "b"), {},
    )  # fmt: skip
    found = _with_validation("x", Source(train, test, ("a", "b"), {}), fraction=0.25, seed=3)
    assert reader.rows == []
    expected = _with_validation("x", in_memory, fraction=0.25, seed=3)
    probe, wanted = (probe_set(data, size=4, seed=1) for data in (found, expected))
    assert len(reader.rows) == 4
    np.testing.assert_array_equal(probe.images, wanted.images)
    for part in ("train", "validation", "test"):
        ours, theirs = getattr(found, part), getattr(expected, part)
        np.testing.assert_array_equal(ours.images[:], theirs.images)
        np.testing.assert_array_equal(ours.indices, theirs.indices)


def test_chunks_are_whole_and_bounded():
    images, _ = lazy()
    np.testing.assert_array_equal(np.concatenate(list(chunks(images, 7))), PIXELS)
    np.testing.assert_array_equal(np.concatenate(list(chunks(PIXELS, 7))), PIXELS)
    assert bounded(np.zeros((5000, 1)), 4000) == 4000
    large = np.broadcast_to(np.uint8(0), (5000, 1024, 1024, 3))
    assert bounded(large, 4000) == 5  # 3 MiB each, 16 MiB in all
    assert bounded(np.broadcast_to(np.uint8(0), (5, 2**13, 2**13, 3)), 4000) == 1


@pytest.mark.parametrize(("first", "n", "batch"), [(0, 50, 4), (5, 50, 4), (0, 50, 1), (12, 50, 4)])
def test_every_call_gets_the_images_of_its_steps(first, n, batch):
    images, _ = lazy()
    order = RNG.permutation(n)
    seen, steps, shapes = [], [], set()
    for start, stop, block in calls(images, order[first * batch :], first=first, batch_size=batch):
        shapes.add(tuple(block.shape))
        for step in range(start, stop):
            rows = order[step * batch : (step + 1) * batch]
            at = (step - start) * batch
            np.testing.assert_array_equal(block[at : at + len(rows)], PIXELS[rows])
            seen += rows.tolist()
            steps.append(step)
    assert seen == order[first * batch :].tolist()
    assert steps == list(range(first, -(-n // batch)))
    assert shapes == {(STEPS_PER_CALL * batch, 3, 4, 2)}
