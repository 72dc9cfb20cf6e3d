"""Time of an IMP experiment's training beside the bare tf_keras fit calls that it contains.

    python -m benchmarks.imp [--network conv4 --network resnet20] [--levels 5] [--steps 30]

Two processes per network, each with a fresh TensorFlow, take turns level by level, so that both
meet the same load of the machine. One runs tfprune's own code: train, prune by global magnitude,
rewind, train again. The other calls `model.fit` of the same network as often, on the same images
in the same order (normalised beforehand), with the same batches, optimizer, loss and accuracy,
and default settings of TensorFlow; nothing is pruned, rewound or logged there. Building and
tracing are timed on both sides, importing is not. Images are noise in the shape of CIFAR-10.

ratio       whole experiment, tfprune / fit (goal: at most 1.10)
speed-up    images per second at the later levels, median level (goal: at least 1.2)
traces      how often the training step was traced at each level (goal: 1, then 0)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

import numpy as np

RATE = 1e-3


def images_and_labels(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, n).astype(np.int64)


def serve(levels: Any) -> None:
    """Run one level for every line that arrives, and answer with what it took."""
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), sum(os.times()[:2])
        told = next(levels)
        answer = {
            "seconds": time.perf_counter() - wall,
            "cpu": sum(os.times()[:2]) - cpu,
            **told,
        }
        print(json.dumps(answer), flush=True)


def tfprune_levels(network: str, batch: int, steps: int, precision: str) -> Any:
    """Yield after every level of an experiment run by tfprune."""
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    from tfprune.config import TrainingConfig
    from tfprune.data import normalization
    from tfprune.data.dataset import Dataset, Examples
    from tfprune.models import build_model
    from tfprune.pruning.kernels import full_masks
    from tfprune.pruning.masks import prune
    from tfprune.training.hooks import make_context
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.trainer import Trainer

    images, labels = images_and_labels(batch * steps)
    train = Examples(images, labels, np.arange(len(labels)))
    none = train.take(np.arange(0))
    data = Dataset("noise", train, none, none, 10, tuple("abcdefghij"), {})
    training = TrainingConfig(
        epochs="1ep", batch_size=batch, optimizer="momentum", learning_rate=RATE
    )
    yield
    model = build_model(network, input_shape=(32, 32, 3), n_classes=10, seed=0)
    prunable = PrunableNetwork(model, precision=precision)
    trainer = Trainer(prunable, data, training, seed=0, normalization=normalization(images))
    rewind = trainer.state()
    masks = full_masks(prunable.tensors)
    level = traces = 0
    while True:
        trainer.train()
        yield {"traces": trainer.n_traces - traces}
        level, traces = level + 1, trainer.n_traces
        context = make_context(trainer, needs=(), masks=masks, level=level, seed=0)
        masks = prune(context, rates=0.2)
        prunable.set_masks(masks)
        trainer.restore(rewind)


def fit_levels(network: str, batch: int, steps: int) -> Any:
    """Yield after every fit call of a plain tf_keras model."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow  # noqa: F401  (imported here, so that the clock doesn't see it)
    import tf_keras

    from tfprune.data import epoch_plan, normalization
    from tfprune.models import build_model

    images, labels = images_and_labels(batch * steps)
    order = epoch_plan(len(labels), seed=0, epoch=0).order
    x = normalization(images).apply(images)[order]
    y = labels[order]
    yield
    model = build_model(network, input_shape=(32, 32, 3), n_classes=10, seed=0)
    model.compile(
        tf_keras.optimizers.SGD(RATE, momentum=0.9),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    while True:
        model.fit(x, y, batch_size=batch, epochs=1, shuffle=False, verbose=0)
        yield {}


def ask(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a worker ended with status {process.wait()}")
    return json.loads(line)


def start(side: str, options: argparse.Namespace, network: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.imp", "--worker", side, "--network", network]
    command += ["--steps", str(options.steps), "--precision", options.precision]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"the {side} worker did not start")
    return process


def batch_of(network: str) -> int:
    """The batch sizes of Frankle & Carbin (2019)."""
    return 128 if network.startswith("resnet") else 60


def compare(network: str, options: argparse.Namespace) -> dict[str, Any]:
    workers = {side: start(side, options, network) for side in ("fit", "tfprune")}
    taken: dict[str, list[dict[str, Any]]] = {side: [] for side in workers}
    try:
        for level in range(options.levels + 1):
            for side in list(workers)[:: 1 if level % 2 else -1]:
                taken[side].append(ask(workers[side]))
    finally:
        for worker in workers.values():
            worker.terminate()
    n_images = batch_of(network) * options.steps
    result: dict[str, Any] = {"network": network, "precision": options.precision}
    for clock in ("seconds", "cpu"):
        whole = {side: sum(level[clock] for level in taken[side]) for side in taken}
        later = {side: [level[clock] for level in taken[side][1:]] for side in taken}
        pairs = zip(later["fit"], later["tfprune"], strict=True)
        result[clock] = {
            **{side: round(whole[side], 2) for side in taken},
            "ratio": round(whole["tfprune"] / whole["fit"], 3),
            "speed-up": round(median(fit / ours for fit, ours in pairs), 3),
            "images/s": {side: round(n_images / median(later[side])) for side in taken},
            "first level": {side: round(taken[side][0][clock], 2) for side in taken},
        }
    result["traces"] = [level["traces"] for level in taken["tfprune"]]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--network", action="append", help="built-in model, repeatable")
    parser.add_argument("--levels", type=int, default=5, help="levels after the dense one")
    parser.add_argument("--steps", type=int, default=30, help="optimizer steps of a level")
    parser.add_argument("--precision", default="float32", help="of tfprune's side")
    parser.add_argument("--worker", choices=("fit", "tfprune"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    networks = options.network or ["conv4", "resnet20"]
    if options.worker:
        given = networks[0], batch_of(networks[0]), options.steps
        fit = options.worker == "fit"
        levels = fit_levels(*given) if fit else tfprune_levels(*given, options.precision)
        next(levels)  # imports and data
        serve(levels)
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for network in networks:
        print(json.dumps(compare(network, options)), flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
