"""How many images carry a layer's variance, and that no interval is given where they are few."""

import numpy as np
import pytest

from tfprune.similarity import Comparison
from tfprune.similarity.measure import find_measure
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import Key

RNG = np.random.default_rng
A = Key("a", "l")


def compared(a, b, *, measures=("cca",), **settings):
    settings = {"permutations": 0, "n_images": len(a), **settings}
    comparison = Comparison([("l", "l")], measures=measures, **settings)
    comparison.update({"l": a}, {"l": b})
    return comparison


def in_effect(a, *, alike=False, **settings):
    moments = Statistics(compared(a, a, **settings).accumulator).moments(find_measure("cca"))
    per_image = int(np.prod(a.shape[1:-1]))
    return moments.images_in_effect(A, per_image, alike=alike)


def by_hand(a):
    """Return n / (1 + CV^2) of the images' squared distances from the mean."""
    rows = a.reshape(-1, a.shape[-1])
    squares = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1).reshape(len(a), -1).sum(axis=1)
    return len(a) / (1 + squares.var(ddof=1) / squares.mean() ** 2)


@pytest.mark.parametrize("shape", [(40, 3), (40, 2, 2, 3)])
@pytest.mark.parametrize("memory", [0, 2**30])
def test_with_one_image_in_a_block_it_is_the_plain_formula(shape, memory):
    a = RNG(0).normal(size=shape) + 5.0
    a[3] *= 3.0
    assert in_effect(a, blocks=40, memory=memory) == pytest.approx(by_hand(a))


def test_blocks_of_uneven_size_tell_the_same_on_average():
    """430 images in blocks of nine and one of seven; 100 draws."""
    rng = RNG(1)
    draws = [np.maximum(rng.normal(size=(430, 4)), 0) for _ in range(100)]
    from_blocks = np.mean([430 / in_effect(a) for a in draws])
    from_images = np.mean([430 / by_hand(a) for a in draws])
    assert from_blocks == pytest.approx(from_images, rel=0.06)


def test_k_equal_images_among_silent_ones_count_as_k():
    """With k of n images at +-1 and the others at the mean, n / (1 + CV^2) is about k."""
    a = np.zeros((50, 1))
    a[:10] = np.where(np.arange(10)[:, None] % 2, 1.0, -1.0)
    assert in_effect(a, blocks=50) == pytest.approx(10, rel=0.02)


def test_alike_counts_every_channel_the_same_whatever_its_size():
    a = RNG(2).normal(size=(300, 4))
    a[:, 3] = 0.0
    a[:4, 3] = 5.0
    small = a * [1.0, 1.0, 1.0, 1e-3]
    assert in_effect(a, alike=True) == pytest.approx(in_effect(small, alike=True))
    assert in_effect(a, alike=True) < 60
    assert in_effect(small) > 150


def strong(n=320, share=0.01, by=20.0):
    rng = RNG(3)
    inputs = rng.normal(size=(n, 12))
    inputs[: round(share * n)] *= by
    return tuple(np.maximum(inputs @ rng.normal(size=(12, 8)), 0) for _ in range(2))


@pytest.mark.parametrize(
    ("measure", "needed"),
    [
        ("cca", 28),
        ("pwcca", 28),
        ("linear-regression", 28),
        ("procrustes", 64),
        ("cka", 64),
        ("rsa", 64),
        ("cka-minibatch", 128),
    ],
)
def test_no_interval_where_a_few_images_outweigh_the_others_and_the_row_says_why(measure, needed):
    n = 640 if measure == "cka-minibatch" else 320  # for enough minibatches
    a, b = strong(n)
    carried = min(in_effect(x, alike=find_measure(measure).whitens) for x in (a, b))
    found = compared(a, b, measures=[measure]).scores()["l", "l", measure]
    assert (found.interval, found.corrected, found.bias) == (None, None, None)
    (why,) = [text for text in found.warnings if text.startswith("no interval")]
    side = "a" if in_effect(a, alike=find_measure(measure).whitens) == carried else "b"
    assert why == (
        f"no interval: the variance of layer 'l' of network {side} is that of {carried:.0f} images "
        f"at most, of {n}: a few images outweigh the others, or few reach its channels; {measure} "
        f"takes {needed} here; use more probe images"
    )


@pytest.mark.parametrize("measure", ["cca", "svcca", "pwcca", "procrustes", "cka", "rsa"])
def test_images_of_one_strength_keep_the_interval(measure):
    found = compared(*strong(by=1.0), measures=[measure]).scores()["l", "l", measure]
    assert found.interval is not None
