"""Linear algebra on the host that is left once moments are summed: `python -m benchmarks.algebra`.

Scores of four measures with interval and null, from moments of the widths and probe sizes of a
network, in 50 blocks and 10 pairings where `--memory` leaves room, as a GPU takes them. With
`--against FOLDER`, another checkout of the project, both are run in turn and the ratios of their
times are printed, and by how much their numbers differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
MEASURES = ("svcca", "cca", "pwcca", "cka")
#: network -> width of a hidden layer -> how many layers are so wide
NETWORKS = {
    "vgg16": {64: 2, 128: 2, 256: 3, 512: 6},
    "resnet20": {16: 7, 32: 6, 64: 6},
    "small": {8: 2, 16: 1},
}
SPLIT, PER_WIDTH, LEAST = 10_000, 20, 500  # images: of the test split, per channel, at least
BLOCKS, PAIRINGS, POINTS = 50, 10, 2


def rows_of(width: int, n_images: int) -> tuple[Any, Any]:
    """Return two layers' activations after ReLU (n_images * POINTS, width), a few channels dead."""
    rng = np.random.default_rng(width)
    n = n_images * POINTS
    scale = np.arange(1, width + 1) ** -0.5
    latent = rng.normal(size=(n, width))
    other = latent.copy()
    lost = width // 4
    other[:, -lost:] = rng.normal(size=(n, lost))  # what pruning took
    other += 0.3 * rng.normal(size=other.shape)
    sides = []
    for part in (latent, other):
        mix = np.linalg.qr(rng.normal(size=(width, width)))[0]
        rows = np.maximum((part * scale) @ mix + 0.1, 0.0).astype(np.float32)
        rows[:, rng.random(width) < 0.05] = 0.0
        sides.append(rows)
    return sides[0], sides[1]


def engines(network: str, memory: int) -> list[Any]:
    """Return a comparison for every width, filled as by a GPU; layers of a width share moments."""
    from tfprune.similarity import Comparison
    from tfprune.similarity.budget import Budget
    from tfprune.similarity.samples import derangement
    from tfprune.similarity.streaming import StreamedMoments, pieces_of, run_length

    found = []
    groups: dict[int, dict[int, int]] = {}
    for width, count in NETWORKS[network].items():
        n = min(max(LEAST, PER_WIDTH * width), SPLIT)
        groups.setdefault(n, {})[width] = count
    for n, widths in groups.items():
        names = {f"conv{width}_{k}": width for width, count in widths.items() for k in range(count)}
        engine = Comparison(
            [(name, name) for name in names], measures=MEASURES, blocks=BLOCKS,
            permutations=PAIRINGS, n_images=n, memory=memory,
        )  # fmt: skip
        pairs = engine.accumulator.pairs
        width_of = {key: names[key.layer] for pair in pairs for key in pair}
        room = Budget(pairs, width_of, PAIRINGS, engine.settings.memory)
        n_blocks = room.blocks(min(BLOCKS, n), held=0)
        store = StreamedMoments(pairs, n_blocks=n_blocks)
        nulls = [StreamedMoments(pairs, cross_only=True) for _ in range(PAIRINGS)]
        for width in widths:
            alike = [pair for pair in pairs if width_of[pair[0]] == width]
            one = alike[:1]
            rows = dict(zip(one[0], rows_of(width, n), strict=True))
            points = dict.fromkeys(one[0], POINTS)
            part = StreamedMoments(one, n_blocks=n_blocks)
            part.add(rows, points, pieces_of(0, n, run_length(n, n_blocks), n_blocks))
            share(part, store, alike)
            for k, null in enumerate(nulls):
                order = derangement(n, np.random.default_rng((width, k)))
                images = rows[one[0][1]].reshape(n, POINTS, width)[order]
                mixed = {**rows, one[0][1]: images.reshape(-1, width)}
                each = StreamedMoments(one, cross_only=True)
                each.shifts, each.widths = dict(part.shifts), dict(part.widths)
                each.add(mixed, points, pieces_of(0, n, n, 1))
                share(each, null, alike)
        engine.accumulator.take(
            store, nulls, dict.fromkeys(width_of, POINTS), n_images=n,
            dtype=np.dtype(np.float32), products=np.dtype(np.float64),
        )  # fmt: skip
        found.append(engine)
    return found


