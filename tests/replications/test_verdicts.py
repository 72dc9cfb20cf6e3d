"""When a claim holds: by intervals over seeds, with a third answer where they do not decide."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.replications.verdict import FAILS, HOLDS, UNTOLD, Verdict, above, near, together


def test_a_difference_is_told_by_its_whole_interval():
    found = above(np.array([0.01, 0.02, 0.03]), what="a less b")
    # mean 2 points, Student's t(2) at 97.5% 4.303, deviation 1 point: +- 2.48
    assert found == Verdict(
        UNTOLD, "a less b: +2.0 points (95% interval over 3 seeds -0.5 to +4.5)."
    )
    assert above(np.array([0.019, 0.02, 0.021]), what="").answer == HOLDS
    assert above(-np.array([0.019, 0.02, 0.021]), what="").answer == FAILS
    within = above(np.array([-0.004, -0.003, -0.005]), what="a less b", by=-0.01)
    assert within.answer == HOLDS
    assert within.why.endswith("seeds -0.6 to -0.2); margin -1.0 points.")


def test_a_part_fails_a_claim_only_beyond_what_one_of_several_does_by_chance():
    values = -np.array([0.01, 0.02, 0.025, 0.03])  # t(3): 2 points +- 1.4, +- 2.9 of ten parts
    assert above(values, what="").answer == FAILS
    assert above(values, what="", parts=10).answer == UNTOLD
    assert above(-values, what="", parts=10).answer == HOLDS  # all have to: no correction
    assert near(0.9 + values, 0.9, tolerance=0.005, what="").answer == FAILS
    assert near(0.9 + values, 0.9, tolerance=0.005, what="", parts=10).answer == UNTOLD
    rng = np.random.default_rng(0)
    none = [[above(one, what="", parts=7) for one in rng.normal(size=(7, 5))] for _ in range(300)]
    assert sum(together(parts).answer == FAILS for parts in none) <= 16  # 2.5%, not 16%


def test_seeds_that_collapsed_do_not_count():
    found = above(np.array([0.019, 0.02, 0.021, np.nan]), what="a less b")
    assert (found.answer, "3 seeds" in found.why) == (HOLDS, True)
    found = above(np.array([0.019, 0.02, np.nan]), what="a less b")
    assert found == Verdict(UNTOLD, "a less b: 2 seeds, and at least three are needed.")
    assert near(np.array([0.9]), 0.9, tolerance=0.1, what="a") == Verdict(
        UNTOLD, "a: 1 seed, and at least three are needed."
    )


def test_a_published_number_is_met_missed_or_undecided():
    seeds = np.array([0.9168, 0.9171, 0.9174])
    assert near(seeds, 0.9171, tolerance=0.0035, what="dense") == Verdict(
        HOLDS,
        "dense: 91.71% (95% interval over 3 seeds 91.64% to 91.78%), published 91.71%, tolerance "
        "0.35 points.",
    )
    assert near(seeds - 0.02, 0.9171, tolerance=0.0035, what="").answer == FAILS
    assert near(seeds - 0.0035, 0.9171, tolerance=0.0035, what="").answer == UNTOLD
    assert near(np.array([0.87, 0.91, 0.95]), 0.9171, tolerance=0.0035, what="").answer == UNTOLD


def test_parts_together_hold_only_if_all_do():
    parts = {answer: Verdict(answer, f"{answer}.") for answer in (HOLDS, FAILS, UNTOLD)}
    assert together([parts[HOLDS], parts[HOLDS]]) == Verdict(HOLDS, "holds. holds.")
    assert together([parts[HOLDS], parts[UNTOLD]]).answer == UNTOLD
    assert together([parts[UNTOLD], parts[FAILS], parts[HOLDS]]).answer == FAILS
    assert together([]).answer == UNTOLD


@pytest.mark.parametrize("n_seeds", [3, 6])
def test_where_there_is_no_difference_none_is_told_more_often_than_meant(n_seeds):
    rng = np.random.default_rng(n_seeds)
    answers = [above(rng.normal(size=n_seeds), what="").answer for _ in range(2000)]
    for answer in (HOLDS, FAILS):
        assert np.mean(np.array(answers) == answer) == pytest.approx(0.025, abs=0.012)
