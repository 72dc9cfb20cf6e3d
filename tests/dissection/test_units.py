"""Units against concepts: a slow transcription of the definition, hand counts, and chance."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from tfprune.dissection import Concept, ConceptSet, dissect, fates
from tfprune.dissection.units import (
    DETECTOR,
    Dissection,
    dissect_layers,
    resized,
)
from tfprune.errors import InputError

CONCEPTS = (Concept("red", "colour"), Concept("blue", "colour"), Concept("disc", "shape"))


def concept_set(n=12, size=8, seed=0, share=0.3) -> ConceptSet:
    rng = np.random.default_rng(seed)
    masks = rng.random((n, 3, size, size)) < share
    masks[::3, 2] = False  # images without any shape
    return ConceptSet(np.zeros((n, size, size, 1)), CONCEPTS, masks)


def batches_of(x: np.ndarray, n: int = 5):
    return lambda: (x[start : start + n] for start in range(0, len(x), n))


def by_definition(x: np.ndarray, concepts: ConceptSet, masks: np.ndarray, active: float):
    """IoU of unit k and concept c, written out: over images that carry the concept's category."""
    n, _, height, width = masks.shape
    iou = np.zeros((x.shape[-1], len(concepts.concepts)))
    carried = np.zeros((n, len(concepts.concepts)), bool)
    for image in range(n):
        for c, concept in enumerate(concepts.concepts):
            carried[image, c] = any(
                masks[image, o].any()
                for o, other in enumerate(concepts.concepts)
                if other.category == concept.category
            )
    for k in range(x.shape[-1]):
        ordered = np.sort(x[..., k].ravel())[::-1]
        threshold = ordered[int(active * len(ordered))]
        for c in range(len(concepts.concepts)):
            both = either = 0
            for image in range(n):
                if not carried[image, c]:
                    continue
                large = bilinear(x[image, ..., k], height, width)
                both += np.count_nonzero((large > threshold) & masks[image, c])
                either += np.count_nonzero((large > threshold) | masks[image, c])
            iou[k, c] = both / either if either else 0
    return iou


