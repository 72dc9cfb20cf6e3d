"""One run from configuration to MLflow, held against what it promises."""

from __future__ import annotations

import csv
import dataclasses
import io

import numpy as np
import pytest

from tfprune.config import ConfigError, config_hash, flatten, from_dict, to_dict
from tfprune.errors import InputError
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.names import param_value

LOGS_EVERYTHING = True


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    """A small run with two seeds, and the store it logged to."""
    folder = tmp_path_factory.mktemp("run")
    comparison = {**small["comparison"], "describe": ["dimension"]}
    config = from_dict({**small, "replicates": 2, "comparison": comparison})
    result = run(config, folder=folder, tell=lambda message: None)
    return config, result, open_store(resolve_store(folder=folder)), folder


def test_levels_keep_exactly_what_the_fraction_leaves(finished):
    _, result, _, _ = finished
    n_weights = 3 * 3 * 1 * 16 + 3 * 3 * 16 * 24 + 2 * 2 * 24 * 24 + 24 * 10
    kept = [n_weights]
    for _ in range(2):
        kept.append(kept[-1] - kept[-1] // 2)
    for seed in (0, 1):
        rows = [row for row in result.levels if row.seed == seed]
        assert [row.level for row in rows] == [0, 1, 2]
        assert [row.n_kept for row in rows] == kept
        assert [row.sparsity for row in rows] == [1 - k / n_weights for k in kept]


def test_the_dense_level_equals_itself_and_pruned_levels_differ(finished):
    _, result, _, _ = finished
    for row in result.similarities:
        if row.against == "dense" and row.level == 0:
            assert row.similarity == pytest.approx(1, abs=1e-9)
    assert all(0 < v < 1 for v in result.similarity("cka", seed=0, level=2).values())
    assert [row.flips for row in result.levels if row.level == 0] == [0, 0]


def test_the_seed_floor_compares_the_second_dense_network_with_the_first(finished):
    _, result, _, _ = finished
    floor = [row for row in result.similarities if row.against == "seed"]
    assert {(row.seed, row.level) for row in floor} == {(1, 0)}
    assert [row.layer for row in floor] == ["conv1", "conv2", "dense1"]
    assert all(0 < row.similarity < 1 for row in floor)


def test_parent_and_children_hold_what_the_contract_names(finished):
    config, result, store, _ = finished
    parent = store.find_run(result.run_id)
    assert (parent.status, parent.tags["tfprune.kind"]) == ("FINISHED", "experiment")
    assert parent.params["pruning.fraction"] == "0.5"
    data = dataclasses.replace(config.data, normalization="standard")  # what auto came to
    settled = dataclasses.replace(config, data=data)
    assert parent.tags["tfprune.config_hash"] == config_hash(settled)
    settings = {k: param_value(v) for k, v in flatten(to_dict(settled)).items()}
    said = {k: v for k, v in settings.items() if v not in ("None", "[]", "{}")}
    assert said.items() <= parent.params.items()
    assert not (set(settings) - set(said)) & set(parent.params)  # nothing is said by no value
    assert not {"None", "[]", "{}"} & set(parent.params.values())
    compared = {"Model": "digits-cnn", "Dataset": "digits", "Strategy": "magnitude",
                "Scope": "global"}  # fmt: skip
    assert compared.items() <= parent.params.items()
    # what people compare comes first where the page orders by name
    assert sorted(parent.params)[: len(compared)] == sorted(compared)
    for key in ("accuracy/test", "accuracy/validation", "sparsity/global", "cka/00_conv1"):
        assert [point.step for point in store.metric_history(parent.id, key)] == [0, 1, 2]
    wanted = {"config.yaml", "levels.csv", "similarity.csv", "report.html", "model-final/MLmodel",
              "plots/accuracy.png"}  # fmt: skip
    assert wanted <= set(store.list_artifacts(parent.id))
    children = store.children(parent.id)
    assert [(c.params["seed"], c.params["level"]) for c in children] == [
        (seed, level) for seed in "01" for level in "012"
    ]
    client = store._client._client
    for child in children:
        used = {
            one.tags[0].value: one.dataset for one in client.get_run(child.id).inputs.dataset_inputs
        }
        assert "testing" in used
        assert (used["testing"].name, len(used["testing"].digest)) == ("digits", 16)
        own = child.params["seed"] == "0"  # other seeds hold out other images for validation
        assert set(used) == ({"training", "validation", "testing"} if own else {"testing"})
        assert (child.status, child.tags["tfprune.kind"]) == ("FINISHED", "level")
        assert compared.items() <= child.tags.items()
        assert child.tags["Run"] == parent.name
        assert {"mask.npz", "model.keras"} <= set(store.list_artifacts(child.id))
        steps = [point.step for point in store.metric_history(child.id, "profile/cka")]
        assert steps == [0, 1, 2]  # step = layer index


def test_metrics_in_mlflow_equal_the_result(finished):
    _, result, store, _ = finished
    parent = store.find_run(result.run_id)
    logged = [p.value for p in store.metric_history(parent.id, "accuracy/test")]
    means = [
        np.mean([row.accuracy_test for row in result.levels if row.level == level])
        for level in range(3)
    ]
    assert logged == pytest.approx(means)
    child = store.child(parent.id, level=2, seed=1)
    logged = [p.value for p in store.metric_history(child.id, "profile/cka")]
    assert logged == list(result.similarity("cka", seed=1, level=2).values())


def test_tables_hold_a_row_per_level_and_per_layer(finished):
    _, result, store, _ = finished
    levels = list(csv.DictReader(io.StringIO(store.read_text(result.run_id, "levels.csv"))))
    assert [float(row["accuracy_test"]) for row in levels] == [
        row.accuracy_test for row in result.levels
    ]
    assert {"seed", "level", "sparsity", "accuracy_validation", "sparsity/conv1"} <= set(levels[0])
    text = store.read_text(result.run_id, "similarity.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(result.similarities) == 2 * 3 * 3 + 3
    assert {"seed", "level", "layer_index", "layer", "measure", "similarity", "n_samples",
            "dead_a", "dead_b"} <= set(rows[0])  # fmt: skip
    for row in rows:  # the dense level has no null, every other comparison its own
        assert (row["null"] == "") == (row["level"] == "0" and row["against"] == "dense")


def test_the_dimensions_are_those_of_the_stored_networks_on_the_probe_set(finished, keras):
    """Oracle: the network in the store, on the images that all levels share."""
    from tfprune.activations import collect_activations
    from tfprune.experiment.plan import make_plan, normalization_of
    from tfprune.geometry import levina_bickel, two_nn

    config, result, _, _ = finished
    plan = make_plan(config)
    network = result.model(2, seed=1)
    answers = collect_activations(
        network, plan.probe.images, normalization=normalization_of(plan, 1)
    )
    here = [row for row in result.descriptions if (row.seed, row.level) == (1, 2)]
    assert [(row.layer, row.quantity) for row in here] == [
        (layer, quantity)
        for layer in ("conv1", "conv2", "dense1")
        for quantity in ("dimension-twonn", "dimension-mle")
    ]
    for row in here:
        found = (two_nn if row.quantity == "dimension-twonn" else levina_bickel)(answers[row.layer])
        assert (row.value, row.low, row.high) == pytest.approx(
            (found.value, found.low, found.high), rel=1e-3
        )
        assert row.n_images == 100


def test_descriptions_stand_in_the_table_in_mlflow_and_in_the_report(finished):
    _, result, store, folder = finished
    text = store.read_text(result.run_id, "descriptions.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(result.descriptions) == 2 * 3 * 3 * 2
    assert len(result.descriptions_frame()) == len(rows)
    child = store.children(result.run_id)[2]  # seed 0, level 2
    mine = [
        row for row in result.descriptions
        if (row.seed, row.level, row.quantity) == (0, 2, "dimension-mle")
    ]  # fmt: skip
    profile = store.metric_history(child.id, "profile/dimension-mle")
    assert {point.step: point.value for point in profile} == {
        row.layer_index: row.value for row in mine
    }
    means = store.metric_history(result.run_id, "dimension-mle/01_conv2")
    both = [row.value for row in result.descriptions
            if (row.level, row.layer, row.quantity) == (1, "conv2", "dimension-mle")]  # fmt: skip
    assert means[1].value == pytest.approx(np.mean(both))
    page = (folder / "mlruns/runs" / result.key / "report.html").read_text()
    assert "Intrinsic dimension (TwoNN) over depth" in page
    assert "Facco, d&#39;Errico" in page
    assert (folder / "mlruns/runs" / result.key / "plots/dimension-mle.png").is_file()


def test_the_logged_model_is_sparse_and_carries_no_wrapper(finished, keras):
    _, result, store, _ = finished
    child = store.child(result.run_id, level=2, seed=0)
    masks = load_masks(store.download_artifact(child.id, "mask.npz"))
    model = keras.models.load_model(store.download_artifact(child.id, "model.keras"))
    assert not [layer.name for layer in model.layers if "prune" in layer.name]
    for name, mask in masks.items():
        kernel = model.get_layer(name).kernel.numpy()
        assert np.count_nonzero(kernel[~mask]) == 0
        assert np.count_nonzero(kernel) == mask.sum()


def test_checkpoints_are_gone_once_a_run_has_finished(finished):
    *_, folder = finished
    assert not list(folder.glob("mlruns/runs/*/checkpoint"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pruning": {"rewind_to": "2ep"}},
         "pruning.rewind_to: 2ep is past the end of training (2ep); nothing would be trained "
         "after it. Give an earlier step, or final to fine-tune."),
        ({"pruning": {"rewind_to": "9000it"}},
         "pruning.rewind_to: 9000it is past the end of training (10 steps); nothing would be "
         "trained after it. Give an earlier step, or final to fine-tune."),
        ({"training": {"epochs": "2ep", "batch_size": 5000}},
         "training.batch_size: 5000 is more than the 1167 training images. Lower it, or give a "
         "larger --train-split."),
    ],
)  # fmt: skip
def test_impossible_combinations_are_refused_before_anything_is_written(
    tmp_path, small, change, message
):
    with pytest.raises(ConfigError) as caught:
        run({**small, **change}, folder=tmp_path)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model": {"name": "digits-cn"}}, "did you mean 'digits-cnn'"),
        ({"pruning": {"exclude": ["con1"]}}, "no prunable layer 'con1'; did you mean 'conv1'"),
        ({"comparison": {"probe_size": 40, "measures": ["cca"]}}, "--probe-size"),
        ({"comparison": {"probe_size": 501}}, "--probe-size 501 is more than the 500"),
    ],
)
def test_what_the_model_or_data_rule_out_is_refused(tmp_path, small, change, match):
    with pytest.raises(InputError, match=match):
        run({**small, **change}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
