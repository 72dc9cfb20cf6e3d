"""All measures with intervals beside bare products of the same data, on two cores.

    python -m benchmarks.intervals

10.24 million data points of two layers 64 wide (10,000 images of 32 x 32), on two cores: seven
measures with intervals over 50 blocks, streamed in batches from memory that is used again, beside
X'X, Y'Y and X'Y alone in float64, in as many threads. The two take turns. Ratios of processor time
are printed too, which other work on the machine disturbs less. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

PIXELS, WIDTH, BATCH = 32 * 32, 64, 256
MEASURES = ("svcca", "cca", "pwcca", "cka", "cka-debiased", "procrustes", "linear-regression")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_240_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--null", action="store_true", help="with 3 random pairings too")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    os.environ["OMP_NUM_THREADS"] = str(options.cores)

    import numpy as np

    from tfprune.similarity import Comparison
    from tfprune.similarity.parallel import single_threaded_blas

    images = max(options.points // PIXELS, 64)
    rng = np.random.default_rng(0)
    shape = (BATCH, 32, 32, WIDTH)
    mix = rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
    batches = []
    for _ in range(4):
        a = np.maximum(rng.standard_normal(shape, np.float32), 0)
        batches.append((a, a @ mix + 0.5 * rng.standard_normal(shape, np.float32)))

    def parts() -> list[tuple[np.ndarray, np.ndarray]]:
        sizes = [min(BATCH, images - start) for start in range(0, images, BATCH)]
        return [(a[:n], b[:n]) for n, (a, b) in zip(sizes, batches * len(sizes), strict=False)]

    def measures() -> dict[tuple[str, str, str], object]:
        comparison = Comparison(
            [("l", "l")], measures=MEASURES, n_images=images, memory=0, null=options.null
        )
        for a, b in parts():
            comparison.update({"l": a}, {"l": b})
        return dict(comparison.scores())

    def products_of(part: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        total = np.zeros((2 * WIDTH,) * 2)
        rows = [side.reshape(-1, WIDTH) for side in part]
        for start in range(0, len(rows[0]), 2048):
            some = slice(start, start + 2048)
            both = np.concatenate([side[some] for side in rows], axis=1, dtype=np.float64)
            total += both.T @ both
        return total

    def products() -> np.ndarray:
        with single_threaded_blas(), ThreadPoolExecutor(options.cores) as pool:
            return np.sum(list(pool.map(products_of, parts())), axis=0)

    took: dict[str, list[float]] = {"measures": [], "products": []}
    spent: dict[str, list[float]] = {"measures": [], "products": []}
    for _ in range(options.repeats):
        for name, work in (("products", products), ("measures", measures)):
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            took[name].append(time.perf_counter() - wall)
            spent[name].append(time.process_time() - cpu)
    found = {name: median(times) for name, times in took.items()}
    cpu_ratio = median(spent["measures"]) / median(spent["products"])
    ratios = [m / p for m, p in zip(took["measures"], took["products"], strict=True)]
    print(f"each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; processor {cpu_ratio:.2f}")
    print(json.dumps({**found, "ratio": median(ratios), "processor": cpu_ratio}))


if __name__ == "__main__":
    main()
