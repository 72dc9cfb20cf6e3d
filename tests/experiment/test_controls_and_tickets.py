"""Controls have the ticket's counts; a ticket can be trained elsewhere; facts are what they say."""

from __future__ import annotations

import csv
import dataclasses
import io

import numpy as np
import pytest

import tfprune
from tfprune.config import from_dict
from tfprune.errors import InputError
from tfprune.experiment.controls import train_controls
from tfprune.experiment.loop import random_within_layers
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate, draw_toward_sparsity
from tfprune.pruning.controls import random_masks
from tfprune.pruning.kernels import count_kept
from tfprune.pruning.mask_files import load_masks
from tfprune.results import ControlResult, Ledger
from tfprune.runs.export import export
from tfprune.runs.run import dry_run, run
from tfprune.tracking import open_store, resolve_store

CONTROLS = ["random-mask", "shuffled-mask", "reinitialised", "sparse-scratch"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("controls")
    config = {**small, "pruning": {"levels": 2, "fraction": 0.5, "controls": CONTROLS,
                                   "connectivity": True, "rewind_to": "3it"}}  # fmt: skip
    return run(config, folder=folder, tell=lambda message: None), folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("plain")
    config = {**small, "pruning": {"levels": 2, "fraction": 0.5, "rewind_to": "3it"}}
    return run(config, folder=folder, tell=lambda message: None)


def test_every_control_is_trained_at_every_level_at_the_tickets_sparsity(finished):
    result, _ = finished
    sparsity = {row.level: row.sparsity for row in result.levels}
    assert [(row.level, row.control) for row in result.controls] == [
        (level, control) for level in (1, 2) for control in CONTROLS
    ]
    layers = {row.level: row.layer_sparsity for row in result.levels}
    for row in result.controls:
        assert row.sparsity == sparsity[row.level]
        assert (row.layer_sparsity == layers[row.level]) == (row.control != "random-mask")
        assert set(row.layer_sparsity) == set(layers[row.level])
        assert set(row.similarity["cka"]) == {"conv1", "conv2", "dense1"}
        assert all(0 < value < 1 for value in row.similarity["cka"].values())


@pytest.mark.parametrize(
    "strategy",
    [
        "magnitude",
        "filter-l1",
        pytest.param("n-m", marks=pytest.mark.slow),
        pytest.param("block", marks=pytest.mark.slow),
    ],
)
def test_controls_keep_exactly_as_many_weights_as_the_ticket(small, strategy):
    """In every layer, or for random masks of single weights in all; training sees those masks.

    Control filters are whole where the ticket's are.
    """
    pruning = {"levels": 1, "fraction": 0.5, "scope": "layer", "strategy": strategy,
               "controls": CONTROLS}  # fmt: skip
    config = from_dict({**small, "pruning": pruning})
    replicate = Replicate(make_plan(config), seed=0)
    _, ticket = replicate.levels()
    kept = count_kept(ticket.masks)
    assert 0 < kept["conv2"] < 3456
    replicate.trainer.train = lambda **options: None
    seen = {}
    for trained in train_controls(replicate):
        found = count_kept(trained.masks)
        assert found == count_kept(replicate.prunable.masks())
        assert sum(found.values()) == sum(kept.values())
        everywhere = trained.control != "random-mask" or strategy == "filter-l1"
        assert (found == kept) == everywhere
        for name, weight in replicate.prunable.weights().items():
            assert np.count_nonzero(weight[~trained.masks[name]]) == 0
        seen[trained.control] = trained.masks
    assert list(seen) == CONTROLS
    for name, mask in ticket.masks.items():
        np.testing.assert_array_equal(seen["reinitialised"][name], mask)
        np.testing.assert_array_equal(replicate.prunable.masks()[name], mask)
    assert (seen["random-mask"]["conv2"] != ticket.masks["conv2"]).any()
    if strategy == "filter-l1":
        tensors = replicate.prunable.tensors
        for control in ("random-mask", "reinitialised", "sparse-scratch"):
            for tensor in tensors:
                columns = tensor.as_matrix(seen[control][tensor.name])
                np.testing.assert_array_equal(columns.all(axis=0), columns.any(axis=0))


@pytest.mark.parametrize("within", [False, True])
def test_a_run_goes_on_with_the_random_masks_that_it_began_with(small, within):
    """Of before, their rows have no sparsity of layers, and they were drawn within layers."""
    row = ControlResult("random-mask", 0, 1, 0.5, None, 0.9, 0.1, {"cka": {"conv1": 0.5}})
    other = dataclasses.replace(row, control="shuffled-mask")
    now = dataclasses.replace(row, layer_sparsity={"conv1": 0.5})
    ledger = Ledger(controls=[other, row if within else now])
    assert random_within_layers(ledger) is within
    assert not random_within_layers(Ledger())

    config = {**small, "pruning": {"levels": 1, "fraction": 0.5, "controls": ["random-mask"]}}
    replicate = Replicate(make_plan(from_dict(config)), seed=0)
    _, ticket = replicate.levels()
    replicate.trainer.train = lambda **options: None
    (trained,) = train_controls(replicate, random_within_layers=within)
    assert (count_kept(trained.masks) == count_kept(ticket.masks)) is within
    if within:
        for name, mask in random_masks(ticket.masks, seed=0).items():
            np.testing.assert_array_equal(trained.masks[name], mask)


def test_controls_leave_the_ticket_as_it_is(finished, plain):
    """The same run without controls finds the same levels, bit for bit."""
    result, _ = finished
    for with_controls, without in zip(result.levels, plain.levels, strict=True):
        assert with_controls.accuracy_test == without.accuracy_test
        assert with_controls.loss_test == without.loss_test
    assert result.similarities == plain.similarities


def test_controls_are_logged_as_runs_and_as_a_table(finished):
    result, folder = finished
    store = open_store(resolve_store(folder=folder))
    kinds = [run.tags.get("tfprune.kind") for run in store.children(result.run_id)]
    assert (kinds.count("control"), kinds.count("level")) == (8, 3)
    rows = list(csv.DictReader(io.StringIO(store.read_text(result.run_id, "controls.csv"))))
    assert len(rows) == 2 * 4 * 3


def test_facts_of_a_level_agree_with_its_masks(finished):
    result, folder = finished
    store = open_store(resolve_store(folder=folder))
    for row in result.levels:
        child = store.child(result.run_id, level=row.level)
        masks = load_masks(store.download_artifact(child.id, "mask.npz"))
        biases = 16 + 24 + 24 + 10
        assert row.facts["parameters"] == 6144 + biases
        assert row.facts["nonzero"] <= row.n_kept + biases
        positions = {"conv1": 64, "conv2": 16, "dense1": 1, "logits": 1}
        flops = sum(2 * positions[name] * int(mask.sum()) for name, mask in masks.items())
        assert row.facts["flops_sparse"] == flops
        assert row.facts["effective_sparsity"] >= row.sparsity
        assert 0 <= row.facts["sign_agreement"] <= 1
        assert row.facts["barrier_error_dense"] >= (0 if row.level else -1e-9)
    assert result.levels[0].facts["barrier_loss_dense"] == pytest.approx(0, abs=1e-6)
    assert [row.facts["gzip_bytes"] for row in result.levels] == sorted(
        (row.facts["gzip_bytes"] for row in result.levels), reverse=True
    )


def test_a_ticket_holds_the_masks_and_the_state_of_the_rewind_step(finished, keras):
    result, folder = finished
    ticket = tfprune.load_ticket(f"{result.run_id}:2", folder=folder)
    assert (ticket.level, ticket.seed, ticket.step) == (2, 0, 3)
    assert ticket.sparsity == pytest.approx(result.levels[2].sparsity)
    network = ticket.network((8, 8, 1), 10)
    for name, mask in ticket.masks.items():
        kernel = network.get_layer(name).kernel.numpy()
        assert np.count_nonzero(kernel[~mask]) == 0
        assert np.count_nonzero(kernel) == mask.sum()


@pytest.mark.slow
def test_a_ticket_trains_elsewhere_under_its_own_mask(finished, small, tmp_path_factory, keras):
    result, folder = finished
    config = {
        "data": {"normalization": "scale"},
        "training": small["training"],
        "comparison": small["comparison"],
        "pruning": {"ticket": f"{result.run_id}:2"},
    }
    again = run(config, folder=folder, tell=lambda message: None)
    assert [row.level for row in again.levels] == [0, 1]
    assert again.levels[1].layer_sparsity == result.levels[2].layer_sparsity
    store = open_store(resolve_store(folder=folder))
    masks = [
        load_masks(store.download_artifact(store.child(run_id, level=level).id, "mask.npz"))
        for run_id, level in ((result.run_id, 2), (again.run_id, 1))
    ]
    for name in masks[0]:
        np.testing.assert_array_equal(masks[0][name], masks[1][name])


def test_an_unknown_ticket_is_refused(finished, small):
    result, folder = finished
    config = {**small, "pruning": {"ticket": f"{result.run_id}:7"}}
    with pytest.raises(InputError, match="has no level 7 with seed 0; its levels are 0, 1, 2"):
        run(config, folder=folder)


def test_an_exported_level_is_as_sparse_as_its_masks(finished, tmp_path):
    result, folder = finished
    report = export(f"{result.run_id}:2", tmp_path / "small.keras", folder=folder)
    assert report.sparsity >= result.levels[2].sparsity - 1e-9
    assert report.max_abs_difference <= 1e-6


def test_a_dry_run_projects_what_pruning_then_does(small, plain):
    config = from_dict({**small, "pruning": {"levels": 2, "fraction": 0.5, "rewind_to": "3it"}})
    dry = dry_run(config)
    assert list(dry.plan.projection.n_kept) == [row.n_kept for row in plain.levels]
    assert dry.plan.total_steps == 10 + 2 * 7
    assert dry.n_traces == 1
    assert dry.per_step > 0


def test_a_dry_run_refuses_a_ticket_as_the_run_would(tmp_path, small):
    config = from_dict({**small, "pruning": {"levels": 1, "ticket": "nosuch:9"}})
    told = set()
    for would in (dry_run, run):
        with pytest.raises(InputError) as caught:
            would(config, folder=tmp_path)
        told.add(str(caught.value))
    assert len(told) == 1
    assert "mlflow.db" in told.pop()
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_admm_draws_weights_toward_zero_before_they_are_cut(tmp_path, small):
    """What a level removes weighs less after ADMM than without it, and counts stay exact."""
    lost = {}
    for admm in (0.0, 1.0):
        config = from_dict(
            {**small, "training": {"epochs": "8ep", "batch_size": 128},
             "pruning": {"levels": 1, "fraction": 0.5, "admm": admm, "rewind_to": "final"}}
        )  # fmt: skip
        plan = make_plan(config)
        replicate = Replicate(plan, seed=0)
        levels = replicate.levels()
        next(levels)
        before = replicate.prunable.weights()
        if admm:
            replicate.level = 1
            draw_toward_sparsity(replicate, replicate._pull)
            before = replicate.prunable.weights()
        magnitudes = np.sort(np.abs(np.concatenate([w.ravel() for w in before.values()])))
        half = len(magnitudes) // 2
        lost[admm] = magnitudes[:half].sum() / magnitudes.sum()
    assert lost[1.0] < 0.5 * lost[0.0]


def test_admm_refuses_a_strategy_that_looks_at_more_than_weights(tmp_path, small):
    with pytest.raises(
        InputError, match=r"pruning\.admm: .* 'snip' looks at more than the weights"
    ):
        run({**small, "pruning": {"admm": 1.0, "strategy": "snip"}}, folder=tmp_path)


def test_sixteen_bits_train_under_exact_masks_and_keep_weights_in_32(small):
    config = from_dict({**small, "training": {**small["training"], "precision": "bfloat16"},
                        "pruning": {"levels": 1, "fraction": 0.5}})  # fmt: skip
    replicate = Replicate(make_plan(config), seed=0)
    _, pruned = replicate.levels()
    for name, weight in replicate.prunable.weights().items():
        assert weight.dtype == np.float32
        assert np.count_nonzero(weight[~pruned.masks[name]]) == 0
        assert np.any(weight != weight.astype(np.float16).astype(np.float32))  # not 16 bits
    assert pruned.test.accuracy > 0.2
