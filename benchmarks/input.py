"""How fast images are read from disk, and how much memory that takes: `python -m benchmarks.input`.

Writes JPEG files of smooth noise to a folder (once), reads them as `tfprune run --stream` does, and
trains a network on them. Prints images per second of the pipeline alone, of training on images in
memory and of training through the pipeline, the last over the slower of the other two, and the
process's largest memory before anything was held in memory on purpose.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

N_CLASSES = 10
GIB = 2**30


def write_some(folder: str, numbers: range, size: int) -> int:
    """Write the images of these numbers; what is there already stays. Return how many."""
    from PIL import Image

    for number in numbers:
        path = Path(folder) / f"class{number % N_CLASSES}" / f"{number:07d}.jpg"
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (size // 16, size // 16, 3), np.uint8)
        coarse[..., 0] = coarse[..., 0] // 4 + 19 * (number % N_CLASSES)
        image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        part = path.with_suffix(".part")
        image.save(part, "JPEG", quality=85)
        part.rename(path)
    return len(numbers)


def write_images(folder: Path, n: int, size: int, processes: int) -> None:
    """Have `n` images in a folder, ten classes of them, in as many processes as are given."""
    for label in range(N_CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
    parts = [range(start, min(start + 1000, n)) for start in range(0, n, 1000)]
    with ProcessPoolExecutor(processes) as pool:
        tasks = [pool.submit(write_some, str(folder), part, size) for part in parts]
        for task in tasks:
            task.result()


def peak() -> float:
    """Return the largest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def read_rate(images: Any, n: int, batch: int) -> float:
    """Return how many images a second the pipeline alone yields, in the order of an epoch."""
    from tfprune.data import epoch_plan

    order = epoch_plan(len(images), seed=0, epoch=0).order[:n]
    start = time.perf_counter()
    seen = sum(
        len(block)
        for block in images.blocks([order[i : i + batch] for i in range(0, len(order), batch)])
    )
    return seen / (time.perf_counter() - start)


def train_rate(dataset: Any, options: argparse.Namespace, scale: Any) -> float:
    """Return how many images a second training takes, after the first steps have been traced."""
    from tfprune.config import TrainingConfig
    from tfprune.models import build_model
    from tfprune.training.feeding import STEPS_PER_CALL
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.trainer import Trainer

    network = build_model(
        options.model, input_shape=dataset.input_shape, n_classes=N_CLASSES, seed=0
    )
    training = TrainingConfig(batch_size=options.batch, epochs="1ep", xla="off")
    trainer = Trainer(PrunableNetwork(network), dataset, training, seed=0, normalization=scale)
    trainer.train(until=STEPS_PER_CALL)
    start = time.perf_counter()
    trainer.train(until=STEPS_PER_CALL + options.steps)
    return options.steps * options.batch / (time.perf_counter() - start)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what reading and training took."""
    from tfprune.data import load_dataset, normalization
    from tfprune.data.dataset import Examples
    from tfprune.training.feeding import STEPS_PER_CALL

    found: dict[str, Any] = {
        "images": options.images, "size": options.size, "model": options.model,
        "batch": options.batch, "decoded_gib": options.images * options.size**2 * 3 / GIB,
    }  # fmt: skip
    start = time.perf_counter()
    data = load_dataset(
        str(options.folder), test_fraction=0.1, validation_fraction=0.1, stream=True
    )
    found["listing_seconds"] = time.perf_counter() - start
    found["peak_gib_listed"] = peak()
    start = time.perf_counter()
    scale = normalization(data.train.images)
    found["pass_images_per_second"] = len(data.train) / (time.perf_counter() - start)
    found["peak_gib_after_a_pass"] = peak()
    found["pipeline"] = read_rate(data.train.images, options.read, options.batch)
    found["through"] = train_rate(data, options, scale)
    found["peak_gib"] = peak()
    # a batch more than is trained on: no epoch ends while the clock runs
    kept = min(len(data.train), (options.steps + STEPS_PER_CALL + 1) * options.batch)
    some = data.train.take(np.arange(kept))
    resident = dataclasses.replace(data, train=Examples(some.images, some.labels, some.indices))
    found["resident"] = train_rate(resident, options, scale)
    found["ratio"] = found["through"] / min(found["pipeline"], found["resident"])
    return found


def main() -> int:
    """Write the images, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--folder", type=Path, required=True, help="where the images lie")
    parser.add_argument("--processes", type=int, default=2, help="that write images")
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=32, help="that are timed")
    parser.add_argument("--read", type=int, default=10_000, help="images that the pipeline reads")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    write_images(options.folder, options.images, options.size, options.processes)
    found = measure(options)
    if options.json:
        print(json.dumps(found))
        return 0
    size = f"{options.size} x {options.size}, {found['decoded_gib']:.1f} GiB decoded"
    print(f"{options.images:,} images of {size}, {options.model}, batch {options.batch}")
    print(f"listing, headers, digests     {found['listing_seconds']:8.1f} s")
    print(f"one pass for normalization    {found['pass_images_per_second']:8.0f} images/s")
    print(f"pipeline alone                {found['pipeline']:8.0f} images/s")
    print(f"training, images in memory    {found['resident']:8.1f} images/s")
    print(f"training through the pipeline {found['through']:8.1f} images/s")
    print(f"over the slower of the two    {found['ratio']:8.2f}")
    print(f"peak memory: {found['peak_gib_listed']:.2f} GiB once listed, "
          f"{found['peak_gib_after_a_pass']:.2f} after a pass over all, "
          f"{found['peak_gib']:.2f} after training")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
