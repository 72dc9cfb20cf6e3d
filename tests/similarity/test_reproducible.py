"""The same batches give the same bits, whatever the cores, the threads and who finishes first."""

import os
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity import streaming as store
from tfprune.similarity.parallel import run_tasks, tiled_product

NARROW_LAYERS = {"conv": (64, 5, 5, 6), "small": (64, 3, 3, 10), "dense": (64, 12)}
WIDE_LAYERS = {"wide": (70, 560), "conv": (70, 2, 2, 40)}
CHEAP = [name for name in MEASURES.names() if name not in ("simple-match", "maximum-match")]


def found(layers, measures, *, memory, dtype):
    """Return every number that a comparison of the layers gives."""
    rng = np.random.default_rng(0)
    a = {name: rng.normal(size=shape).astype(dtype) for name, shape in layers.items()}
    b = {name: (v + rng.normal(size=v.shape)).astype(dtype) for name, v in a.items()}
    if dtype == "d":
        a["conv"][..., 1] = a["conv"][..., 0] + 1e-7 * a["conv"][..., 1]  # asks for QR
    comparison = Comparison(
        [(name, name) for name in layers],
        measures=measures, memory=memory, blocks=10, permutations=2, sample_size=40,
        replicates=10,
    )  # fmt: skip
    for start in range(0, 70, 30):
        part = slice(start, start + 30)
        comparison.update({k: v[part] for k, v in a.items()}, {k: v[part] for k, v in b.items()})
    return {key: score.as_dict() for key, score in comparison.scores().items()}


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("memory", [0, 2**29], ids=["streamed", "rows kept"])
@pytest.mark.parametrize(
    ("layers", "measures"),
    [
        pytest.param(NARROW_LAYERS, CHEAP, id="narrow"),
        pytest.param(WIDE_LAYERS, ["cka", "procrustes", "rsa"], marks=pytest.mark.slow, id="wide"),
    ],
)
def test_the_scores_have_the_same_bits_on_any_machine(monkeypatch, layers, measures, memory, dtype):
    augment, rng = store.augment, np.random.default_rng(1)

    def slowed(*args):
        time.sleep(float(rng.exponential(2e-4)))  # another one finishes first each time
        return augment(*args)

    expected = None
    for cores, threads in ((1, 1), (2, 2), (16, 2), (5, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        if cores > 1:
            monkeypatch.setattr(store, "augment", slowed)
        with threadpool_limits(threads, user_api="blas"):
            scores = found(layers, measures, memory=memory, dtype=dtype)
        expected = expected or scores
        assert repr(scores) == repr(expected)


def test_results_come_in_the_order_of_the_tasks():
    def work(task):
        time.sleep(0.02 if task == 0 else 0.0)
        return task

    assert run_tasks(range(9), work, threaded=True) == list(range(9))


def test_a_product_in_tiles_is_the_product():
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(40, 1100)), rng.normal(size=(40, 530))
    for pair in ((left, right), (left, left)):
        product = np.empty((1100, pair[1].shape[1]))
        np.testing.assert_allclose(tiled_product(*pair, product), pair[0].T @ pair[1], atol=1e-12)
