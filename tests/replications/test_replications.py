"""The published experiments: every arm can be planned, and every claim told from its contrary."""

from __future__ import annotations

import dataclasses
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config import config_hash
from tfprune.errors import InputError
from tfprune.replications import REPLICATIONS
from tfprune.replications.by_layout import (
    REFUSED,
    cells,
    depth,
    of_floor,
    sentence,
    table,
    table_csv,
    u_shape,
)
from tfprune.replications.evidence import Evidence
from tfprune.replications.layouts import InLayout
from tfprune.replications.liebenwein2021 import _range_of_others
from tfprune.replications.perform import judge
from tfprune.replications.tables import controls_csv, facts_csv
from tfprune.replications.verdict import FAILS, HOLDS, UNTOLD, above
from tfprune.results import (
    DENSE,
    SEED_FLOOR,
    ClassResult,
    ControlResult,
    ForgottenImage,
    LevelResult,
    RunResult,
    SimilarityResult,
)
from tfprune.similarity.claims import seeds_needed

NAMES = [entry.name for entry in REPLICATIONS]
SIZES = [(entry.name, size.name) for entry in REPLICATIONS
         for size in REPLICATIONS.get(entry.name).sizes]  # fmt: skip


def test_every_replication_has_the_three_sizes():
    for name in NAMES:
        assert {"full", "reduced", "smallest"} <= {one for found, one in SIZES if found == name}


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_every_arm_of_every_size_is_a_configuration_that_can_be_run(name, size):
    found = REPLICATIONS.get(name)
    chosen = found.size(size)
    configs = {arm.name: found.config(arm, chosen) for arm in found.arms}
    assert len({str(config) for config in configs.values()}) == len(configs)  # arms differ
    for config in configs.values():
        assert config.replicates >= 3
        at_hand = config.data.dataset == "digits" or config.data.dataset.startswith("tfprune.")
        assert at_hand is (size == "smallest")
        assert config.comparison.probe_size <= (
            500 if size == "smallest" else 10_000
        )  # test images
    assert len({claim.name for claim in found.claims}) == len(found.claims) >= 3
    assert all(text[-1] == "." for text in (chosen.sentence, *(c.text for c in found.claims)))


def test_an_unknown_size_is_named():
    with pytest.raises(InputError) as caught:
        REPLICATIONS.get("renda2020").size("smal")
    assert str(caught.value) == (
        "unknown size of renda2020 'smal'; did you mean 'small' or 'smallest'? Known: full, "
        "reduced, small, smallest."
    )


SEEDS = 6
LAYERS = ("conv1", "conv2", "conv3", "dense1")


def level(seed, number, accuracy, density, **facts):
    kept = round(10_000 * density)
    facts = {"majority_share": 0.1, **facts}
    return LevelResult(seed, number, 1 - density, 10_000, kept, None, accuracy, None, 1 - accuracy,
                       0.0, facts)  # fmt: skip


def similarity(seed, number, layer, measure, value, against=DENSE, against_seed=None):
    index = LAYERS.index(layer)
    return SimilarityResult(
        seed, number, index, layer, measure, value, None, None, None, 500, 500, 8, 8, 8, value,
        value, *([0] * 8), layout="mean", against=against, warnings="", against_seed=against_seed,
        dense_share=value if measure in ("svcca", "pwcca") else None,
    )  # fmt: skip


