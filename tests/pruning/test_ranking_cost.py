"""What ranking a large network costs."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from tfprune.pruning.kernels import PrunableTensor, count_kept, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext


def large_network(n_weights, *, n_layers=10):
    tensors = tuple(
        PrunableTensor(f"layer{i}", "dense", (n_weights // n_layers, 1)) for i in range(n_layers)
    )
    rng = np.random.default_rng(0)
    weights = {t.name: rng.standard_normal(t.shape, dtype=np.float32) for t in tensors}
    return PruningContext(tensors=tensors, weights=weights, masks=full_masks(tensors))


@pytest.mark.parametrize("values", ["distinct", "all equal"])
def test_global_ranking_takes_less_than_three_times_the_weights_memory(values):
    context = large_network(2_000_000)
    if values == "all equal":
        for array in context.weights.values():
            array[:] = 1
    tracemalloc.start()
    masks = prune(context, rates=0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(count_kept(masks).values()) == 1_900_000
    assert peak < 3 * sum(w.nbytes for w in context.weights.values())


@pytest.mark.slow
def test_twenty_five_million_weights_are_ranked_in_under_two_seconds():
    context = large_network(25_000_000)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        prune(context, rates=0.2)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 2