def bilinear(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each value from its four neighbours, one by one."""
    large = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            y = min(max((row + 0.5) * small.shape[0] / height - 0.5, 0), small.shape[0] - 1)
            x = min(max((column + 0.5) * small.shape[1] / width - 0.5, 0), small.shape[1] - 1)
            top, left = int(y), int(x)
            low, right = min(top + 1, small.shape[0] - 1), min(left + 1, small.shape[1] - 1)
            fy, fx = y - top, x - left
            large[row, column] = (
                (1 - fy) * ((1 - fx) * small[top, left] + fx * small[top, right])
                + fy * ((1 - fx) * small[low, left] + fx * small[low, right])
            )  # fmt: skip
    return large


@pytest.mark.parametrize("size", [8, 4, 3])
def test_iou_is_the_papers_and_the_floor_that_of_permuted_masks(size):
    concepts = concept_set()
    x = np.random.default_rng(1).random((12, size, size, 4))
    found = dissect(batches_of(x), concepts, active=0.2, permutations=3, seed=5)
    np.testing.assert_allclose(
        found.iou, by_definition(x, concepts, concepts.masks, 0.2), atol=1e-12
    )
    rng = np.random.default_rng(5)
    chance = np.stack(
        [by_definition(x, concepts, concepts.masks[rng.permutation(12)], 0.2) for _ in range(3)]
    )
    np.testing.assert_allclose(found.floor, chance.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.floor_best, chance.max(axis=(0, 2)), atol=1e-12)
    one = dissect(batches_of(x, 12), concepts, active=0.2, permutations=3, seed=5)
    np.testing.assert_allclose(one.iou, found.iou)


def test_a_unit_says_at_which_share_of_positions_it_is_active_and_whether_it_is_constant():
    concepts = concept_set(n=40)
    x = np.maximum(np.random.default_rng(1).normal(size=(40, 8, 8, 4)), 0).astype(np.float32)
    x[..., 3] = 2.5
    found = dissect(batches_of(x), concepts, active=0.05, permutations=1)
    assert found.is_exact
    np.testing.assert_allclose(found.above, [0.05, 0.05, 0.05, 0])
    assert found.constant.tolist() == [False, False, False, True]


def test_several_layers_at_a_time_are_what_each_is_alone():
    concepts = concept_set()
    rng = np.random.default_rng(1)
    layers = {"a": rng.random((12, 8, 8, 4)), "b": rng.random((12, 3, 5, 2))}
    together = dissect_layers(
        lambda: ({name: x[i : i + 5] for name, x in layers.items()} for i in range(0, 12, 5)),
        concepts,
    )
    for name, x in layers.items():
        alone = dissect(batches_of(x), concepts)
        np.testing.assert_array_equal(together[name].iou, alone.iou)
        np.testing.assert_array_equal(together[name].floor_best, alone.floor_best)
        np.testing.assert_array_equal(together[name].thresholds, alone.thresholds)


def test_a_unit_that_draws_a_concept_is_its_detector_and_a_random_one_is_none():
    concepts = concept_set(n=200, share=0.1)
    rng = np.random.default_rng(2)
    drawn = np.moveaxis(concepts.masks[:, [1, 2]], 1, -1) * (1 + rng.random((200, 8, 8, 2)))
    x = np.concatenate([drawn, rng.random((200, 8, 8, 40)), np.zeros((200, 8, 8, 1))], axis=-1)
    found = dissect(batches_of(x, 50), concepts, active=0.05)
    assert found.best[:2].tolist() == [1, 2]
    # half of a concept's pixels are the brightest twentieth of all
    assert found.best_iou[0] == pytest.approx(0.05 / 0.1, rel=0.1)
    assert found.above_floor()[:2].all()
    assert found.above_floor()[2:].mean() <= 0.15  # one in twenty by chance
    assert (found.best_iou[2:42] < 0.08).all()
    np.testing.assert_allclose(found.active[:-1], 0.05, atol=0.001)
    assert (found.active[-1], found.best_iou[-1]) == (0, 0)  # dead
    assert found.unique() <= 3
    assert found.by_category("shape").tolist() == [2] * 43
    assert found.by_category("colour")[0] == 1


def test_a_concept_at_the_same_place_in_all_images_is_never_beyond_chance():
    masks = np.zeros((30, 1, 8, 8), bool)
    masks[:, :, :4] = True
    place = ConceptSet(np.zeros((30, 8, 8, 1)), (Concept("top", "place"),), masks)
    x = np.random.default_rng(0).random((30, 8, 8, 1)) + 3 * masks[:, 0, :, :, None]
    found = dissect(batches_of(x), place, active=0.4)
    assert found.best_iou[0] > 0.75
    np.testing.assert_allclose(found.floor, found.iou)
    assert found.detectors().all()
    assert not found.above_floor().any()


def test_images_without_the_category_do_not_count():
    """By hand: of two images the second has no shape, so the unit's activity there is no union."""
    masks = np.zeros((2, 3, 2, 2), bool)
    masks[0, 2, 0] = True  # a disc in the upper row of image 0
    masks[:, 0] = True
    concepts = ConceptSet(np.zeros((2, 2, 2, 1)), CONCEPTS, masks)
    x = np.zeros((2, 2, 2, 1))
    x[0, 0, 0] = 1  # half of the disc
    x[1] = 1
    found = dissect(batches_of(x), concepts, active=0.7, permutations=0)
    np.testing.assert_allclose(found.iou, [[5 / 8, 0, 1 / 2]])
    assert (found.floor == 0).all()


def test_resizing_goes_from_centre_to_centre():
    line = np.array([0.0, 1.0]).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(resized(line, 1, 4).ravel(), [0, 0.25, 0.75, 1])
    x = np.random.default_rng(0).random((2, 5, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(resized(x, 5, 3), x)
    for unit in range(2):
        expected = bilinear(x[1, ..., unit], 11, 8)
        np.testing.assert_allclose(resized(x, 11, 8)[1, ..., unit], expected, atol=1e-6)


def test_a_plateau_keeps_its_height_at_any_size():
    """Else a dead or saturated unit exceeds its own threshold, by rounding, everywhere."""
    values = np.array([0.1, 0.3, 0.7, 1.7, 3.3, 6.0], np.float32)
    rng = np.random.default_rng(0)
    for n in range(1, 33):
        flat = np.broadcast_to(values, (1, n, 1, 6))
        rough = np.minimum(flat, flat * rng.random((1, n, 1, 6), np.float32) * 1.2)
        for size in range(1, 41):
            assert (resized(flat, size, 1) == values).all()
            assert (resized(np.swapaxes(flat, 1, 2), 1, size) == values).all()
            assert (resized(rough, size, 1) <= values).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_unit_that_is_dead_or_saturated_is_nowhere_active(dtype):
    concepts = concept_set(n=20, size=28)
    x = np.full((20, 12, 12, 3), [0.1, 1.7, 6.0], dtype)
    assert dissect(batches_of(x), concepts).best_iou.tolist() == [0, 0, 0]
    off = np.random.default_rng(0).random(x.shape) < 0.1
    found = dissect(batches_of(np.where(off, x * 0.5, x)), concepts)  # a plateau with holes
    assert (found.best_iou.tolist(), found.active.tolist()) == ([0] * 3, [0] * 3)
    assert found.constant.tolist() == [False] * 3


@pytest.mark.slow
def test_resizing_is_tensorflows(keras):
    import tensorflow as tf

    x = np.random.default_rng(0).random((1, 5, 3, 1)).astype(np.float32)
    expected = tf.image.resize(x, (11, 8)).numpy()
    np.testing.assert_allclose(resized(x, 11, 8), expected, atol=1e-6)


def dissection(best: list[tuple[int, float]]) -> Dissection:
    iou = np.zeros((len(best), 3))
    for unit, (concept, value) in enumerate(best):
        iou[unit, concept] = value
    zero = np.zeros(len(best))
    return Dissection(CONCEPTS, iou, np.zeros_like(iou), *[zero] * 4, np.zeros(len(iou), bool))


def test_units_are_followed_by_their_places():
    dense = dissection([(0, 0.1), (0, 0.1), (1, 0.2), (2, 0.3), (0, 0.01), (0, 0.01), (1, 0.5)])
    level = dissection([(0, 0.2), (1, 0.1), (1, 0.01), (2, 0.3), (2, 0.1), (0, 0.02), (1, 0.03)])
    dead = np.array([False, False, False, True, False, False, True])
    found = fates(dense, level, dead=dead).tolist()
    assert found == ["kept", "changed", "lost", "died", "new", "none", "died"]
    constant = dataclasses.replace(dense, constant=dead)  # a unit can't die that was dead
    assert fates(constant, constant, dead=dead).tolist() == [
        "kept", "kept", "kept", "none", "none", "none", "none"
    ]  # fmt: skip
    assert dense.unique() == 3
    assert dense.detectors(DETECTOR).sum() == 5
    with pytest.raises(InputError) as refused:
        fates(dense, dissection([(0, 0.1)]), dead=dead)
    assert str(refused.value) == (
        "units are matched by their index: the dense layer has 7 units and 3 concepts, the "
        "level's 1 and 3."
    )


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (np.zeros((12, 5)), {},
         "a layer of maps has activations (n_images, height, width, units), got (5, 5). Units of "
         "a vector are told by labels, not by masks."),
        (np.zeros((11, 8, 8, 1)), {},
         "the activations are of 11 images, and the concepts are seen in 12."),
        (np.full((12, 8, 8, 1), np.nan), {},
         "the layer's activations hold nan or infinite numbers. Look for diverged training."),
        (np.zeros((12, 8, 8, 1)), {"active": 1.0}, "active must be a share in (0, 1), got 1.0."),
    ],
)  # fmt: skip
def test_what_is_no_layer_of_maps_is_refused(x, options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        dissect(batches_of(x), concept_set(), **options)


def test_concepts_that_do_not_fit_are_refused():
    with pytest.raises(InputError) as refused:
        ConceptSet(np.zeros((2, 4, 4, 3)), CONCEPTS, np.zeros((2, 2, 4, 5), bool))
    assert str(refused.value) == (
        "the masks of 2 images and 3 concepts are a boolean array (2, 3, height, width), got bool "
        "(2, 2, 4, 5)."
    )
    with pytest.raises(InputError) as refused:
        ConceptSet(np.zeros((2, 4, 4, 3)), CONCEPTS[:1] * 2, np.zeros((2, 2, 4, 4), bool))
    assert str(refused.value) == "the colour 'red' is given twice. Join its masks into one."