def result(accuracies, *, densities=(1.0, 0.5, 0.2), seeds=SEEDS, profile=(0.9,) * 4, floor=0.5,
           controls=None, controls_similarity=0.5, facts=(), collapsed=()):  # fmt: skip
    """Return a run whose levels have these accuracies, up to half a point of noise over seeds."""
    rng = np.random.default_rng(0)
    rows, similarities, others = [], [], []
    for seed in range(seeds):
        noise = 0.005 * rng.normal()
        for number, (accuracy, density) in enumerate(zip(accuracies, densities, strict=True)):
            own = {name: value + 0.001 * rng.normal() for name, value in facts if number}
            value = 0.1 if number and seed in collapsed else accuracy + noise
            rows.append(level(seed, number, value, density, **own))
            for measure, (layer, own) in itertools.product(
                ("svcca", "pwcca", "cka", "procrustes"), zip(LAYERS, profile, strict=True)
            ):
                shown = own + 0.01 * rng.normal() if number else 1.0
                similarities.append(similarity(seed, number, layer, measure, shown))
            for control, change in (controls or {}).items():
                if number:
                    others.append(ControlResult(
                        control, seed, number, 1 - density, None, accuracy + noise + change, 0.5,
                        {"svcca": dict.fromkeys(LAYERS, controls_similarity + 0.01 * rng.normal())},
                    ))  # fmt: skip
        for other, measure, layer in itertools.product(
            range(seed), ("svcca", "pwcca", "cka", "procrustes"), LAYERS
        ):
            shown = floor + 0.01 * rng.normal()
            similarities.append(similarity(seed, 0, layer, measure, shown, SEED_FLOOR, other))
    return RunResult("synthetic", None, tuple(rows), tuple(similarities), controls=tuple(others))


def answers(name, results, size="reduced"):
    found = REPLICATIONS.get(name)
    verdicts = judge(found, found.size(size), Evidence(results))
    return {claim.name: verdict.answer for claim, verdict in verdicts}


def renda(rate, late, start, tune):
    arms = ("learning-rate", "weights-late", "weights-start", "fine-tuning")
    return dict(zip(arms, map(result, (rate, late, start, tune)), strict=True))


def test_renda2020_is_told_from_its_contrary():
    best, good, fair, poor = ((0.92, 0.91, one) for one in (0.91, 0.905, 0.88, 0.83))
    found = answers("renda2020", renda(best, good, poor, fair))
    assert found.pop("accuracies") == UNTOLD  # not at this size
    assert set(found.values()) == {HOLDS}
    contrary = answers("renda2020", renda(poor, fair, best, good))
    contrary.pop("accuracies")
    assert contrary == {
        "learning-rate-over-weights-late": FAILS, "weights-late-over-fine-tuning": FAILS,
        "fine-tuning-over-weights-start": FAILS, "learning-rate-over-weights-start": FAILS,
    }  # fmt: skip


def test_renda2020_s_published_accuracies_are_compared_level_by_level():
    from tfprune.replications import renda2020

    densities = (1.0, 0.512, 0.210, 0.107)

    def as_published(arm):
        accuracies = (renda2020.DENSE, *renda2020.PUBLISHED[arm].values())
        pairs = list(enumerate(zip(accuracies, densities, strict=True)))
        rows = [level(seed, n, *both) for seed in range(3) for n, both in pairs]
        return RunResult(arm, None, tuple(rows), ())

    runs = {arm: as_published(arm) for arm in renda2020.PUBLISHED}
    assert answers("renda2020", runs, "full")["accuracies"] == HOLDS
    alike = dict.fromkeys(runs, runs["learning-rate"])
    assert answers("renda2020", alike, "full")["accuracies"] == FAILS
    others = dict.fromkeys(runs, result((0.9, 0.9, 0.9)))
    with pytest.raises(InputError, match=r"^arm 'learning-rate' has no level that keeps 51\.2% of"):
        answers("renda2020", others, "full")


def test_zullich2020_tells_a_u_that_floors_have_too_from_one_that_pruning_keeps():
    u = (0.95, 0.7, 0.7, 0.93)
    controls = {"random-mask": -0.05, "reinitialised": -0.05}
    kept = answers("zullich2020", {"imp": result((0.9,) * 3, profile=u, controls=controls)})
    assert set(kept.values()) == {HOLDS}
    shared = answers("zullich2020", {
        "imp": result((0.9,) * 3, profile=(0.6,) * 4, floor=0.8, controls=controls,
                      controls_similarity=0.9)
    })  # fmt: skip
    assert shared["u-shape"] == UNTOLD
    assert {shared[f"above-floor-{m}"] for m in ("svcca", "pwcca", "cka", "procrustes")} == {FAILS}
    assert (shared["over-random-mask"], shared["over-reinitialised"]) == (FAILS, FAILS)
    few = answers("zullich2020", {"imp": result((0.9,) * 3, profile=u, controls=controls, seeds=3)})
    assert few["above-floor-cka"] == UNTOLD
    assert few["u-shape"] == HOLDS


