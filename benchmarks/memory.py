"""Peak memory of comparing one wide layer, beside the bound that --memory sets.

    python -m benchmarks.memory --width 512 1024 --memory 0.25 0.5 1

Each line is a process of its own: batches of activations as a network hands them over, compared by
the default measures with intervals and null. Of --memory the dense network's activations take at
most half; the bound is on what is left for the comparison where they do: rows, moments by block,
and what linear algebra works in. Printed beside it are the least that such a layer takes, what all
rows would take, and by how much the process grew beyond what it had with the first batch in hand,
while it read and at its peak. A peak beyond the bound, or the least where that is more, ends it
with status 1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

PIXELS = 8 * 8
BATCH = 64
MEASURES = ("svcca", "cca", "pwcca", "cka")


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def compare(width: int, images: int, memory: int) -> dict[str, int]:
    """Return what comparing a layer with a noisy copy of it took beyond a batch of each."""
    import numpy as np

    from tfprune.similarity import Comparison

    rng = np.random.default_rng(0)
    comparison = Comparison(
        [("wide", "wide")], measures=MEASURES, n_images=images, memory=memory, permutations=10
    )
    mix = rng.normal(size=(width, width)).astype(np.float32) / width**0.5
    before = 0
    for _ in range(0, images, BATCH):
        a = rng.normal(size=(BATCH, 8, 8, width)).astype(np.float32)
        b = a @ mix + 0.5 * rng.normal(size=a.shape).astype(np.float32)
        before = before or peak_bytes()
        comparison.update({"wide": a}, {"wide": b})
    streamed = peak_bytes() - before
    comparison.scores()
    return {"streamed": streamed, "grown": peak_bytes() - before}


def least_of(width: int) -> int:
    """Return the bytes that comparing a layer so wide takes at least."""
    from tfprune.similarity.accumulator import STREAMED_PERMUTATIONS
    from tfprune.similarity.budget import Budget
    from tfprune.similarity.streaming import Key

    pair = Key("a", "wide"), Key("b", "wide")
    return Budget([pair], dict.fromkeys(pair, width), STREAMED_PERMUTATIONS, 0).least


def measured(width: int, images: int, memory: int) -> dict[str, int]:
    """Return the same from a process of its own, whose peak is not another one's."""
    command = [sys.executable, "-m", "benchmarks.memory", "--one"]
    command += [str(width), str(images), str(memory)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print a line for every width and bound; return 1 where a peak is beyond its bound."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--memory", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="GiB")
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--one", type=int, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(compare(*given.one)))
        return 0
    print("channels  --memory     bound     least  all rows  while read  at its peak  (MB)")
    n_over = 0
    for width in given.width:
        for gib in given.memory:
            bound = int(gib * 2**30 / 2)
            took = measured(width, given.images, bound)
            rows = 2 * 4 * given.images * PIXELS * width
            least = least_of(width)
            numbers = (bound, least, rows, took["streamed"], took["grown"])
            shown = "  ".join(f"{n / 1e6:>8.0f}" for n in numbers)
            over = took["grown"] > max(bound, least)
            n_over += over
            print(f"{width:<9} {gib:<8g}{shown}{'  beyond the bound' if over else ''}", flush=True)
    return 1 if n_over else 0


if __name__ == "__main__":
    sys.exit(main())
