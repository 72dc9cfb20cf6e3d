"""An experiment that takes its moments on a device says what NumPy says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tfprune.config import from_dict
from tfprune.experiment import on_device
from tfprune.experiment.comparing import Reference, compare_with_reference
from tfprune.pruning.kernels import full_masks


@pytest.fixture(scope="module")
def made(keras):
    """A plan on the digits, and readers of its dense network and of one with other weights."""
    from tfprune.activations import ActivationReader
    from tfprune.data import normalization
    from tfprune.experiment.plan import build_network, make_plan

    plan = make_plan(
        from_dict({"comparison": {"measures": ["svcca", "cca", "cka", "rsa"], "probe_size": 200}})
    )
    scale = normalization(plan.dataset.train.images)
    networks = [build_network(plan.config, plan.dataset, seed=seed) for seed in (0, 1)]
    return plan, [ActivationReader(network, normalization=scale) for network in networks]


def compared(made, monkeypatch, device, measures, *, level=1, memory=2.0):
    import dataclasses

    plan, (a, b) = made
    monkeypatch.setattr("tfprune.training.backend.moment_device", lambda choice: device)
    comparison = dataclasses.replace(
        plan.config.comparison, measures=measures, memory=memory, bootstrap=30
    )
    reference = Reference(
        a, plan.probe.images, n_images=plan.n_probe, memory=2**30,
        moments=on_device.device_moments(comparison),
    )  # fmt: skip
    rows = compare_with_reference(
        reference, b, plan.probe.images, comparison, tensors=plan.tensors,
        masks=full_masks(plan.tensors), seed=0, level=level,
    )  # fmt: skip
    return reference, rows


def lost_directions(warnings: str) -> int:
    found = re.search(r"(\d+) of \d+ directions can't be told from lost ones", warnings)
    return int(found[1]) if found else 0


def test_levels_compare_alike_on_the_device_and_by_numpy(made, monkeypatch):
    """Values, intervals and facts; pairings are drawn otherwise where NumPy keeps all rows."""
    measures = ("svcca", "cca", "cka")
    kept, expected = compared(made, monkeypatch, None, measures)
    reference, rows = compared(made, monkeypatch, "/CPU:0", measures)
    assert kept._batches is not None
    assert reference._batches is None, "activations were kept although nothing needs them"
    assert len(rows) == len(expected) > 0
    for ours, theirs in zip(rows, expected, strict=True):
        # how many directions may be lost depends on pairings, as the null does, and with it the
        # end that reaches to where they are: by a direction's share for each
        counts = [lost_directions(row.warnings) for row in (ours, theirs)]
        more = abs(counts[0] - counts[1]) / min(ours.rank_a, ours.rank_b)
        for name, allowed in (
            ("similarity", 1e-5),
            ("low", more + 0.05 if any(counts) else 1e-5),
            ("high", 1e-5),
        ):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=allowed)
        for name in ("layer", "measure", "n_images", "n_samples", "rank_a", "rank_b", "dead_b"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert ours.null == pytest.approx(theirs.null, abs=0.05)


@pytest.mark.slow
def test_a_level_compared_with_itself_has_neither_interval_nor_null(made, monkeypatch):
    _, rows = compared(made, monkeypatch, "/CPU:0", ("cka",), level=0)
    assert {(row.low, row.high, row.null) for row in rows} == {(None, None, None)}


@pytest.mark.slow
def test_one_compiled_function_serves_all_levels(made, monkeypatch):
    plan, (_, b) = made
    reference, _ = compared(made, monkeypatch, "/CPU:0", ("cka",), level=0)
    (reader,) = reference.moments._readers.values()
    for level in (1, 2):
        compare_with_reference(
            reference, b, plan.probe.images, plan.config.comparison.__class__(measures=("cka",)),
            tensors=plan.tensors, masks=full_masks(plan.tensors), seed=0, level=level,
        )  # fmt: skip
    assert list(reference.moments._readers.values()) == [reader]
    assert reader._step.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_measures_of_rows_see_the_activations_themselves(made, monkeypatch):
    reference, rows = compared(made, monkeypatch, "/CPU:0", ("cka", "rsa"))
    _, expected = compared(made, monkeypatch, None, ("cka", "rsa"))
    assert reference.moments._readers == {}
    np.testing.assert_array_equal(
        [row.similarity for row in rows], [row.similarity for row in expected]
    )


@pytest.mark.slow
@pytest.mark.parametrize("device", [None, "/CPU:0"])
def test_copies_among_the_probe_images_take_the_intervals(made, monkeypatch, device):
    """On the device only moments come back, so there the images themselves are looked at."""
    import dataclasses

    plan, readers = made
    images = np.concatenate([plan.probe.images[:100], plan.probe.images[:100]])
    twice = dataclasses.replace(plan, probe=dataclasses.replace(plan.probe, images=images))
    _, rows = compared((twice, readers), monkeypatch, device, ("cka",))
    assert {row.low for row in rows} == {None}
    assert all("200 of 200 images are near-copies" in row.warnings for row in rows)
