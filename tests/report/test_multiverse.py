"""How many ways to look at the same networks agree, counted by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from tfprune.report.data import ReportData
from tfprune.report.multiverse import Agreement, multiverse
from tfprune.report.versus import every_pair
from tfprune.results import LevelResult, SimilarityResult
from tfprune.similarity.two_runs import effect_size


def level(seed: int, number: int, accuracy: float = 0.9) -> LevelResult:
    return LevelResult(seed, number, 0.5 * number, 100, 50, 0.9, accuracy, 0.1, 0.1, 0.0)


FIELDS = {
    item.name: None if "None" in str(item.type) else 0
    for item in dataclasses.fields(SimilarityResult)
}


def row(seed, layer, value, *, measure="cka", layout="pixels", number=1) -> SimilarityResult:
    given = {"seed": seed, "level": number, "layer": layer, "measure": measure, "layout": layout,
             "similarity": value, "against": "dense", "warnings": "",
             "layer_index": ord(layer) - 97}  # fmt: skip
    return SimilarityResult(**{**FIELDS, **given})


def data(values, *, layout="pixels", accuracy=0.9) -> ReportData:
    """`values` maps (seed, measure) to the layers' numbers."""
    seeds = sorted({seed for seed, _ in values})
    rows = [
        row(seed, layer, value, measure=measure, layout=layout)
        for (seed, measure), layers in values.items()
        for layer, value in zip("abc", layers, strict=False)
    ]
    levels = [level(seed, n, accuracy + 0.001 * seed * n) for seed in seeds for n in (0, 1)]
    return ReportData("run", tuple(levels), tuple(rows))


def test_the_share_of_universes_that_agree_is_counted():
    one = data(
        {
            (0, "cka"): [0.9, 0.2, 0.8],
            (1, "cka"): [0.9, 0.3, 0.7],
            (0, "procrustes-distance"): [0.1, 0.9, 0.2],
            (1, "procrustes-distance"): [0.1, 0.2, 0.9],
        }
    )
    other_layout = data({(0, "cka"): [0.1, 0.2, 0.8]}, layout="mean")
    two = data({(0, "cka"): [0.5, 0.5, 0.5], (1, "cka"): [0.9, 0.9, 0.9],
                (0, "procrustes-distance"): [0.5, 0.5, 0.5]})  # fmt: skip
    found = multiverse({"one": [one, other_layout], "two": [two]})
    assert found[0] == Agreement(
        "one", "b is the least similar layer", 3, 5, {"cka": (2, 3), "procrustes-distance": (1, 2)}
    )
    # cka: 0.63 > 0.5 and 0.63 < 0.9; the other is a distance: 0.4 is nearer than 0.5
    assert found[-1] == Agreement(
        "one and two", "one is more similar to the dense network", 2, 3,
        {"cka": (1, 2), "procrustes-distance": (1, 1)},
    )  # fmt: skip
    assert found[0].share == 0.6


def test_probe_images_are_part_of_a_universe_and_measures_are_not_counted_twice():
    """Grids over comparison.probe_size and over comparison.measures, which may overlap."""
    values = {(0, "cka"): [0.9, 0.2, 0.8]}
    other = {(0, "cka"): [0.1, 0.2, 0.8]}

    def way(values, comparison):
        return dataclasses.replace(data(values), config=f"comparison: {{{comparison}}}")

    ways = [way(values, "probe_size: 100"), way(other, "probe_size: 200"),
            way(values, "probe_size: 100, measures: [cka, svcca]")]  # fmt: skip
    assert multiverse({"one": ways})[0] == Agreement(
        "one", "a is the least similar layer", 1, 2, {"cka": (1, 2)}
    )


def changed(one, layer, **fields):
    return dataclasses.replace(one, similarities=tuple(
        dataclasses.replace(r, **fields) if r.layer == layer else r for r in one.similarities
    ))  # fmt: skip


def test_a_layer_that_dies_is_the_least_similar_and_not_left_out():
    """Its mean over the directions left would rise, and dead it would have no number at all."""
    one = data({(0, "cka"): [0.9, 0.8, 0.7]})
    dead = changed(one, "a", similarity=math.nan, rank_a=8, rank_b=0)
    assert multiverse({"one": [dead]})[0].finding == "a is the least similar layer"
    assert [found.subject for found in multiverse({"one": [one], "two": [dead]})] == ["one", "two"]
    both = changed(dead, "b", similarity=math.nan, rank_a=8, rank_b=0)
    assert multiverse({"one": [both]}) == []
    whole = data({(0, "svcca"): [0.9, 0.8, 0.7]})
    whole = dataclasses.replace(whole, similarities=tuple(
        dataclasses.replace(r, rank_a=8, rank_b=8, dense_share=r.similarity)
        for r in whole.similarities
    ))  # fmt: skip
    dying = changed(whole, "a", similarity=0.95, rank_b=1, dense_share=0.95 / 8)
    least, _, nearer = multiverse({"one": [dying], "two": [whole]})
    assert least.finding == "a is the least similar layer"
    assert nearer.finding == "two is more similar to the dense network"