def test_controls_are_judged_by_the_share_of_directions_where_their_runs_know_it():
    controls = {"random-mask": 0.0, "reinitialised": 0.0}
    run = result((0.9,) * 3, controls=controls, controls_similarity=0.95)  # of few directions left
    assert answers("zullich2020", {"imp": run})["over-random-mask"] == FAILS
    shares = {"svcca": dict.fromkeys(LAYERS, 0.3)}
    rows = tuple(dataclasses.replace(row, dense_share=shares) for row in run.controls)
    run = dataclasses.replace(run, controls=rows)
    assert answers("zullich2020", {"imp": run})["over-random-mask"] == HOLDS
    judged = SimpleNamespace(runs={"imp": run})
    lines = controls_csv(judged).splitlines()
    assert lines[0] == "arm,control,seed,level,accuracy_test,measure,similarity,dense_share"
    assert len(lines) == 1 + 2 * 2 * SEEDS
    assert all(line.endswith(",0.300000") for line in lines[1:])


def test_what_claims_ask_of_levels_is_in_a_table():
    run = result((0.9, 0.8), densities=(1.0, 0.5), facts=(("prune_potential/test", 0.5),
                 ("forgotten_p", 0.03), ("flips", 0.1)))  # fmt: skip
    lines = facts_csv(SimpleNamespace(runs={"one": run})).splitlines()
    assert lines[0] == "arm,seed,level,fact,value"
    assert len(lines) == 1 + 2 * SEEDS
    for name in ("prune_potential/test", "forgotten_p"):
        assert any(line.startswith(f"one,0,1,{name},") for line in lines)
    assert facts_csv(SimpleNamespace(runs={"one": result((0.9,), densities=(1.0,))})) == ""


def test_frankle2019_is_told_from_its_contrary():
    ticket = {"imp": result((0.85, 0.86, 0.85), controls={"reinitialised": -0.05})}
    assert set(answers("frankle2019", ticket).values()) == {HOLDS}
    none = {"imp": result((0.85, 0.80, 0.75), controls={"reinitialised": 0.15})}
    assert set(answers("frankle2019", none).values()) == {FAILS}


def test_paul2023_is_told_from_its_contrary():
    name = "barrier_error_previous"
    apart = {"late": result((0.9,) * 3, facts=((name, 0.005),)),
             "start": result((0.9,) * 3, facts=((name, 0.1),))}  # fmt: skip
    assert set(answers("paul2023", apart).values()) == {HOLDS}
    swapped = {"late": apart["start"], "start": apart["late"]}
    assert set(answers("paul2023", swapped).values()) == {FAILS}
    assert answers("paul2023", apart, "smallest")["unconnected"] == UNTOLD


def test_paul2023_asks_of_every_level_whether_it_is_connected():
    name = "barrier_error_previous"
    run = result((0.9,) * 3, facts=((name, 0.01),))
    wide = [0.005, 0.005, 0.005, 0.005, 0.005, 0.034]  # a smaller mean, and no certainty
    levels = tuple(
        dataclasses.replace(row, facts={**row.facts, name: wide[row.seed]}) if row.level == 1
        else row
        for row in run.levels
    )  # fmt: skip
    late = dataclasses.replace(run, levels=levels)
    assert answers("paul2023", {"late": late, "start": run})["connected"] == UNTOLD


def test_frankle2020_is_told_from_its_contrary():
    def arm(barrier, accuracy):
        run = result((0.9, accuracy), densities=(1.0, 0.2))
        rng = np.random.default_rng(1)
        levels = tuple(
            dataclasses.replace(row, facts={"instability_error": barrier + 0.001 * rng.normal()})
            for row in run.levels
        )
        return dataclasses.replace(run, levels=levels)

    stable = {"late": arm(0.005, 0.88), "start": arm(0.08, 0.80)}
    assert set(answers("frankle2020", stable).values()) == {HOLDS}
    swapped = {"late": stable["start"], "start": stable["late"]}
    assert set(answers("frankle2020", swapped).values()) == {FAILS}


