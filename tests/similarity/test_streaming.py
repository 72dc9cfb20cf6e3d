"""One pass in any batches, shards or precision gives the number of all rows at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfprune.errors import InputError
from tfprune.similarity import Comparison
from tfprune.similarity.moments import augment, move_shift

MEASURES = ["cca", "svcca", "pwcca", "cka", "cka-debiased", "procrustes", "linear-regression"]
SAMPLED = ["cka-rbf", "rsa", "cka-minibatch"]
quick = settings(max_examples=12, deadline=None, derandomize=True)


def layers(seed, n=96, d=5, positions=4):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, positions, d)) + rng.normal(size=(n, 1, d)) + 10.0
    b = a @ rng.normal(size=(d, d)) + rng.normal(size=a.shape)
    return a, np.maximum(b, np.median(b))


def compare(a, b, batch, **options):
    options = {"measures": MEASURES, "blocks": 0, "permutations": 0, **options}
    comparison = Comparison([("a", "b")], **options)
    for start in range(0, len(a), batch):
        comparison.update({"a": a[start : start + batch]}, {"b": b[start : start + batch]})
    return comparison


def values(comparison):
    return {key[2]: float(score) for key, score in comparison.scores().items()}


def assert_same(one, other, tolerance=1e-10):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=tolerance), name


@quick
@given(st.integers(0, 10**6), st.integers(1, 96), st.sampled_from([0, 2**29]))
def test_the_batch_size_does_not_matter(seed, batch, memory):
    a, b = layers(seed)
    whole = values(compare(a, b, 96, measures=MEASURES + SAMPLED))
    parts = values(compare(a, b, batch, measures=MEASURES + SAMPLED, memory=memory))
    assert_same(whole, parts)


@quick
@given(st.integers(0, 10**6), st.integers(1, 95), st.sampled_from([0, 2**29]))
def test_merged_shards_give_what_one_pass_gives(seed, cut, memory):
    a, b = layers(seed)
    options = {"measures": [*MEASURES, "rsa"], "memory": memory}
    whole = compare(a, b, 96, **options)
    shard = compare(a[:cut], b[:cut], 40, **options)
    shard.merge(compare(a[cut:], b[cut:], 40, first_image=cut, **options))
    assert shard.n_images == whole.n_images
    assert_same(values(whole), values(shard))


def test_merged_shards_have_the_interval_of_one_pass():
    a, b = layers(1, n=160)
    for memory in (0, 2**29):
        options = {"measures": ["cka"], "memory": memory, "blocks": 10}
        whole = compare(a, b, 160, **options)
        shard = compare(a[:70], b[:70], 35, **options)
        shard.merge(compare(a[70:], b[70:], 45, first_image=70, **options))
        one, other = (c.scores()["a", "b", "cka"].interval for c in (whole, shard))
        assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("memory", [0, 2**29], ids=["moments only", "rows kept"])
def test_a_saved_comparison_goes_on_where_it_was(memory, tmp_path):
    a, b = layers(2)
    options = {
        "measures": MEASURES + SAMPLED,
        "memory": memory,
        "blocks": 10,
        "permutations": 2,
        "masked_b": {"b": np.zeros(5, bool)},
    }
    options["replicates"] = 24
    half = compare(a[:50], b[:50], 25, **options)
    half.save(tmp_path / "half.npz")
    loaded = Comparison.load(tmp_path / "half.npz")
    for comparison in (half, loaded):
        comparison.update({"a": a[50:]}, {"b": b[50:]})
    assert half.scores() == loaded.scores()


def test_a_file_that_is_no_comparison_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(InputError, match=r"other.npz is not a comparison that tfprune wrote"):
        Comparison.load(path)


def test_comparisons_of_other_layers_do_not_merge():
    one, other = Comparison([("a", "b")]), Comparison([("a", "c")])
    with pytest.raises(InputError, match="comparisons that merge must have the same pairs"):
        one.merge(other)


@quick
@given(st.integers(0, 10**6))
def test_float32_activations_give_the_float64_number(seed):
    a, b = (side.astype(np.float32) for side in layers(seed))
    wide = values(compare(a.astype(np.float64), b.astype(np.float64), 32))
    assert_same(wide, values(compare(a, b, 32)), tolerance=1e-7)


def test_moments_are_computed_once_for_many_pairs_and_agree_with_each_pair_alone():
    a, b = layers(3)
    c = a[..., :3] ** 2
    together = Comparison(
        [(p, q) for p in "ab" for q in "cd"], measures=MEASURES, blocks=0, permutations=0
    )
    together.update({"a": a, "b": b}, {"c": c, "d": b})
    scores = together.scores()
    assert len(scores) == 4 * len(MEASURES)
    for name, value in values(compare(b, c, 96)).items():
        assert float(scores["b", "c", name]) == pytest.approx(value, abs=1e-12)
    assert float(scores["b", "d", "cka"]) == pytest.approx(1.0, abs=1e-12)


def test_pairs_that_are_not_all_against_all_agree_with_each_pair_alone():
    a, b = layers(4)
    chain = Comparison(
        [("a", "a"), ("b", "a"), ("b", "b")], measures=["cka"], blocks=0, permutations=0
    )
    chain.update({"a": a, "b": b}, {"a": b, "b": a})
    alone = values(compare(b, b, 96))["cka"]
    assert float(chain.scores()["b", "a", "cka"]) == pytest.approx(alone, abs=1e-12)
    assert set(chain.scores()) == {("a", "a", "cka"), ("b", "a", "cka"), ("b", "b", "cka")}


@quick
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))
def test_moving_the_shift_is_the_same_as_taking_moments_about_it(seed, d1, d2):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(30, d1)), rng.normal(size=(30, d2))
    s, t, left, right = (rng.normal(size=d) for d in (d1, d2, d1, d2))

    def moments(shift_x, shift_y):
        zx, zy = np.empty((30, d1 + 2)), np.empty((30, d2 + 2))
        return augment(x, shift_x, zx).T @ augment(y, shift_y, zy)

    moved = move_shift(moments(s, t), left, right)
    np.testing.assert_allclose(moved, moments(s - left, t - right), atol=1e-9)


def test_a_large_mean_costs_no_digits():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(300, 4))
    b = a + rng.normal(size=a.shape)
    assert_same(
        values(compare(a, b, 50, memory=0)),
        values(compare(a + 1e6, b - 1e6, 50, memory=0)),
        tolerance=1e-7,
    )


def test_memory_does_not_grow_with_the_number_of_images():
    rng = np.random.default_rng(6)
    comparison = Comparison([("a", "b")], measures=["cca"], memory=2**16, permutations=1)
    sizes = []
    for _ in range(6):
        batch = rng.normal(size=(64, 8, 8, 4))
        comparison.update({"a": batch}, {"b": batch})
        store = comparison.accumulator.store
        assert store is not None
        sizes.append(sum(m.nbytes for m in [*store.within.values(), *store.between.values()]))
    assert len(set(sizes)) == 1
    assert comparison.accumulator.kept_rows() is None


def test_all_of_a_batch_is_refused_or_none_of_it():
    a, b = layers(7)
    comparison = compare(a, b, 96)
    before = values(comparison)
    broken = b.copy()
    broken[3, 2, 1] = np.nan
    with pytest.raises(InputError):
        comparison.update({"a": a}, {"b": broken})
    assert comparison.n_images == 96
    assert values(comparison) == before
