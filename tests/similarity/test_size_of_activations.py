"""However large or small activations are, a measure gives its number, and never a clipped NaN."""

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import MEASURES, Comparison, linear_cka, similarity_of
from tfprune.similarity.arrays import clipped
from tfprune.similarity.measure import Measure, find_measure

ALL = MEASURES.names()
SIZES = {"f": (1e-30, 1e-23, 1e-12, 1e12, 1e15, 1e30), "d": (1e-290, 1e-200, 1e-80, 1e80, 1e300)}


def layers(n=120, d=6, dtype="d"):
    rng = np.random.default_rng(5)
    x = np.maximum(rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)) + rng.normal(size=(n, d)), 0)
    y = x @ rng.normal(size=(d, d)) + rng.normal(size=(n, d))
    return x.astype(dtype), y.astype(dtype)


def by_function(name, x, y):
    return similarity_of(name, x, y)


def compared(name, x, y, **options):
    comparison = Comparison([("x", "y")], measures=[name], **options)
    for part in (slice(0, 50), slice(50, None)):
        comparison.update({"x": x[part]}, {"y": y[part]})
    return comparison.scores()["x", "y", name]


def by_rows(name, x, y):
    return float(compared(name, x, y, blocks=0, permutations=0))


def by_moments(name, x, y):
    return float(compared(name, x, y, blocks=0, permutations=0, memory=0))


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("way", [by_function, by_rows, by_moments])
@pytest.mark.parametrize("name", ALL)
def test_a_measure_is_the_same_at_every_size(name, way, dtype):
    x, y = layers(dtype=dtype)
    expected = way(name, x, y)
    for size in SIZES[dtype]:
        size = np.dtype(dtype).type(size)
        found = [way(name, x * size, y), way(name, x, y * size), way(name, x * size, y * size)]
        assert found == pytest.approx([expected] * 3, abs=2e-5 if dtype == "f" else 1e-7), size


@pytest.mark.parametrize("way", [by_function, by_rows])
@pytest.mark.parametrize("name", [n for n in ALL if find_measure(n).samples == "any"])
def test_a_layer_wider_than_the_data_is_the_same_at_every_size(name, way):
    x, y = layers(n=60, d=90)
    expected = way(name, x, y)
    for size in (1e-200, 1e200):
        assert way(name, x * size, y / size) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("n", [900, 20_000], ids=["at once", "in chunks"])
@pytest.mark.parametrize("name", ["cka", "cka-debiased", "procrustes"])
def test_products_of_float32_neither_overflow_nor_vanish(name, n):
    x, y = layers(n=n, dtype="f")
    expected = by_function(name, x, y)
    for size in SIZES["f"]:
        size = np.float32(size)
        assert by_function(name, x * size, y * size) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_subnormal_numbers_count_as_what_they_are(name):
    x, y = layers(dtype="f")
    tiny = x * np.float32(1e-42)  # a few hundred steps of 1.4e-45
    assert np.abs(tiny).max() < np.finfo("f").tiny
    expected = by_rows(name, np.ldexp(tiny.astype("d"), 140), y.astype("d"))
    for way in (by_function, by_rows, by_moments):
        assert way(name, tiny, y) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("name", ["cca", "svcca", "cka", "procrustes", "linear-regression", "rsa"])
@pytest.mark.parametrize("memory", [0, 2**29])
def test_null_and_interval_are_the_same_at_every_size(name, memory):
    x, y = layers()
    options = {"blocks": 20, "permutations": 3, "memory": memory}
    expected, found = compared(name, x, y, **options), compared(name, x, 1e200 * y, **options)
    assert found.null == pytest.approx(expected.null, abs=1e-9)
    assert found.interval == pytest.approx(expected.interval, abs=1e-6)


def test_a_constant_channel_of_another_size_does_not_decide_the_scale():
    x, y = layers(dtype="f")
    offset = np.column_stack([y, np.full(len(y), 1e30, "f")])
    assert linear_cka(x, offset) == pytest.approx(linear_cka(x, y), abs=1e-6)


def test_saving_and_merging_keep_the_scale(tmp_path):
    x, y = layers()
    whole = by_moments("cka", x, y)
    parts = []
    for part in (slice(0, 50), slice(50, None)):
        each = Comparison([("x", "y")], measures=["cka"], blocks=0, permutations=0, memory=0)
        each.update({"x": 1e200 * x[part]}, {"y": y[part]})
        each.save(tmp_path / "part.npz")
        parts.append(Comparison.load(tmp_path / "part.npz"))
    parts[0].merge(parts[1])
    assert float(parts[0].scores()["x", "y", "cka"]) == pytest.approx(whole, abs=1e-12)


def test_parts_of_sizes_that_no_float_holds_together_are_refused():
    x, y = layers()
    one, other = (Comparison([("x", "y")], measures=["cka"]) for _ in range(2))
    one.update({"x": x}, {"y": y})
    other.update({"x": 1e200 * x}, {"y": y})
    with pytest.raises(InputError) as caught:
        one.merge(other)
    assert str(caught.value) == (
        "comparisons that merge must hold layers of one size: layer 'x' of network a spans about "
        "2^0 in one and 2^667 in the other. Look for diverged training, or give all images to one "
        "comparison."
    )
    with pytest.raises(InputError) as caught:
        one.update({"x": 1e200 * x}, {"y": y})
    assert str(caught.value) == (
        "activations of layer 'x' of network a span about 2^667 in this batch, too much beside "
        "those of the first batch for float64. Look for diverged training, or give all images in "
        "one batch."
    )


def test_a_measure_that_size_changes_gets_the_activations_as_they_are():
    mine = Measure(
        "size", "norm of y", lambda pair: float(np.sqrt(pair.y.trace)), (0, np.inf), "", ""
    )
    x, y = layers()
    assert similarity_of(mine, x, 2.0**140 * y) == 2.0**140 * similarity_of(mine, x, y)
    comparison = Comparison([("x", "y")], measures=[mine], blocks=0, permutations=0)
    comparison.update({"x": x}, {"y": 2.0**140 * y})
    assert comparison.scores()["x", "y", "size"].value > 1e40


def test_a_value_within_its_range_is_kept_and_nan_stays_nan():
    assert [clipped(v, 0.0, 1.0) for v in (-0.5, 0.25, 1.5)] == [0.0, 0.25, 1.0]
    assert np.isnan(clipped(float("nan"), 0.0, 1.0))


@pytest.mark.parametrize("name", ALL)
def test_nan_is_never_clipped_into_a_number(name):
    """A plugin can be given moments that overflowed; so could we, had nothing scaled them."""
    x, y = layers()
    with np.errstate(all="ignore"):
        measure = find_measure(name)
        unscaled = measure.with_options()
        object.__setattr__(unscaled, "invariances", frozenset())
        try:
            found = similarity_of(unscaled, x * 1e200, y * 1e200)
        except (InputError, np.linalg.LinAlgError):
            return
    assert not np.isfinite(found) or found == pytest.approx(by_rows(name, x, y), abs=1e-6)