def test_zullich2021_tells_orders_that_agree_from_those_that_do_not():
    rng = np.random.default_rng(2)
    orders = {"cca": (0.9, 0.7, 0.5, 0.3), "pwcca": (0.9, 0.7, 0.5, 0.3),
              "cka": (0.3, 0.5, 0.7, 0.9), "procrustes": (0.3, 0.5, 0.7, 0.9)}  # fmt: skip
    rows = [
        similarity(seed, 1, layer, measure, value + 0.01 * rng.normal())
        for seed in range(SEEDS)
        for measure, values in orders.items()
        for layer, value in zip(LAYERS, values, strict=True)
    ]
    run = dataclasses.replace(result((0.9, 0.9), densities=(1.0, 0.5)), similarities=tuple(rows))
    assert answers("zullich2021", {"imp": run}) == {
        "cca-against-cka": HOLDS, "pwcca-against-cka": HOLDS, "cca-against-procrustes": HOLDS,
        "cka-against-procrustes": FAILS, "cca-against-pwcca": FAILS,
    }  # fmt: skip


def forgetting(*, p, accuracy, changes):
    """Return six seeds of two classes, 30 forgotten images, and each class's change of 100."""
    rng = np.random.default_rng(3)
    run = result((0.9, 0.88), densities=(1.0, 0.1))
    facts = {"forgotten": 0.03, "forgotten_by_chance": 0.01, "forgotten_p": p,
             "accuracy_dense_forgotten": accuracy, "accuracy_dense_others": 0.9}  # fmt: skip
    *rows, last = run.levels
    lost = [[round(change + abs(rng.normal())) for change in changes] for _ in range(SEEDS)]
    return dataclasses.replace(
        run,
        levels=(*rows, dataclasses.replace(last, facts=facts)),
        classes=tuple(
            ClassResult(seed, 1, (100, 100), (90, 90), tuple(lost[seed]), (0, 0))
            for seed in range(SEEDS)
        ),
        forgotten=tuple(ForgottenImage(1, i, 0, 0, 1, 1.0, 1.0) for i in range(30)),
        class_names=("cat", "dog"),
    )


def test_hooker2019_is_told_from_its_contrary():
    found = answers("hooker2019", {"magnitude": forgetting(p=0.03, accuracy=0.5, changes=(12, 1))})
    assert found == {"differ": HOLDS, "harder": HOLDS, "uneven": HOLDS}
    none = answers("hooker2019", {"magnitude": forgetting(p=0.3, accuracy=1.0, changes=(5, 5))})
    assert none == {"differ": UNTOLD, "harder": UNTOLD, "uneven": UNTOLD}
    easy = forgetting(p=0.3, accuracy=1.0, changes=(5, 5))
    *rows, last = easy.levels
    facts = {**last.facts, "accuracy_dense_others": 0.5}
    easy = dataclasses.replace(easy, levels=(*rows, dataclasses.replace(last, facts=facts)))
    assert answers("hooker2019", {"magnitude": easy})["harder"] == FAILS
    few = result((0.9, 0.88), densities=(1.0, 0.1), seeds=2)
    assert set(answers("hooker2019", {"magnitude": few}).values()) == {UNTOLD}


def test_three_replications_are_judged_on_one_run_of_the_small_size():
    found = [REPLICATIONS.get(name) for name in ("zullich2020", "zullich2021", "hooker2019")]
    first, *others = (one.config(one.arms[0], one.size("small")) for one in found)
    assert [config_hash(one) for one in others] == [config_hash(first)] * 2
    assert first.replicates >= seeds_needed(7)  # six convolutions and a dense layer


