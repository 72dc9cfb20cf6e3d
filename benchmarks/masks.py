"""Global ranking of a 25 M-weight network: time and peak memory beside a plain argsort.

    python benchmarks/masks.py [--weights 25000000] [--repeats 3]

Prints one line per method: seconds (best of the repeats), peak memory as a multiple of the
weights' own. Memory is what NumPy allocates (tracemalloc), the result included.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from tfprune.pruning.kernels import Mask, PrunableTensor, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext


def resnet_like(n_weights: int) -> PruningContext:
    """Return float32 conv kernels of `n_weights` in all, in layers as large as ResNet-50's."""
    tensors, left = [], n_weights
    while left:
        channels = 512 if left >= 9 * 512 * 512 else 1
        size = 9 * channels * channels if channels > 1 else left
        shape = (3, 3, channels, channels) if channels > 1 else (1, 1, 1, left)
        tensors.append(PrunableTensor(f"conv{len(tensors):02d}", "conv", shape))
        left -= size
    rng = np.random.default_rng(0)
    weights = {t.name: rng.standard_normal(t.shape, dtype=np.float32) for t in tensors}
    return PruningContext(tensors=tuple(tensors), weights=weights, masks=full_masks(tuple(tensors)))


def by_argsort(context: PruningContext, fraction: float) -> dict[str, Mask]:
    """The textbook way: sort all magnitudes, remove the first ones."""
    flat = np.concatenate([np.abs(w).ravel() for w in context.weights.values()])
    kept = np.concatenate([m.ravel() for m in context.masks.values()])
    order = np.argsort(flat, kind="stable")
    order = order[kept[order]]
    kept[order[: int(fraction * order.size)]] = False
    ends = np.cumsum([t.size for t in context.tensors])[:-1]
    parts = np.split(kept, ends)
    return {t.name: p.reshape(t.shape) for t, p in zip(context.tensors, parts, strict=True)}


def measure(
    work: Callable[[], dict[str, Mask]], repeats: int
) -> tuple[float, int, dict[str, Mask]]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return min(seconds), peak, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=int, default=25_000_000, help="number of weights")
    parser.add_argument("--repeats", type=int, default=3, help="the best time of so many")
    options = parser.parse_args()
    context = resnet_like(options.weights)
    n_bytes = sum(w.nbytes for w in context.weights.values())
    print(f"{options.weights:,} float32 weights in {len(context.tensors)} layers, 20% removed")
    ours = measure(lambda: prune(context, scope="global", rates=0.2), options.repeats)
    theirs = measure(lambda: by_argsort(context, 0.2), options.repeats)
    for name, (seconds, peak, _) in {"prune": ours, "np.argsort": theirs}.items():
        print(f"{name:12s} {seconds:7.3f} s   peak {peak / n_bytes:5.2f} x the weights' memory")
    same = all(np.array_equal(ours[2][name], mask) for name, mask in theirs[2].items())
    faster, smaller = theirs[0] / ours[0], theirs[1] / ours[1]
    verdict = "identical" if same else "DIFFER"
    print(f"ratio        {faster:7.1f} x faster, {smaller:.1f} x less memory; masks {verdict}")
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
