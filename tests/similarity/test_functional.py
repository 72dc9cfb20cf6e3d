"""How alike two classifiers answer: against hand counts, other libraries and exact coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import multinomial

from tfprune.similarity.functional import (
    cohen_kappa,
    exchange_p_value,
    js_divergence,
    modal_answers,
    paired_change,
    pruning_identified,
)


def test_divergence_is_scipys_squared_distance_and_keeps_to_its_ends():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(7, 0.3), 200), rng.dirichlet(np.full(7, 0.3), 200)
    p[:20, 0] = 0  # rows that do not sum to 1 any more, and classes without probability
    expected = [jensenshannon(a, b) ** 2 for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(js_divergence(p, q), expected, atol=1e-12)
    assert np.all(js_divergence(p, p) == 0)
    apart = js_divergence(np.eye(7, dtype=np.float32), np.roll(np.eye(7, dtype=np.float32), 1, 0))
    np.testing.assert_array_equal(apart, np.full(7, np.log(2.0)))
    tiny = np.array([[1e-300, 1.0], [0.0, 1.0]])
    assert np.all(np.isfinite(js_divergence(tiny, tiny[::-1])))


@pytest.mark.parametrize("shapes", [((3, 2), (3, 3)), ((3,), (3,))])
def test_divergence_refuses_shapes_that_differ(shapes):
    first, second = (np.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match=r"^expected two arrays \(n, n_classes\) of one shape"):
        js_divergence(first, second)


def test_kappa_is_cohens():
    # Cohen's own layout: agreement .7, chance .41 + ... by hand from the table below
    table = np.array([[25, 10, 5], [5, 30, 5], [0, 5, 15]])
    a = np.concatenate([np.full(n, i) for (i, j), n in np.ndenumerate(table)])
    b = np.concatenate([np.full(n, j) for (i, j), n in np.ndenumerate(table)])
    agreement = 70 / 100
    chance = 0.40 * 0.30 + 0.40 * 0.45 + 0.20 * 0.25
    assert cohen_kappa(a, b) == pytest.approx((agreement - chance) / (1 - chance))
    assert cohen_kappa(a + 40, b + 40) == cohen_kappa(a, b)  # names of classes mean nothing
    assert cohen_kappa(a, a) == 1
    assert np.isnan(cohen_kappa(np.zeros(5), np.zeros(5)))
    assert cohen_kappa(np.array([0, 1]), np.array([1, 0])) == -1


@pytest.mark.parametrize(
    "shares",  # right in both, lost, won, wrong in both
    [(0.7, 0.15, 0.05, 0.1), (0.85, 0.05, 0.05, 0.05), (0.4, 0.2, 0.1, 0.3), (0.6, 0.4, 0.0, 0.0)],
)
def test_the_interval_of_a_change_covers_it(shares):
    """Counted out over every outcome of 18 images: no simulation."""
    n, truth, covered, total = 18, shares[2] - shares[1], 0.0, 0.0
    for both, lost, won in product(range(n + 1), repeat=3):
        if (neither := n - both - lost - won) < 0:
            continue
        probability = multinomial.pmf((both, lost, won, neither), n, shares)
        found = paired_change(n, right=both + lost, lost=lost, won=won)
        assert -1 <= found.low <= found.change <= found.high <= 1
        total += probability
        covered += probability * (found.low <= truth <= found.high)
    assert total == pytest.approx(1)
    assert covered >= 0.95


def test_the_interval_is_as_narrow_as_the_normal_one_where_that_holds():
    n, lost, won = 20_000, 900, 500
    found = paired_change(n, right=18_000, lost=lost, won=won)
    wald = 1.96 * np.sqrt(lost + won - (lost - won) ** 2 / n) / n
    assert found.change == pytest.approx(-0.02)
    assert found.high - found.low == pytest.approx(2 * wald, rel=0.02)


@pytest.mark.parametrize("counts", [(10, 5, 6, 0), (10, 5, 0, 6), (0, 0, 0, 0), (10, 11, 0, 0)])
def test_counts_that_no_images_have_are_refused(counts):
    n, right, lost, won = counts
    with pytest.raises(ValueError, match="do not fit"):
        paired_change(n, right=right, lost=lost, won=won)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (3, 3), (1, 9), (12, 2), (30, 31)])
def test_the_exchange_test_is_mcnemars(lost, won):
    from statsmodels.stats.contingency_tables import mcnemar

    expected = mcnemar([[5, lost], [won, 5]], exact=True).pvalue if lost + won else 1.0
    assert exchange_p_value(lost, won) == pytest.approx(expected)


def test_the_modal_answer_is_the_lowest_of_the_most_frequent():
    answers = np.random.default_rng(1).integers(0, 4, (7, 300))
    expected = [np.bincount(column, minlength=4).argmax() for column in answers.T]
    np.testing.assert_array_equal(modal_answers(answers), expected)


def test_identified_images_are_those_whose_mode_changes():
    dense = np.array([[0, 0, 1, 2], [0, 0, 1, 2], [0, 1, 1, 2]])
    pruned = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 2]])
    found = pruning_identified(dense, pruned)
    np.testing.assert_array_equal(found.identified, [False, True, False, True])
    # halves of three networks are single ones: 0|1 differ nowhere, 0|2 and 1|2 at the second image
    assert found.by_chance == pytest.approx((0 + 1 + 1) / 3 / 4)

    def energy(swap):
        first, second = (
            [pruned[i] if s else dense[i] for i, s in enumerate(swap)],
            [dense[i] if s else pruned[i] for i, s in enumerate(swap)],
        )

        def apart(x, y):
            return np.mean([np.mean(x[i] != y[j]) for i in range(3) for j in range(3) if i != j])

        return apart(first, second) - (apart(first, first) + apart(second, second)) / 2

    found_by_hand = np.array([energy(swap) for swap in product((0, 1), repeat=3)])
    assert found.p == np.mean(found_by_hand >= energy((0, 0, 0)) - 1e-12)


def test_halves_of_four_networks_are_the_three_pairings():
    dense = np.array([[0], [0], [1], [1]])
    found = pruning_identified(dense, dense)
    # {0, 1}|{2, 3}: 0 against 1; the other two ways each half has both answers, the lower counts
    assert found.by_chance == pytest.approx(1 / 3)
    assert found.p == 1  # nothing was pruned


def test_a_change_that_all_networks_share_is_found_and_chance_is_told_as_such():
    """Level: two populations of the same noisy answers. Power: five images of 60 changed in all."""
    rng = np.random.default_rng(2)
    level, power = [], []
    for _ in range(150):
        truth = rng.integers(0, 5, 60)
        noisy = np.where(rng.random((2, 6, 60)) < 0.4, rng.integers(0, 5, (2, 6, 60)), truth)
        noisy[1] = np.where(rng.random((6, 60)) < 0.5, noisy[0], noisy[1])  # pairs have much alike
        level.append(pruning_identified(noisy[0], noisy[1]))
        noisy[1, :, :5] = (truth[:5] + 1) % 5
        power.append(pruning_identified(noisy[0], noisy[1]).p)
    assert np.mean([one.p <= 1 / 16 for one in level]) <= 1 / 16 + 0.05
    assert np.mean([one.p <= 1 / 2 for one in level]) == pytest.approx(0.5, abs=0.12)
    assert np.mean(np.array(power) <= 1 / 32) > 0.6
    assert np.mean([one.identified.mean() for one in level]) <= np.mean(
        [one.by_chance for one in level]
    )


def test_more_seeds_are_exchanged_and_halved_at_random_and_always_the_same_way():
    rng = np.random.default_rng(3)
    dense = np.where(rng.random((12, 40)) < 0.1, 1, 0)
    pruned = np.where(rng.random((12, 40)) < 0.8, 1, 0)
    first, second = (pruning_identified(dense, pruned, draws=200) for _ in range(2))
    assert (first.p, first.by_chance) == (second.p, second.by_chance)
    assert first.p == 1 / 201  # as it is, and none of the random ones
    few = pruning_identified(dense[:10], pruned[:10])
    assert few.p == 1 / 2**9
    assert few.identified.mean() > 0.9 > 0.1 > few.by_chance


@pytest.mark.parametrize("rows", [(12, 3), (1, 1)])
def test_populations_that_do_not_pair_up_are_refused(rows):
    first, second = (np.zeros((n, 5), int) for n in rows)
    with pytest.raises(ValueError, match=r"^expected two arrays \(n_seeds, n_images\)"):
        pruning_identified(first, second)
