"""Channels without signal: counted by cause, left out by rank."""

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import MEASURES, Comparison, similarity_of
from tfprune.similarity.measure import find_measure


def score(a, b, name="cca", **options):
    options = {"blocks": 0, "permutations": 0, **options}
    comparison = Comparison([("l", "l")], measures=[name], **options)
    for start in range(0, len(a), 32):
        comparison.update({"l": a[start : start + 32]}, {"l": b[start : start + 32]})
    return comparison.scores()["l", "l", name]


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(200, 8))
    b = a.copy()
    b[:, 1] = 0.0  # dead
    b[:, 2] = 0.1  # constant
    b[:, 3] = 0.0  # masked: its weights are gone
    b[:, 4] = 0.7  # masked, but its bias is left
    b[:, 5] = 3.0 * b[:, 0] + 1.0  # duplicate
    return a, b, np.isin(np.arange(8), [3, 4, 6])  # 6: masked, yet it varies


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("memory", [0, 2**29], ids=["moments only", "rows kept"])
def test_each_channel_without_signal_is_counted_once_by_cause(layers, dtype, memory):
    a, b, masked = layers
    found = score(a.astype(dtype), b.astype(dtype), masked_b={"l": masked}, memory=memory)
    assert (found.dead_b, found.constant_b, found.masked_b, found.duplicate_b) == (1, 1, 2, 1)
    assert (found.dead_a, found.constant_a, found.masked_a, found.duplicate_a) == (0, 0, 0, 0)
    assert (found.rank_a, found.rank_b, found.rank) == (8, 3, 3)
    assert (found.width_a, found.width_b) == (8, 8)
    assert found.live == found.value == pytest.approx(1.0, abs=1e-6)
    assert found.nominal == pytest.approx(3 / 8, abs=1e-6)
    assert found.dtype == np.dtype(dtype).name


def test_a_channel_that_wakes_up_for_one_image_is_alive():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(100, 3))
    b = a.copy()
    b[:, 2] = 0.0
    b[63, 2] = 1.0
    assert score(a, b).dead_b == 0
    assert score(a, b).rank_b == 3


def test_constants_far_from_zero_are_seen_as_constant_in_any_precision():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(500, 4)).astype(np.float32)
    b = a.copy()
    b[:, 3] = 0.1
    for memory in (0, 2**29):
        for dtype in (np.float32, np.float64):
            found = score(a.astype(dtype), b.astype(dtype), memory=memory)
            assert (found.dead_b, found.constant_b, found.rank_b) == (0, 1, 3)


def test_flattened_layers_repeat_the_mask_over_positions():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(20, 3, 3, 4))
    b = a.copy()
    b[..., 1] = 0.0
    b[:, 0, 0, 2] = 0.0
    b[..., 3] = b[..., 0]
    mask = np.array([False, True, False, False])
    found = score(a, b, "cka", layout="flatten", masked_b={"l": mask})
    assert (found.dead_b, found.masked_b, found.duplicate_b) == (1, 9, 9)
    assert found.width_b == 36


def test_a_mask_of_the_wrong_length_is_refused(layers):
    a, b, masked = layers
    with pytest.raises(InputError) as caught:
        score(a, b, masked_b={"l": masked[:5]})
    assert str(caught.value) == (
        "the mask of layer 'l' must have one value per channel: it has 5, the layer 8."
    )


def test_a_score_is_its_number_and_gives_plain_values():
    rng = np.random.default_rng(4)
    a = rng.normal(size=(40, 3))
    found = score(a, a + rng.normal(size=a.shape), "svcca")
    plain = found.as_dict()
    assert float(found) == found.value == plain["value"]
    assert plain["definition"].endswith("(variance=0.99)")
    assert (plain["n_samples"], plain["n_images"], plain["layout"]) == (40, 40, "pixels")


@pytest.mark.parametrize(("layout", "n_samples"), [("pixels", 180), ("mean", 20), ("flatten", 20)])
def test_the_layout_decides_what_a_data_point_is(layout, n_samples):
    rng = np.random.default_rng(5)
    a = rng.normal(size=(20, 3, 3, 2))
    found = score(a, a + rng.normal(size=a.shape), "cka", layout=layout)
    assert (found.n_samples, found.n_images, found.layout) == (n_samples, 20, layout)
    by_hand = {
        "pixels": lambda m: m.reshape(-1, 2),
        "mean": lambda m: m.mean((1, 2)),
        "flatten": lambda m: m.reshape(20, -1),
    }[layout]
    from tfprune.similarity import linear_cka

    rng = np.random.default_rng(5)
    a = rng.normal(size=(20, 3, 3, 2))
    b = a + rng.normal(size=a.shape)
    assert float(found) == pytest.approx(linear_cka(by_hand(a), by_hand(b)), abs=1e-12)