def test_arms_whose_weights_go_back_are_the_same_runs_in_three_replications():
    arms = {
        "renda2020": ("weights-late", "weights-start"), "paul2023": ("late", "start"),
        "frankle2020": ("late", "start"),
    }  # fmt: skip
    hashes = []
    for name, wanted in arms.items():
        found = REPLICATIONS.get(name)
        named = {arm.name: arm for arm in found.arms}
        hashes.append(
            [config_hash(found.config(named[one], found.size("small"))) for one in wanted]
        )
    assert hashes[0] == hashes[1] == hashes[2]
    rates = [
        found.config(found.arms[0], found.size("small"))
        for found in map(REPLICATIONS.get, ("renda2020", "liebenwein2021"))
    ]
    assert config_hash(rates[0]) == config_hash(rates[1])
    assert hashes[0][0] != hashes[0][1]


def test_no_page_of_a_shorter_schedule_speaks_of_the_published_steps():
    for name in NAMES:
        found = REPLICATIONS.get(name)
        for size in found.sizes:
            said = [size.said.get(arm.name, arm.sentence) for arm in found.arms]
            published = ("62,400", "of 182")
            assert size.name == "full" or not any(p in one for one in said for p in published)


@pytest.mark.parametrize(
    ("name", "convolutions", "all_kernels"),
    [("conv2_quarter", 2_736, 269_616), ("conv6_quarter", 71_856, 138_032),
     ("resnet8_half", 19_288, 19_608)],
)  # fmt: skip
def test_narrow_networks_have_the_weights_that_their_docstrings_count(
    name, convolutions, all_kernels
):
    import doctest

    from tfprune.replications import networks

    model = getattr(networks, name)((32, 32, 3), 10)
    kernels = [(v.name, int(np.prod(v.shape))) for v in model.trainable_weights
               if "kernel" in v.name]  # fmt: skip
    assert sum(size for _, size in kernels) == all_kernels
    dense = ("dense", "logits")
    assert sum(n for name, n in kernels if not name.startswith(dense)) == convolutions
    text = getattr(networks, name).__doc__
    assert f"{all_kernels:,}" in text
    example = doctest.DocTestFinder().find(getattr(networks, name), globs=vars(networks))
    assert doctest.DocTestRunner().run(example[0]).failed == 0


def test_the_answer_says_the_u_of_the_run_of_the_floor_and_of_pruning_itself():
    run = result((0.9,) * 3, profile=(0.9, 0.6, 0.6, 0.9), floor=0.5)
    text = REPLICATIONS.get("zullich2020").answer(Evidence({"imp": run}))
    assert text.startswith("At 80% sparsity (median test accuracy ")
    first, last, own, floor, more = re.findall(r"(?:is|by|and) ([+-]\d\.\d\d) \[", text)
    assert [float(one) for one in (first, last)] == pytest.approx([0.3, 0.3], abs=0.03)
    assert "the U over depth **holds**." in text
    assert f"{more} [" in text
    assert "]: more than none. On average" in text
    assert float(own) == pytest.approx(0.3, abs=0.03)
    assert float(floor) == pytest.approx(0.0, abs=0.03)
    assert float(more) == pytest.approx(float(own) - float(floor), abs=0.011)
    assert text.endswith(": all layers, by SVCCA, PWCCA, CKA and Procrustes.")
    assert re.search(
        r"\(median test accuracy (89|90)\.\d%, of the dense networks (89|90)\.\d%\)", text
    )
    shared = result((0.9,) * 3, profile=(0.5,) * 4, floor=0.5)
    text = REPLICATIONS.get("zullich2020").answer(Evidence({"imp": shared}))
    assert text.endswith(": none, by SVCCA, PWCCA, CKA and Procrustes.")
    assert "]: more than none" not in text
    assert "the U over depth **can't be told**." in text


def test_what_two_seeds_show_is_said_without_intervals():
    run = result((0.9,) * 3, profile=(0.9, 0.6, 0.6, 0.9), floor=0.5, seeds=2)
    text = REPLICATIONS.get("zullich2020").answer(Evidence({"imp": run}))
    assert "nan" not in text
    assert re.search(r"own part of the U is \+0\.\d\d\. On average", text)


