"""What training and comparing cost: `python -m benchmarks.levels --model resnet20`.

Experiments on noise in the shape of CIFAR-10, one for each way of training and comparing that is
asked for, all in one process beside plain `model.fit` of tf_keras. Prints images per second,
seconds per comparison and the share of the experiment that comparing takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

N_TRAIN = 50_000


class Way:
    """How an experiment is run: settings over the benchmark's own."""

    def __init__(self, text: str) -> None:
        self.text = text
        parts = dict(part.split("=") for part in text.split(","))
        self.xla = parts.get("xla", "auto")
        self.compare_on = parts.get("compare", "auto")
        self.precision = parts.get("precision", "float32")
        self.bootstrap = int(parts["bootstrap"]) if "bootstrap" in parts else None


def noise(n_train: int) -> None:
    """Register a data set of noise about ten prototypes, as 8-bit images of 32 x 32."""
    from tfprune.data import names
    from tfprune.data.dataset import Examples, Source

    def load(name: str, **options: Any) -> Source:
        rng = np.random.default_rng(0)
        prototypes = rng.normal(size=(10, 32, 32, 3)).astype(np.float32)

        def examples(n: int) -> Examples:
            labels = rng.integers(0, 10, n).astype(np.int64)
            images = rng.standard_normal((n, 32, 32, 3), np.float32)
            images *= 50
            images += prototypes[labels] * 25 + 128
            images = np.clip(images, 0, 255).astype(np.uint8)
            return Examples(images, labels, np.arange(n))

        classes = tuple("abcdefghij")
        return Source(examples(n_train), examples(n_train // 5), classes, {"source": "noise"})

    module = types.ModuleType("noise_like_cifar10")
    module.load = load  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    names.DATASETS.add("noise", "noise_like_cifar10:load", "noise in the shape of CIFAR-10")


def plan_of(options: argparse.Namespace, way: Way) -> Any:
    from tfprune.config import from_dict
    from tfprune.experiment.plan import make_plan

    return make_plan(from_dict({
        "data": {"dataset": "noise"},
        "model": {"name": options.model},
        "pruning": {"levels": options.levels},
        "training": {"epochs": f"{options.epochs}ep", "batch_size": options.batch,
                     "optimizer": "momentum", "learning_rate": 0.01, "xla": way.xla,
                     "precision": way.precision},
        "comparison": {"compare_on": way.compare_on, "bootstrap": way.bootstrap},
    }))  # fmt: skip


def experiment(options: argparse.Namespace, way: Way) -> dict[str, Any]:
    """Return the seconds of every epoch and comparison of one experiment.

    Of a comparison that takes its moments on the device, also those until they were in memory.
    """
    import tfprune.experiment.loop as executing
    from tfprune.experiment.events import EpochFinished, Event, LevelStarted
    from tfprune.experiment.on_device import DeviceMoments

    epochs: list[float] = []
    comparisons: list[float] = []
    moments: list[float] = []
    compare, fill = executing.compare_with_reference, DeviceMoments.fill

    def filled(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        found = fill(*arguments, **named)
        moments.append(time.perf_counter() - start)
        return found

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        found = compare(*arguments, **named)
        comparisons.append(time.perf_counter() - start)
        return found

    class Clock:
        def __call__(self, event: Event) -> None:
            now = time.perf_counter()
            if isinstance(event, EpochFinished):
                epochs.append(now - self.start)
            if isinstance(event, (LevelStarted, EpochFinished)):
                self.start = now

    plan = plan_of(options, way)
    start = time.perf_counter()
    executing.compare_with_reference, DeviceMoments.fill = timed, filled  # type: ignore[method-assign]
    try:
        ledger = executing.execute(plan, Clock())
    finally:
        executing.compare_with_reference, DeviceMoments.fill = compare, fill  # type: ignore[method-assign]
    seconds = time.perf_counter() - start
    later = float(np.median(epochs[1:])) if len(epochs) > 1 else epochs[0]
    return {
        "way": way.text,
        "model": options.model,
        "batch": options.batch,
        "seconds": seconds,
        "epochs": epochs,
        "comparisons": comparisons,
        "moments": moments,
        "share_comparing": sum(comparisons) / seconds,
        "images_per_second": len(plan.dataset.train) / later,
        "first_epoch_more": epochs[0] - later,
        "accuracy": [row.accuracy_test for row in ledger.levels],
        "similarity": {
            f"{row.level}/{row.layer}/{row.measure}": [row.similarity, row.low, row.high, row.null]
            for row in ledger.similarities
        },
    }


def bare_fit(options: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of each epoch of `model.fit` on the same data, nothing pruned."""
    import tensorflow as tf
    import tf_keras

    from tfprune.data import normalization
    from tfprune.experiment.plan import build_network

    plan = plan_of(options, Way("xla=off"))
    network = build_network(plan.config, plan.dataset, seed=0)
    scale = normalization(plan.dataset.train.images, "standard")
    train = plan.dataset.train
    data = (
        tf.data.Dataset.from_tensor_slices((train.images, train.labels))
        .shuffle(10_000, seed=0)
        .batch(options.batch)
        .map(lambda x, y: (scale.apply(x), y), num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    network.compile(
        tf_keras.optimizers.SGD(0.01, momentum=0.9, jit_compile=False),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    epochs: list[float] = []
    for _ in range(options.epochs + 1):
        start = time.perf_counter()
        network.fit(data, epochs=1, verbose=0)
        epochs.append(time.perf_counter() - start)
    return {
        "way": "model.fit",
        "model": options.model,
        "batch": options.batch,
        "epochs": epochs,
        "images_per_second": len(train) / float(np.median(epochs[1:])),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return what the runs showed, one line each."""
    lines = [
        f"{'model':10} {'way':34} {'images/s':>9} {'1st epoch':>9}  comparing, seconds (share)"
    ]
    for row in rows:
        took = ", ".join(f"{seconds:.2f}" for seconds in row.get("comparisons", ()))
        if row.get("moments"):
            took += f"; moments of them {row['moments'][-1]:.2f}"
        share = f" ({row['share_comparing']:.0%})" if "share_comparing" in row else ""
        more = row.get("first_epoch_more", row["epochs"][0] - row["epochs"][-1])
        lines.append(
            f"{row['model']:10} {row['way']:34} {row['images_per_second']:9.0f} {more:+8.1f}s  "
            f"{took}{share}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--train", type=int, default=N_TRAIN, help="training images")
    parser.add_argument(
        "--way", action="append", help="xla=on|off|auto,compare=gpu|cpu|auto,"
        "precision=float32|bfloat16,bootstrap=N; repeatable",
    )  # fmt: skip
    parser.add_argument("--fit", action="store_true", help="plain model.fit beside them")
    parser.add_argument("--out", type=Path, help="file that gets a line of JSON for every run")
    options = parser.parse_args()
    from tfprune.training.backend import gpu, start_tensorflow

    start_tensorflow()
    noise(options.train)
    rows: list[dict[str, Any]] = []
    device = gpu()
    runs = [lambda way=way: experiment(options, Way(way)) for way in options.way or ["xla=auto"]]
    for run in [*runs, *([lambda: bare_fit(options)] if options.fit else [])]:
        row = {"device": device.name if device else "CPU", **run()}
        rows.append(row)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        print(table(rows[-1:]), flush=True)
    print(f"\n{rows[0]['device']}\n{table(rows)}")


if __name__ == "__main__":
    main()
