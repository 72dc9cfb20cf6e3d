"""What training and comparing cost on a GPU, all in one command: `python -m benchmarks.gpu`.

Prints a row for each number beside its goal, in the order of the rows below, and stops beginning
new ones when `--minutes` are over (8 by default; what was left out is said). Images are noise of
CIFAR-10's shape. `--small` goes through everything in a minute or two on a CPU, with the moments
taken on it by the same functions, to see that the command works: its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.levels import Way, experiment, noise

#: images of a comparison's moments in a run of their own
IMAGES = 2000


@dataclass(frozen=True)
class Row:
    """A number, its goal (met where `at_least`, or not above) and what to know of it."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    def text(self) -> str:
        goal, met = "", ""
        if self.goal is not None:
            goal = f"{'>=' if self.at_least else '<='} {self.goal:,.4g}"
            good = self.value >= self.goal if self.at_least else self.value <= self.goal
            met = "met" if good else "MISSED"
        value = f"{self.value:,.4g} {self.unit}"
        return f"{self.what:58} {value:>18} {goal:>12} {met:7} {self.note}".rstrip()


def of_experiment(network: str, options: argparse.Namespace, goal: float) -> Iterator[Row]:
    """Yield what an experiment of two levels of ten epochs shows of comparing and training."""
    small = options.small
    label = "stand-in" if small else network
    given = argparse.Namespace(
        model="digits-cnn" if small else network, epochs=1 if small else 10, levels=2,
        batch=128, train=options.train,
    )  # fmt: skip
    compare_on = "auto" if small else "gpu"
    found = experiment(given, Way(f"xla={'off' if small else 'on'},compare={compare_on}"))
    later = found["comparisons"][-1]
    moments = found["moments"][-1]
    note = f"moments {moments:.2f}; first comparison {found['comparisons'][0]:.1f}"
    yield Row(f"{label}: comparing one level, four measures", later, "s", goal, note=note)
    yield Row(f"{label}: comparing, share of ten epochs a level", 100 * found["share_comparing"],
              "%", 5, note=f"{found['seconds']:.0f} s in all, compiling included")  # fmt: skip
    epochs = found["epochs"][1:]
    steady = later / (later + given.epochs * median(epochs))
    yield Row(f"{label}: the same of a later level", 100 * steady, "%", 5)
    yield Row(f"{label}: training after compiling, batch 128", found["images_per_second"],
              "images/s", 25_000 if network == "resnet20" else None, at_least=True,
              note=f"first epoch {found['first_epoch_more']:+.0f} s")  # fmt: skip