def test_a_similarity_that_only_falls_with_depth_is_no_u():
    falls = np.array([1.0, 0.7, 0.6, 0.5]) + 0.01 * np.random.default_rng(0).normal(size=(6, 4))
    assert above(depth(falls), what="").answer == HOLDS  # the mean of both ends is above
    assert u_shape(falls).answer == FAILS
    assert u_shape(falls[:, [1, 2, 3, 0]]).answer == HOLDS
    level_end = falls + np.array([0, 0, 0, 0.15])
    assert u_shape(level_end).answer == UNTOLD


def test_pruning_s_own_part_is_claimed_of_networks_without_any_in_one_experiment_of_twenty():
    rng = np.random.default_rng(0)
    claimed = dict.fromkeys(("own", "floor"), 0)
    for _ in range(400):  # every similarity rises with both of its networks
        dense, pruned = rng.normal(size=(2, SEEDS))
        pairs = dense[:, None] + dense
        found = U(own=dense + pruned, pairs=pairs)
        for name, (_, low, high) in zip(("floor", "own"), of_floor(found, "", ""), strict=True):
            claimed[name] += not low <= 0 <= high
    assert all(count < 34 for count in claimed.values())  # 20 expected; of means, over 45


class U:
    """Evidence of three layers whose first and last have these similarities, the middle 0."""

    def __init__(self, own, pairs):
        zero = np.zeros_like(own)
        self.levels = lambda arm: [1]
        self.profile = lambda arm, measure, level: np.stack([own, zero, own], axis=1)
        self.floors = lambda arm, measure: [pairs, 0 * pairs, pairs]


def in_three_layouts():
    """Pixels: a U above the floor. Means: none, on the floor. Flattened: a U by CKA alone."""
    pixels, mean, flat = (
        result((0.9,) * 3, profile=profile, floor=floor)
        for profile, floor in [
            ((0.9, 0.6, 0.6, 0.9), 0.5),
            ((0.7,) * 4, 0.7),
            ((0.95, 0.8, 0.8, 0.95), 0.4),
        ]
    )
    refused = {("conv1", "svcca"): "too few", ("conv2", "svcca"): "too few"}
    rows = tuple(row for row in flat.similarities if (row.layer, row.measure) not in refused)
    flat = dataclasses.replace(flat, similarities=rows)
    others = {"mean": InLayout(mean, {}), "flatten": InLayout(flat, refused)}
    own = tuple(dataclasses.replace(row, layout="pixels") for row in pixels.similarities)
    return Evidence({"imp": dataclasses.replace(pixels, similarities=own)}, {"imp": others})


def test_each_layout_and_measure_has_its_own_verdicts():
    evidence = in_three_layouts()
    assert evidence.layouts("imp") == ["pixels", "mean", "flatten"]
    found = {(one.layout, one.measure): one for one in cells(evidence, "imp", ("svcca", "cka"))}
    shapes = {cell: one.shape for cell, one in found.items()}
    assert shapes == {
        ("pixels", "svcca"): HOLDS, ("pixels", "cka"): HOLDS,
        ("mean", "svcca"): UNTOLD, ("mean", "cka"): UNTOLD,
        ("flatten", "svcca"): REFUSED, ("flatten", "cka"): HOLDS,
    }  # fmt: skip
    assert set(found["pixels", "cka"].layers.values()) == {"closer"}
    assert set(found["mean", "cka"].layers.values()) == {UNTOLD}
    assert found["flatten", "svcca"].layers == {
        "conv1": REFUSED, "conv2": REFUSED, "conv3": "closer", "dense1": "closer",
    }  # fmt: skip
    assert found["flatten", "cka"].u[0] == pytest.approx(0.15, abs=0.02)
    assert found["flatten", "cka"].floor["conv2"] == pytest.approx(0.4, abs=0.02)
    assert np.isnan(found["flatten", "svcca"].own["conv1"])


