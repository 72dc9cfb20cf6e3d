"""What a comparison holds stays within its bound on memory, or the least that it can be."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tfprune.similarity import Comparison, budget, score, statistics
from tfprune.similarity.budget import Budget
from tfprune.similarity.parallel import Helpers
from tfprune.similarity.streaming import Key

DEFAULTS = ("svcca", "cca", "pwcca", "cka")
ONE = [(Key("a", "l"), Key("b", "l"))]


def batches(width, n, *, seed=0):
    """Yield four batches of a layer of float32 and a noisy copy, n data points in all."""
    rng = np.random.default_rng(seed)
    for _ in range(4):
        a = rng.standard_normal((n // 4, width), dtype=np.float32)
        yield a, a + rng.standard_normal(a.shape, dtype=np.float32)


def peaks(comparison, layers, width, n):
    """Return the most bytes held beside a batch, while batches come in and while scored."""
    tracemalloc.start()
    try:
        read = 0
        for a, b in batches(width, n):
            before = tracemalloc.get_traced_memory()[0]
            held = comparison.accumulator.held()
            tracemalloc.reset_peak()
            comparison.update(dict.fromkeys(layers, a), dict.fromkeys(layers, b))
            read = max(read, tracemalloc.get_traced_memory()[1] - before + held)
            del a, b
        tracemalloc.reset_peak()
        comparison.scores()
        return read, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def no_room_of_its_own(monkeypatch):
    monkeypatch.setattr(budget, "LEAST_FOR_BLOCKS", 0)


@pytest.mark.parametrize("share", [1.0, 1.3, 3.0], ids=["least", "some blocks", "rows kept"])
def test_neither_reading_nor_scoring_takes_more_than_the_bound(share, no_room_of_its_own):
    width, n = 64, 8000
    bound = int(share * Budget(ONE, dict.fromkeys(ONE[0], width), 3, 0).least)
    comparison = Comparison(
        [("l", "l")], measures=["svcca", "cka"], memory=bound, n_images=n, permutations=10
    )
    assert max(peaks(comparison, ["l"], width, n)) <= bound
    assert (comparison.accumulator.store is None) == (share == 3.0)


def test_more_layers_take_no_more_work(no_room_of_its_own):
    """What was computed of a pair goes when it is done: only moments grow with the layers."""
    width, n, names = 64, 800, [f"l{k}" for k in range(6)]
    pairs = [(Key("a", name), Key("b", name)) for name in names]
    bound = Budget(pairs, {k: width for pair in pairs for k in pair}, 3, 0).least
    comparison = Comparison(zip(names, names, strict=True), measures=["cka"], memory=bound)
    assert max(peaks(comparison, names, width, n)) <= bound


@pytest.mark.slow
@pytest.mark.parametrize("measure", [*DEFAULTS, "pwcca-symmetric", "linear-regression",
                                     "cka-debiased", "procrustes", "maximum-match"])  # fmt: skip
def test_work_on_a_wide_pair_is_what_is_reckoned_with(measure):
    width = 256
    comparison = Comparison([("l", "l")], measures=[measure], memory=0, n_images=1024, blocks=25)
    _, peak = peaks(comparison, ["l"], width, 1024)
    room = comparison.accumulator.budget(dict.fromkeys(ONE[0], width))
    assert peak - comparison.accumulator.held() <= room.work


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["svcca", "pwcca", "cka"])
def test_threads_that_help_take_what_is_reckoned_with(measure, monkeypatch):
    width, helpers = 256, 3
    monkeypatch.setattr(statistics, "n_cores", lambda: 1 + helpers)
    room = Budget(ONE, dict.fromkeys(ONE[0], width), 3, 0)
    comparison = Comparison(
        [("l", "l")], measures=[measure], n_images=1024, blocks=25,
        memory=room.fixed + 25 * room.block + (helpers + 1) * room.help,
    )  # fmt: skip
    comparison.accumulator.spill()
    used = []
    monkeypatch.setattr(score, "Helpers", lambda n: used.append(n) or Helpers(n))
    _, peak = peaks(comparison, ["l"], width, 1024)
    assert used == [1 + helpers]
    held = comparison.accumulator.held()
    assert peak - held <= room.work + (1 + helpers) * room.help


@pytest.mark.parametrize(("threads", "extra"), [(1, 0), (3, 0), (1, 1)])
def test_no_more_pairs_at_a_time_than_memory_holds(monkeypatch, threads, extra):
    """Kept rows, their moments, and for each thread its work."""
    given, run = [], score.run_tasks

    def watched(*args, **options):
        given.append(options["at_most"])
        return run(*args, **options)

    monkeypatch.setattr(score, "run_tasks", watched)
    width, n = 64, 128
    x = np.random.default_rng(3).standard_normal((n, width))
    plan = Budget(ONE, dict.fromkeys(ONE[0], width), 0, 0)
    held = 2 * x.nbytes + plan.block
    each = plan.work
    comparison = Comparison([("l", "l")], measures=["cka"], blocks=0, permutations=0,
                            memory=held + threads * each + extra * (each - 1))  # fmt: skip
    comparison.update({"l": x}, {"l": x})
    comparison.scores()
    assert given == [threads]


def test_a_layer_with_more_features_than_data_points_is_kept_as_rows():
    """Its Gram coordinates are as many numbers as there are points, squared, not as features."""
    x = np.random.default_rng(0).standard_normal((40, 5000), dtype=np.float32)
    comparison = Comparison([("l", "l")], measures=["cka"], blocks=0, memory=100 * 2**20)
    comparison.update({"l": x}, {"l": x})
    assert comparison.accumulator.store is None
    tracemalloc.start()
    assert float(comparison.scores()["l", "l", "cka"]) == pytest.approx(1)
    assert tracemalloc.get_traced_memory()[1] < 8 * 5000**2 / 4
    tracemalloc.stop()
