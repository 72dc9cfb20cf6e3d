"""Logits and probabilities compared like layers, and counted nowhere among the layers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tfprune.config import ComparisonConfig, config_hash, from_dict
from tfprune.errors import InputError
from tfprune.experiment.comparing import check_outputs
from tfprune.experiment.output_similarity import similarities
from tfprune.report.facts import fact_named, markdown

FORMS = ("similarity_logits", "floor_logits", "similarity_probabilities", "floor_probabilities")


def centred_alignment(x: np.ndarray, y: np.ndarray) -> float:
    """Linear CKA from n x n Gram matrices (Kornblith et al. 2019, eq. 3)."""
    h = np.eye(len(x)) - 1 / len(x)
    k, m = (h @ a.astype(float) @ a.T.astype(float) @ h for a in (x, y))
    return float((k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()))


def batches(array: np.ndarray, size: int = 70):
    return ({"logits": array[i : i + size]} for i in range(0, len(array), size))


def test_outputs_are_compared_over_all_batches_by_every_measure():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = x @ rng.normal(size=(4, 4)) + rng.normal(size=(200, 4))
    found = similarities(
        batches(x), batches(y), kinds=("logits",), measures=("cka", "cca"), n_images=200
    )
    assert found["logits", "cka"] == pytest.approx(centred_alignment(x, y), rel=1e-10)
    qx, qy = (np.linalg.qr(a - a.mean(axis=0))[0] for a in (x, y))
    correlations = np.linalg.svd(qx.T @ qy, compute_uv=False)
    assert found["logits", "cca"] == pytest.approx(correlations.mean(), rel=1e-10)


def test_too_few_test_images_are_refused_only_where_outputs_are_asked_for():
    asked = ComparisonConfig(measures=("cca",), also_compare=("logits",))
    check_outputs(ComparisonConfig(measures=("cca",)), n_classes=100, n_images=200)
    check_outputs(asked, n_classes=100, n_images=201)
    with pytest.raises(InputError) as caught:
        check_outputs(asked, n_classes=100, n_images=200)
    assert str(caught.value) == (
        "cca needs more samples than directions: layer 'logits' has 100 channels, which takes at "
        "least 201 images, and the probe set gives 200. There are 200 images to probe with in all, "
        "and 201 are needed: --also-compare takes the test images. Give a larger --test-split or "
        "--test-fraction, leave out --also-compare, choose a measure without this limit "
        "(--measure cka-debiased)."
    )


def test_the_setting_leaves_the_names_of_older_runs_as_they_were():
    plain, asked = from_dict({}), from_dict({"comparison": {"also_compare": ["logits"]}})
    assert config_hash(plain) == config_hash(from_dict({"comparison": {"also_compare": []}}))
    assert config_hash(plain) != config_hash(asked)
    with pytest.raises(InputError, match="also_compare"):
        from_dict({"comparison": {"also_compare": ["softmax"]}})


def test_every_fact_is_declared_and_defined_on_the_page():
    page = markdown()
    for form in FORMS:
        fact = fact_named(f"{form}/pwcca")
        assert fact.unit == "the measure's own"
        assert "pwcca" in fact.label
        assert f"### {form}/MEASURE" in page


@pytest.fixture(scope="module")
def runs(small, tmp_path_factory):
    """The same run with and without outputs compared."""
    from tfprune.runs.run import run

    config = {**small, "replicates": 2, "pruning": {"levels": 1, "fraction": 0.5}}
    asked = {**small["comparison"], "also_compare": ["logits", "probabilities"]}
    return tuple(
        run(one, folder=tmp_path_factory.mktemp("outputs"), tell=lambda message: None)
        for one in (config, {**config, "comparison": asked})
    )


@pytest.mark.slow
def test_outputs_are_facts_of_levels_and_change_nothing_about_layers(runs):
    plain, asked = runs
    assert asked.similarities == plain.similarities
    assert asked.answer == plain.answer
    for before, after in zip(plain.levels, asked.levels, strict=True):
        own = {name for name in after.facts if name.startswith(FORMS)}
        kinds = ("logits", "probabilities")
        if after.level:
            assert own == {f"similarity_{kind}/cka" for kind in kinds}
        else:  # only a later seed has earlier ones
            assert own == ({f"floor_{kind}/cka" for kind in kinds} if after.seed else set())
        assert {name: after.facts[name] for name in after.facts if name not in own} == before.facts
        assert all(0 < after.facts[name] < 1 for name in own)


@pytest.mark.slow
def test_the_numbers_are_those_of_the_networks_answers(small):
    from tfprune.experiment.output_similarity import output_facts
    from tfprune.experiment.plan import make_plan
    from tfprune.experiment.replicate import Replicate
    from tfprune.experiment.seed_floor import DenseNetworks

    asked = {**small["comparison"], "also_compare": ["logits", "probabilities"]}
    plan = make_plan(from_dict({**small, "comparison": asked, "replicates": 2}))
    earlier, dense = DenseNetworks(plan, None), {}
    for seed in plan.config.seeds:
        replicate = Replicate(plan, seed=seed)
        for trained in replicate.levels():
            images = replicate.normalization.apply(trained.dataset.test.images)
            logits = np.asarray(trained.network(images, training=False), dtype=float)
            facts = output_facts(plan, replicate, trained, earlier)
            before = dense.setdefault(seed, logits) if trained.level else dense.get(seed - 1)
            dense.setdefault(seed, logits)
            form = "similarity" if trained.level else "floor"
            if before is None:
                assert facts == {}
                continue
            shares = [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (before, logits)]
            assert facts == pytest.approx(
                {
                    f"{form}_logits/cka": centred_alignment(before, logits),
                    f"{form}_probabilities/cka": centred_alignment(*shares),
                },
                rel=1e-4,
            )
        earlier.add(replicate)


@pytest.mark.slow
def test_the_tables_and_the_report_have_them(runs):
    from tfprune.results import levels_csv

    _, asked = runs
    header = next(csv.reader(io.StringIO(levels_csv(asked.levels))))
    assert {"similarity_logits/cka", "floor_probabilities/cka"} <= set(header)