@pytest.mark.parametrize(("noise", "counted"), [(0.0, 20), (2e-7, 20), (5e-5, 0), (1e-3, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_in_a_wide_layer_are_counted_and_near_copies_are_not(noise, counted, dtype):
    """More features than images, where they are found by random projections: 20 of 300."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=(60, 300))
    b = a.copy()
    b[:, 280:] = 3.0 * a[:, :20] + 1.0 + noise * rng.normal(size=(60, 20))
    found = score(a.astype(dtype), b.astype(dtype), "cka")
    assert (found.duplicate_a, found.duplicate_b) == (0, counted)
    assert (found.width_b, found.dead_b, found.constant_b) == (300, 0, 0)


@pytest.mark.parametrize(("noise", "counted"), [(0.0, 2), (1e-3, 0)])
def test_copies_in_a_narrow_layer_are_counted_and_near_copies_are_not(noise, counted):
    rng = np.random.default_rng(4)
    a = rng.normal(size=(400, 8))
    b = a.copy()
    b[:, 6:] = 3.0 * a[:, :2] + 1.0 + noise * rng.normal(size=(400, 2))
    found = score(a, b, "cka")
    assert (found.duplicate_a, found.duplicate_b) == (0, counted)


def scores(a, b, *names, **options):
    comparison = Comparison([("l", "l")], measures=names, blocks=0, permutations=0, **options)
    comparison.update({"l": a}, {"l": b})
    return [comparison.scores()["l", "l", find_measure(name).name] for name in names]


def half_lost(n=400, d=8, left=2):
    """Side b keeps `left` of a's d directions, exactly, and nothing else."""
    a = np.random.default_rng(0).normal(size=(n, d))
    b = a.copy()
    b[:, left:] = 0.0
    return a, b


@pytest.mark.parametrize("name", ["cca", "svcca", "pwcca", "pwcca-symmetric"])
def test_the_mean_is_1_where_all_that_is_left_agrees_and_the_dense_share_is_what_is_left(name):
    (score,) = scores(*half_lost(), name)
    assert score.value == pytest.approx(1.0)
    assert score.dense_share == pytest.approx(2 / 8)


def test_svccas_mean_can_rise_as_directions_are_lost_and_the_dense_share_falls():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(2000, 10))
    noisy = a + rng.normal(size=a.shape) * np.linspace(0.1, 3, 10)
    fewer = noisy.copy()
    fewer[:, 5:] = 0.0
    (before,), (after,) = scores(a, noisy, "svcca"), scores(a, fewer, "svcca")
    assert after.value > before.value
    assert after.dense_share < before.dense_share
    assert before.dense_share == pytest.approx(before.value * before.rank / before.rank_a)


def test_the_dense_share_is_the_sum_of_correlations_over_the_directions_of_a():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(300, 9))
    b = a[:, :4] + rng.normal(size=(300, 4))
    (score,) = scores(a, b, "cca")
    assert score.dense_share == pytest.approx(4 * similarity_of("cca", a, b) / 9)
    (other_way,) = scores(b, a, "cca")
    assert other_way.dense_share == pytest.approx(similarity_of("cca", a, b))


def test_of_a_layer_whose_channels_are_all_silent_nothing_is_left():
    a, b = half_lost(left=0)
    for score in scores(a, b, "cca", "svcca", "pwcca"):
        assert np.isnan(score.value)
        assert score.dense_share == 0.0
    (score,) = scores(b, a, "cca")
    assert score.dense_share is None


def test_only_the_cca_family_has_a_dense_share():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(80, 3))
    have = {s.measure for s in scores(a, a[:, ::-1], *MEASURES.names()) if s.dense_share}
    assert have == {"cca", "svcca", "pwcca", "pwcca-symmetric"}


def test_the_share_is_the_value_times_the_directions_that_have_a_partner():
    """So value, interval and null, means by the same weights over those, scale by one factor."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=(300, 9))
    b = a[:, :4] * np.array([1.0, 0.6, 0.3, 0.1]) + rng.normal(size=(300, 4))
    for name in ("cca", "svcca", "pwcca", "pwcca-symmetric"):
        (score,) = scores(a, b, name)
        assert score.rank_b < score.rank_a
        assert score.dense_share == pytest.approx(score.value * score.rank_b / score.rank_a)