def test_settings_without_a_level_of_one_sparsity_are_not_set_beside_each_other():
    one = data({(0, "cka"): [0.9, 0.2, 0.8]})
    sparser = dataclasses.replace(
        one, levels=tuple(dataclasses.replace(r, sparsity=0.9 * r.level) for r in one.levels)
    )
    assert [a.subject for a in multiverse({"one": [one], "two": [sparser]})] == ["one", "two"]


@pytest.mark.parametrize("paired", [True, False])
def test_effect_sizes_are_cohens(paired):
    # differences 1, 2, 3: mean 2, standard deviation 1, so d_z = 2; apart: pooled (0 + 1) / 2
    found = effect_size([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], paired=paired)
    assert found == pytest.approx(2.0 if paired else 2.0 / 0.5**0.5)
    assert effect_size([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], paired=paired) is None
    assert effect_size([1.0, 1.5], [2.0, 3.0], paired=paired) is None


def settings(n_seeds: int) -> dict[str, ReportData]:
    """Three settings; in the third, layer c is much less similar for every seed."""

    def values(low: float, apart: float = 0.0) -> dict[tuple[int, str], list[float]]:
        return {(s, "cka"): [0.9 + apart * (-1) ** s, 0.8, low + 0.001 * s] for s in range(n_seeds)}

    # the first two differ by noise alone: if they did not, they would be called identical
    return {"x": data(values(0.7)), "y": data(values(0.7, 0.001)), "z": data(values(0.2))}


def test_every_two_settings_are_asked_and_all_answers_corrected_together():
    sentences, found = every_pair(settings(10))
    assert [(one.one, one.other) for one in found[::4]] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [one.subject for one in found[:4]] == ["test accuracy", "a", "b", "c"]
    apart = [(one.one, one.other, one.subject) for one in found if one.is_found]
    assert apart == [("x", "z", "c"), ("y", "z", "c")]
    (first, _) = [one for one in found if one.is_found]
    assert (first.n, first.paired, first.p) == (10, True, 2 / 2**10)
    assert first.adjusted == pytest.approx(12 * 2 / 2**10)  # twelve questions
    assert first.mean == pytest.approx(-0.5)
    assert "c (0.20 against 0.70) is less similar to the dense network" in sentences[1]
    assert "can't be told apart" in sentences[0]


def without(one: ReportData, *seeds: int) -> ReportData:
    return dataclasses.replace(
        one,
        levels=tuple(row for row in one.levels if row.seed not in seeds),
        similarities=tuple(row for row in one.similarities if row.seed not in seeds),
    )


def test_a_missing_cell_leaves_one_seed_out_and_the_others_paired():
    runs = settings(11)
    whole = every_pair({name: without(run, 4) for name, run in runs.items()})
    missing = dict(runs, z=without(runs["z"], 4))
    sentences, found = every_pair(missing)
    for one, other in zip(found, whole[1], strict=True):
        is_whole = "z" not in (one.one, one.other)
        assert (one.paired, one.n, one.left_out) == (
            True,
            11 if is_whole else 10,
            int(not is_whole),
        )
        if not is_whole:  # the same pairs: the same numbers
            assert (one.mean, one.effect, one.p) == (other.mean, other.effect, other.p)
    assert "only one of the two has them: seed 4 of x." in sentences[1]
    assert "left out" not in sentences[0].lower()


@pytest.mark.parametrize(("gone", "paired"), [([0, 1], True), ([0, 1, 2, 3, 4, 5], True)])
def test_the_seeds_of_the_smaller_run_may_all_be_among_the_others(gone, paired):
    runs = settings(10)
    _, found = every_pair({"x": runs["x"], "z": without(runs["z"], *gone)})
    assert {(one.paired, one.n, one.left_out) for one in found} == {
        (paired, 10 - len(gone), len(gone))
    }


def test_runs_that_share_half_of_their_seeds_or_fewer_are_not_paired():
    runs = settings(9)
    one, other = without(runs["x"], 6, 7, 8), without(runs["z"], 0, 1, 2)
    sentences, found = every_pair({"x": one, "z": other})
    assert {(d.paired, d.n, d.left_out) for d in found} == {(False, 6, 0)}
    assert "only one of the two has them" not in sentences[0]


def test_with_too_few_seeds_nothing_is_claimed():
    sentences, found = every_pair(settings(5))
    assert not any(one.is_found for one in found)
    assert all("too few to test these differences" in sentence for sentence in sentences)
    assert all("9 shared seeds would be enough" in sentence for sentence in sentences)
