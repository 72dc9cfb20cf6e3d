"""A finished run in Python, fresh and opened again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tfprune
from tfprune.errors import InputError

pytestmark = pytest.mark.slow
LOGS_EVERYTHING = True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def result(folder):
    """A run by keywords on a preset."""
    return tfprune.run(
        "digits-quick", levels=1, epochs="10it", replicates=2, control="random-mask",
        measures=["cka", "svcca"], probe_size=60, name="one", folder=folder,
        tell=lambda message: None,
    )  # fmt: skip


@pytest.mark.parametrize("reference", ["name", "run_id", "key"])
def test_a_run_that_is_opened_is_the_result_that_it_returned(result, folder, reference):
    opened = tfprune.open_run(getattr(result, reference), folder=folder)
    for item in dataclasses.fields(result):
        if item.name not in ("controls", "overlaps", "report"):
            assert getattr(opened, item.name) == getattr(result, item.name), item.name
    assert repr(opened) == repr(result)
    assert opened.answer == result.answer
    assert opened._repr_html_() == result._repr_html_()
    assert opened.frame().equals(result.frame())
    assert opened.levels_frame().equals(result.levels_frame())
    assert opened.overlaps == result.overlaps
    compared = {row.layer for row in result.similarities}
    for one, other in zip(opened.controls, result.controls, strict=True):
        known = {k: v for k, v in other.layer_sparsity.items() if k in compared}
        assert one == dataclasses.replace(other, layer_sparsity=known)
    assert opened.report == result.report
    for kind in ("accuracy", "controls-accuracy", "curves-loss"):
        assert opened.plot(kind)._repr_png_() == result.plot(kind)._repr_png_()


def test_a_levels_network_is_the_one_that_was_evaluated(result, folder):
    """By its zeros: as many weights are left as the level's record says."""
    for seed in (0, 1):
        for row in result.levels:
            if row.seed != seed:
                continue
            network = result.model(row.level, seed=seed)
            kernels = [v.numpy() for v in network.weights if "kernel" in v.name]
            assert sum(int(np.count_nonzero(k)) for k in kernels) == row.n_kept
    last = tfprune.open_run("one", folder=folder).model()
    again = result.model(1, seed=0)
    for one, other in zip(last.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_level_or_seed_that_is_not_there_is_said(result):
    for wanted, text in (
        ({"level": 2}, "the run 'one' has no level 2; it has 0, 1."),
        ({"level": 1, "seed": 7}, "the run 'one' has no seed 7; it has 0, 1."),
    ):
        with pytest.raises(InputError) as caught:
            result.model(**wanted)
        assert str(caught.value) == text


def test_networks_that_no_store_has_yet_are_said_with_the_remedy(result):
    waiting = dataclasses.replace(result, run_id=None)
    with pytest.raises(InputError) as caught:
        waiting.model(1)
    assert str(caught.value) == (
        "the networks of run 'one' are not in an MLflow store yet. Upload them with: tfprune "
        f"sync {result.key}"
    )


def test_a_run_that_is_not_there_is_an_input_error(result, folder):
    with pytest.raises(InputError, match=r"unknown run 'two'.*Known: one\."):
        tfprune.open_run("two", folder=folder)
