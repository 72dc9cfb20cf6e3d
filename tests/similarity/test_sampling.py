"""The sample of rows is one of images: all of them before any gives a second pixel."""

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import Comparison
from tfprune.similarity.samples import RowSample, n_classes


def filled(n_images, per_image, size, *, classes=4, batches=1, seed=0, first=0):
    """Return a sample whose rows are (image, position), the same on both sides."""
    sample = RowSample(size, seed, classes)
    for part in np.array_split(np.arange(first, first + n_images), batches):
        rows = np.array([(i, p) for i in part for p in range(per_image)], float)
        sample.add(rows, 1000 + rows, int(part[0]), per_image)
    return sample


def test_it_knows_from_which_image_and_position_each_row_is():
    sample = filled(40, 9, 100)
    x, y = sample.rows()
    np.testing.assert_array_equal(x, np.column_stack([sample.images, sample.positions]))
    np.testing.assert_array_equal(y, 1000 + x)
    assert len({tuple(row) for row in x}) == 100


@pytest.mark.parametrize(("n_images", "size", "counts"), [(30, 75, {2, 3}), (90, 60, {1})])
def test_every_image_gives_a_pixel_before_one_gives_another(n_images, size, counts):
    sample = filled(n_images, 9, size)
    images, given = np.unique(sample.images, return_counts=True)
    assert set(given) == counts
    assert images.size == min(n_images, size) == sample.n_images
    assert np.unique(sample.positions).size >= 4  # from all over the map


def test_all_rows_are_taken_where_they_fit_and_then_all_images_are_alike():
    sample = filled(10, 6, 100)
    assert sample.rows()[0].shape == (60, 2)
    assert len(sample.paired_at_random(np.random.default_rng(0))[0]) == 60


def test_batches_and_shards_make_no_difference():
    whole = filled(50, 9, 70)
    for other in (filled(50, 9, 70, batches=7), filled(20, 9, 70)):
        if other.n_images < 50:
            other.merge(filled(30, 9, 70, first=20))
        np.testing.assert_array_equal(other.rows(), whole.rows())
        np.testing.assert_array_equal(other.images, whole.images)
    assert not np.array_equal(filled(50, 9, 70, seed=1).rows()[0], whole.rows()[0])


@pytest.mark.parametrize(("n_images", "per_image", "size"), [(60, 9, 80), (12, 4, 48), (80, 1, 50)])
def test_whole_images_are_paired_with_others_at_the_same_positions(n_images, per_image, size):
    sample = filled(n_images, per_image, size)
    x, y = sample.paired_at_random(np.random.default_rng(3))
    y = y - 1000
    assert len(x) > 0.8 * len(sample.images)
    np.testing.assert_array_equal(x[:, 1], y[:, 1])
    partner = {}
    for image, other in zip(x[:, 0], y[:, 0], strict=True):
        assert image != other
        assert partner.setdefault(image, other) == other  # all its rows go to one image
    assert len(set(partner.values())) == len(partner)


def test_an_image_without_another_of_its_positions_can_not_be_paired():
    assert filled(2, 9, 4, classes=2).paired_at_random(np.random.default_rng(0)) is None


def test_groups_hold_whole_images():
    sample = filled(30, 9, 75)
    group = sample.groups_of_images(10)
    for image in np.unique(sample.images):
        assert np.unique(group[sample.images == image]).size == 1
    assert set(np.bincount([group[sample.images == i][0] for i in range(30)])) == {3}


def test_more_images_are_dealt_out_among_more_classes():
    assert [n_classes(n) for n in (None, 4, 100, 10_000)] == [16, 1, 12, 64]


def test_a_sample_of_nothing_says_so():
    with pytest.raises(InputError) as caught:
        RowSample(4, 0).rows()
    assert str(caught.value) == "a sample of data points was asked for before any was seen."


@pytest.mark.parametrize("name", ["rsa", "cka-rbf", "cka-minibatch"])
def test_saved_halfway_it_goes_on_as_if_it_had_not_been(tmp_path, name):
    rng = np.random.default_rng(1)
    a = rng.normal(size=(150, 3, 3, 4))
    b = a + rng.normal(size=a.shape)
    found = []
    for saved in (False, True):
        comparison = Comparison([("l", "l")], measures=[name], sample_size=120, permutations=2)
        for start in range(0, 150, 50):
            part = slice(start, start + 50)
            comparison.update({"l": a[part]}, {"l": b[part]})
            if saved:
                comparison.save(tmp_path / "half.npz")
                comparison = Comparison.load(tmp_path / "half.npz")
        found.append(comparison.scores()["l", "l", name])
    assert found[0] == found[1]


def test_a_saved_sample_that_does_not_know_its_images_is_refused(tmp_path):
    import json

    comparison = Comparison([("l", "l")], measures=["rsa"])
    comparison.update({"l": np.eye(6)}, {"l": np.eye(6)})
    comparison.save(tmp_path / "new.npz")
    arrays = dict(np.load(tmp_path / "new.npz"))
    head = json.loads(arrays["head"].tobytes()) | {"format": 1}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(tmp_path / "old.npz", **arrays)
    with pytest.raises(InputError) as caught:
        Comparison.load(tmp_path / "old.npz")
    assert str(caught.value) == (
        f"{tmp_path / 'old.npz'} has format 1, this version reads 2. Collect it again."
    )