def moments_beside_forward(network: str, options: argparse.Namespace) -> Iterator[Row]:
    """Yield how much longer two forward passes take with the moments of all layers."""
    import tensorflow as tf

    from benchmarks.levels import plan_of
    from tfprune.activations import ActivationReader
    from tfprune.activations.batches import MomentRequest
    from tfprune.activations.moments import BATCH, MomentReader, full_precision
    from tfprune.data import normalization
    from tfprune.experiment.plan import build_network
    from tfprune.similarity.streaming import Key

    given = argparse.Namespace(model="digits-cnn" if options.small else network, epochs=1, levels=1,
                               batch=128)  # fmt: skip
    label = "stand-in" if options.small else network
    plan = plan_of(given, Way("xla=off"))
    scale = normalization(plan.dataset.train.images)
    readers = [ActivationReader(build_network(plan.config, plan.dataset, seed=seed),
                                normalization=scale) for seed in (0, 1)]  # fmt: skip
    n = min(IMAGES, len(plan.dataset.test.images)) // (20 if options.small else 1)
    images = plan.dataset.test.images[:n]
    names = [layer.name for layer in readers[0].layers]
    device = "/CPU:0" if options.small else "/GPU:0"
    passes = [reader.in_graph(names) for reader in readers]

    @tf.function(autograph=False)
    def forward(batch: Any) -> Any:
        answers = [answer for each in passes for answer in each(batch)]
        return tf.add_n([tf.reshape(answer, [-1])[-1] for answer in answers])

    def bare() -> None:
        with tf.device(device), full_precision():
            for start in range(0, n, BATCH):
                forward(tf.constant(images[start : start + BATCH])).numpy()

    pairs = tuple((Key("a", name), Key("b", name)) for name in names)

    def moments(blocks: int, nulls: int) -> Callable[[], object]:
        request = MomentRequest(pairs=pairs, layout="pixels", n_images=n, n_blocks=blocks,
                                n_nulls=nulls)  # fmt: skip
        reader = MomentReader(*readers, [request], device=device, memory=2**31)
        return lambda: reader.read(images)

    seconds = {}
    ways = {"forward": bare, "alone": moments(1, 0), "all": moments(50, 10)}
    for way in ways.values():
        way()
    for name, way in ways.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
        seconds[name] = median(times)
    extra = 100 * (seconds["alone"] / seconds["forward"] - 1)
    yield Row(f"{label}: moments alone over two bare forward passes", extra, "%", 25,
              note=f"{seconds['alone']:.3f} s for {seconds['forward']:.3f} s")  # fmt: skip
    extra = 100 * (seconds["all"] / seconds["forward"] - 1)
    yield Row(f"{label}: the same with 50 blocks and 10 pairings", extra, "%",
              note=f"{seconds['all']:.3f} s")  # fmt: skip


def intervals_beside_products(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the time of all measures with intervals over that of bare products, on two cores."""
    points = 10_240 if options.small else 10_240_000
    command = [sys.executable, "-m", "benchmarks.intervals", "--points", str(points)]
    done = subprocess.run(command, check=True, capture_output=True, text=True,
                          env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    yield Row("two CPU cores: all measures with intervals over products", found["ratio"], "times",
              1.5, note=f"{found['measures']:.1f} s for {found['products']:.1f} s")  # fmt: skip


def digits(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the seconds of the default experiment on the CPU, its libraries' start included."""
    short = ["--levels", "1", "--epochs", "1"] if options.small else []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [Path(sys.executable).parent / "tfprune", "run", "--device", "cpu", *short],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        took = time.perf_counter() - start
    yield Row("CPU: the default experiment on digits, whole", took, "s", 18)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--small", action="store_true", help="a try of everything, on a CPU")
    parser.add_argument("--train", type=int, help="training images [50000]")
    parser.add_argument("--no-cpu", action="store_true", help="leave the CPU's two numbers out")
    options = parser.parse_args()
    options.train = options.train or (1500 if options.small else 50_000)
    start = time.perf_counter()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from tfprune.training import backend

    backend.start_tensorflow()
    device = backend.gpu()
    if device is None and not options.small:
        parser.error("TensorFlow sees no GPU ('tfprune doctor' says why); --small tries this here")
    if options.small:
        backend.moment_device = lambda choice: "/CPU:0"
    noise(options.train)
    # seconds that each is expected to take on an H100
    parts: list[tuple[str, float, Callable[[], Iterator[Row]]]] = [
        ("resnet20", 110, lambda: of_experiment("resnet20", options, 1.0)),
        ("vgg16", 130, lambda: of_experiment("vgg16", options, 1.5)),
        ("moments", 30, lambda: moments_beside_forward("resnet20", options)),
        ("moments of vgg16", 40, lambda: moments_beside_forward("vgg16", options)),
    ]
    if not options.no_cpu:
        parts += [
            ("intervals", 60, lambda: intervals_beside_products(options)),
            ("digits", 40, lambda: digits(options)),
        ]
    print(f"{device.name if device else 'no GPU'}, {os.cpu_count()} cores", flush=True)
    for name, expected, part in parts:
        spent = time.perf_counter() - start
        if spent + expected > 60 * options.minutes:
            print(f"left out, {expected:.0f} s would pass {options.minutes:g} minutes: {name}")
            continue
        for row in part():
            print(row.text(), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