def share(part: Any, store: Any, pairs: list[Any]) -> None:
    """Give the moments of one pair to all of `pairs`."""
    (one,) = part.pairs
    for pair in pairs:
        store.between[pair] = part.between[one]
        for key, of in zip(pair, one, strict=True):
            store.shifts[key], store.widths[key] = part.shifts[of], part.widths[of]
            if not part.cross_only:
                store.within[key] = part.within[of]


def measure(network: str, memory: int, repeats: int) -> dict[str, Any]:
    """Return the seconds of scoring all layers, by the clock and of the processor, and numbers."""
    filled = engines(network, memory)
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        scores = {key: score for engine in filled for key, score in engine.scores().items()}
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    numbers = {
        "/".join(key): [score.value, *(score.interval or ()), score.null, score.null_high]
        for key, score in scores.items()
    }
    blocks = {len(next(iter(e.accumulator.store.within.values()))) for e in filled}
    intervals = sum(score.interval is not None for score in scores.values())
    return {"wall": min(walls), "cpu": min(cpus), "numbers": numbers, "blocks": sorted(blocks),
            "intervals": intervals}  # fmt: skip


def in_a_process(folder: Path, options: argparse.Namespace, network: str, threads: int) -> Any:
    """Return what `measure` finds with the tfprune of another folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(folder)}
    command = [sys.executable, str(HERE), "--one", "--network", network]
    run = subprocess.run(
        [*command, "--memory", str(options.memory), "--repeats", str(options.repeats)],
        env=environment, cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout.splitlines()[-1])


def off_by(ours: dict[str, list[Any]], theirs: dict[str, list[Any]]) -> float:
    """Return the largest difference between two sets of numbers; infinite where one has more."""
    if {k: len(v) for k, v in ours.items()} != {k: len(v) for k, v in theirs.items()}:
        return float("inf")
    pairs = ((a, b) for key in ours for a, b in zip(ours[key], theirs[key], strict=True))
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)


def table(options: argparse.Namespace) -> str:
    folders = [HERE.parents[1], *([options.against.resolve()] if options.against else [])]
    head = (
        f"{'network':10} {'threads':>7} {'wall s':>8} {'cpu s':>8} {'blocks':>12} {'intervals':>9}"
    )
    lines = [
        head + ("   before: wall, ratio    cpu, ratio  numbers off by" if options.against else "")
    ]
    for network in options.network:
        for threads in options.threads:
            found = [in_a_process(folder, options, network, threads) for folder in folders]
            ours = found[0]
            blocks = ",".join(map(str, ours["blocks"]))
            line = (
                f"{network:10} {threads:7} {ours['wall']:8.2f} {ours['cpu']:8.2f} {blocks:>12} "
                f"{ours['intervals']:9}"
            )
            if len(found) > 1:
                before = found[1]
                line += (
                    f"{before['wall']:15.2f} {before['wall'] / ours['wall']:6.2f} "
                    f"{before['cpu']:8.2f} {before['cpu'] / ours['cpu']:6.2f}  "
                    f"{off_by(ours['numbers'], before['numbers']):14.1e}"
                )
            lines.append(line)
            print(line, file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=["vgg16", "resnet20"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--memory", type=float, default=3.0, help="GiB for layers of one width [3]")
    parser.add_argument("--repeats", type=int, default=2, help="the quickest counts [2]")
    parser.add_argument("--against", type=Path, help="another checkout, run in turn")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        found = measure(options.network[0], int(options.memory * 2**30), options.repeats)
        print(json.dumps(found))
    else:
        print(table(options))


if __name__ == "__main__":
    main()
