"""Concepts that are computed, images that are made up, and labels of whole images."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.dissection import (
    class_selectivity,
    computed_concepts,
    label_auc,
    tell_labels,
    textured_shapes,
)
from tfprune.dissection.computed import COLOURS, ORIENTATIONS, PLACES, _lab
from tfprune.dissection.concepts import reduced
from tfprune.dissection.shapes import SHAPES, TEXTURES
from tfprune.errors import InputError


def mask_of(found, name: str) -> np.ndarray:
    place = next(i for i, one in enumerate(found.concepts) if one.name == name)
    return found.masks[:, place]


def test_every_colour_is_called_by_its_name_whatever_the_scale():
    for largest in (255.0, 1.0):
        image = np.array([[list(COLOURS.values())]]) / 255 * largest
        found = computed_concepts(np.repeat(image, 2, axis=1), largest=largest)
        for place, name in enumerate(COLOURS):
            assert np.flatnonzero(mask_of(found, name)[0, 0]).tolist() == [place]


def test_cielab_has_the_published_values():
    """sRGB red and mid grey under D65, to two digits."""
    found = _lab(np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5]]))
    np.testing.assert_allclose(found, [[53.24, 80.09, 67.20], [53.39, 0, 0]], atol=0.02)


@pytest.mark.parametrize(
    ("name", "line"),
    [("horizontal", lambda x, y: y - 16), ("vertical", lambda x, y: x - 16),
     ("rising", lambda x, y: x + y - 32), ("falling", lambda x, y: x - y)],
)  # fmt: skip
def test_edges_are_called_by_the_way_they_run(name, line):
    """Rows count downwards: a line on which x + y is the same rises to the right."""
    y, x = np.mgrid[:32, :32]
    image = (line(x, y) > 0).astype(float)[None, ..., None]
    found = computed_concepts(image, largest=1)
    seen = {one: int(mask_of(found, one).sum()) for one in ORIENTATIONS}
    assert seen.pop(name) > 30
    assert sum(seen.values()) <= 2  # where a diagonal meets the corners


def test_places_are_the_same_in_all_images_and_gray_images_have_three_colours():
    found = computed_concepts(np.random.default_rng(0).random((3, 8, 8, 1)), largest=1)
    colours = [one.name for one in found.concepts if one.category == "colour"]
    assert colours == ["black", "grey", "white"]
    for name in PLACES:
        assert (mask_of(found, name) == mask_of(found, name)[0]).all()
    assert mask_of(found, "top")[0].sum() == 32
    assert mask_of(found, "centre")[0].sum() == 16
    assert (mask_of(found, "left") ^ mask_of(found, "right")).all()


def test_other_images_are_refused():
    with pytest.raises(InputError) as refused:
        computed_concepts(np.zeros((2, 8, 8, 2)), largest=1)
    assert str(refused.value) == (
        "concepts are computed on images (n_images, height, width, channels) of 1 or 3 channels, "
        "got (2, 8, 8, 2)."
    )


def test_made_up_images_show_their_concepts():
    found = textured_shapes(40, (24, 20, 3), largest=1.0)
    assert found.images.shape == (40, 24, 20, 3)
    assert found.images.dtype == np.float32
    assert 0 <= found.images.min() < 0.01
    assert 0.99 < found.images.max() <= 1
    textures = np.stack([mask_of(found, name) for name in TEXTURES])
    shapes = np.stack([mask_of(found, name) for name in SHAPES])
    assert (shapes.sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(textures.sum(axis=0), shapes.sum(axis=0))  # a shape has one
    assert 0.2 < shapes.mean() * len(SHAPES) < 0.6
    assert (textures.mean(axis=(1, 2, 3)) < 1 / 8).all()  # or none could be detected
    assert (shapes.any(axis=(2, 3)).sum(axis=1) >= 4).all()  # each shape in some of the images
    assert found.categories == ("shape", "texture", "colour", "edge", "place")
    ground = found.images[~shapes.any(axis=0)]
    np.testing.assert_array_equal(ground, np.repeat(ground[:, :1], 3, axis=1))  # grey
    plain = mask_of(found, "plain") & mask_of(found, "disc")
    image = next(i for i in range(40) if plain[i].any())
    assert len(np.unique(found.images[image][plain[image]], axis=0)) <= 2  # of one disc or two


def test_an_image_is_a_function_of_seed_and_place():
    few, more = textured_shapes(3, (16, 16, 3), seed=4), textured_shapes(6, (16, 16, 3), seed=4)
    np.testing.assert_array_equal(few.images, more.images[:3])
    assert (textured_shapes(3, (16, 16, 3)).images != few.images).any()
    grey = textured_shapes(3, (16, 16, 1), seed=4)
    np.testing.assert_allclose(
        grey.images[..., 0], few.images @ np.array([0.299, 0.587, 0.114]), rtol=1e-5
    )


def test_auc_counts_pairs_and_selectivity_compares_means():
    rng = np.random.default_rng(0)
    answers = np.round(rng.random((30, 3)), 1)  # with ties
    labels = rng.integers(0, 3, 30)
    found = label_auc(answers, labels)
    for unit in range(3):
        for one in range(3):
            inside, outside = answers[labels == one, unit], answers[labels != one, unit]
            pairs = inside[:, None] - outside[None]
            assert found[unit, one] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    means = np.array([[4.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    chosen = class_selectivity(np.repeat(means, 2, axis=0), np.array([0, 0, 1, 1, 2, 2]))
    np.testing.assert_allclose(chosen, [(4 - 1) / (4 + 1), 0])
    assert np.isnan(class_selectivity(np.zeros((4, 1)), np.array([0, 0, 1, 1]))).all()
    with pytest.raises(InputError) as refused:
        label_auc(answers, labels[:5])
    assert str(refused.value) == (
        "labels are whole numbers, one for each row of answers (n_images, n_units); got answers "
        "(30, 3) and int64 labels (5,)."
    )


def test_units_that_tell_a_label_are_told_from_those_that_tell_none():
    """The first unit is the second label with noise, the others are noise; images have several."""
    rng = np.random.default_rng(0)
    members = rng.random((200, 3)) < (0.5, 0.1, 0.3)
    answers = np.column_stack([members[:, 1] + 0.3 * rng.random(200), rng.random((200, 40))])
    found = tell_labels(answers, members)
    assert found.best[0] == 1
    assert found.best_auc[0] == 1.0
    assert found.floor_best[0] < 0.8
    assert found.above_floor()[0]
    assert found.above_floor()[1:].mean() < 0.2  # by chance one in twenty
    assert (found.floor <= found.floor_best).all()
    inside, outside = answers[members[:, 2], 5], answers[~members[:, 2], 5]
    pairs = inside[:, None] > outside[None]
    assert found.auc[5, 2] == pytest.approx(pairs.mean())
    means = np.stack([answers[members[:, one]].mean(axis=0) for one in range(3)])
    rest = (means.sum(axis=0) - means.max(axis=0)) / 2
    np.testing.assert_allclose(found.selectivity, (means.max(axis=0) - rest) /
                               (means.max(axis=0) + rest))  # fmt: skip
    none = tell_labels(answers - 1, np.zeros((200, 1), bool))
    assert np.isnan(none.best_auc).all()
    assert not none.above_floor().any()
    assert np.isnan(tell_labels(answers - 1, members).selectivity).all()
    with pytest.raises(InputError) as refused:
        tell_labels(answers, members[:7])
    assert str(refused.value) == (
        "labels are rows of (n_images, n_concepts), one for each row of answers (n_images, "
        "n_units); got answers (200, 41) and labels (7, 3)."
    )


def test_units_of_noise_tell_the_best_of_many_labels_no_better_than_their_floor():
    """Of a hundred classes one is always told, and a unit that seldom answers is selective."""
    rng = np.random.default_rng(0)
    members = rng.integers(0, 100, 500)[:, None] == np.arange(100)
    noise = np.maximum(rng.normal(size=(500, 60)) - [[0.0] * 30 + [2.2] * 30], 0)
    found = tell_labels(noise, members)
    assert found.best_auc[:30].mean() > 0.8
    assert found.selectivity[30:].mean() > 0.9
    for value, floor in ((found.best_auc, found.floor),
                         (found.selectivity, found.selectivity_floor)):  # fmt: skip
        assert value.mean() == pytest.approx(floor.mean(), abs=0.01)
    told = tell_labels(members[:, :5] + 0.1 * noise[:, :5], members)
    assert (told.best_auc - told.floor > 0.05).all()
    assert (told.selectivity - told.selectivity_floor > 0.1).all()
    assert (tell_labels(noise, members, permutations=0).floor == 0).all()


def test_large_masks_are_thinned_and_their_images_stay():
    made = textured_shapes(4, (100, 70, 3))
    few = reduced(made, 3, 32)
    assert few.images.shape == (3, 100, 70, 3)
    assert few.masks.shape == (3, 32, 25, 17)
    np.testing.assert_array_equal(few.masks, made.masks[:3, :, 2::4, 2::4])
    same = reduced(made, 4, 100)
    np.testing.assert_array_equal(same.masks, made.masks)


def test_selectivity_of_one_label_is_against_the_images_without_it():
    answers = np.array([[3.0, 1.0], [3.0, 1.0], [1.0, 1.0], [1.0, 3.0]])
    members = np.array([[True], [True], [False], [False]])
    found = tell_labels(answers, members).selectivity
    np.testing.assert_allclose(found, [(3 - 1) / (3 + 1), (1 - 2) / (1 + 2)])
    assert np.isnan(tell_labels(answers, np.ones((4, 1), bool)).selectivity).all()