def test_what_the_layouts_show_is_said_in_a_sentence_and_a_table():
    found = cells(in_three_layouts(), "imp", ("svcca", "cka"))
    assert sentence(found) == (
        "By 2 measures in 3 layouts of feature maps (pixels, mean and flatten), without SVCCA in "
        "flatten (too few images), "
        "the U holds in 3 of 5 and does not in 0; pruning's own part of it lies above 0 in 3, "
        "below 0 in 0; every layer lies above the seed floor in 3."
    )
    lines = table(found).splitlines()
    assert len(lines) == 2 + 6
    assert {line.count("|") for line in lines} == {10}
    assert lines[2].startswith("| pixels | SVCCA | **holds** | +0.")
    assert lines[2].endswith(" | all |  |  |")
    assert lines[4].endswith(" |  | all |  |")
    assert lines[6] == "| flatten | SVCCA | refused |  |  |  | conv3, dense1 |  | conv1, conv2 |"
    rows = table_csv(found).splitlines()
    assert rows[0] == "layout,measure,layer,similarity,floor,verdict"
    assert "flatten,svcca,conv1,,,refused" in rows
    assert len(rows) == 1 + 6 * 4


def test_a_collapsed_seed_takes_no_part_in_what_is_said_of_layers():
    evidence = Evidence({"imp": result((0.9,) * 3, collapsed=(2,))})
    assert evidence.collapsed("imp", level=2) == (2,)
    profile = evidence.profile("imp", "svcca", level=2)
    assert np.flatnonzero(np.isnan(profile).any(axis=1)).tolist() == [2]
    assert evidence.accuracy("imp", level=2)[2] == 0.1  # accuracies are what they are
    assert evidence.layers("imp") == list(LAYERS)
    assert [floor.shape for floor in evidence.floors("imp", "cka")] == [(SEEDS, SEEDS)] * 4


def shifting(*, lost, potentials):
    """Return six seeds that keep their test accuracy and lose `lost` of the dense on two sets."""
    rng = np.random.default_rng(4)
    run = result((0.9, 0.9), densities=(1.0, 0.2))
    sets = ("noise", "blur")
    rows = []
    for row in run.levels:
        on = {f"accuracy_on/{name}": row.accuracy_test - 0.1 - row.level * lost
              + 0.001 * rng.normal() for name in sets}  # fmt: skip
        potential = {f"prune_potential/{name}": value + 0.001 * rng.normal()
                     for name, value in zip(("test", *sets), potentials, strict=True)}  # fmt: skip
        facts = {**row.facts, **on, **potential}
        rows.append(dataclasses.replace(row, facts=facts))
    return dataclasses.replace(run, levels=tuple(rows))


def test_potentials_that_vary_over_seeds_alone_do_not_vary_over_shifts():
    rng = np.random.default_rng(0)
    noise = rng.choice([0.5, 0.75, 0.875], size=(4, SEEDS))
    assert above(np.ptp(noise, axis=0), by=0.125, what="").answer == HOLDS  # by their range
    found = [_range_of_others(rng.choice([0.5, 0.75, 0.875], size=(4, SEEDS))) for _ in range(400)]
    assert sum(above(one, by=0.125, what="").answer == HOLDS for one in found) <= 4
    assert abs(np.mean(found)) < 0.02


def test_liebenwein2021_is_told_from_its_contrary():
    found = answers("liebenwein2021", {"magnitude": shifting(lost=0.1, potentials=(0.8, 0, 0.5))})
    assert found == {"excess": HOLDS, "potential": HOLDS, "varies": HOLDS}
    found = answers(
        "liebenwein2021", {"magnitude": shifting(lost=-0.1, potentials=(0.5,) + (0.8,) * 2)}
    )
    assert found == {"excess": FAILS, "potential": FAILS, "varies": FAILS}
    worse = result((0.9, 0.7), densities=(1.0, 0.2))  # no level is as accurate as the dense network
    rows = [
        dataclasses.replace(
            row,
            facts={
                **row.facts,
                "accuracy_on/noise": 0.5,
                "prune_potential/test": 0.0,
                "prune_potential/noise": 0.0,
            },
        )
        for row in worse.levels
    ]
    worse = dataclasses.replace(worse, levels=tuple(rows))  # fmt: skip
    assert answers("liebenwein2021", {"magnitude": worse})["excess"] == UNTOLD
