"""How long the descriptions of a layer take.

    python -m benchmarks.inside.speed [--images N] [--only NAME] [--write | --table]

Measures, in seconds by the clock and of the processor over all cores: TwoNN with its interval on
10,000 points of 512 numbers; the curvature of a layer of width 512 at 100 images with 1,023
neighbours each, and by equal steps with 1,024; the dissection of an untrained ResNet-20 on 2,000
images of 32x32 pixels by 20 concepts, forward passes and 19 permutations included. All is really
done, nothing extrapolated.
`--images` takes fewer for a quick look; `--write` keeps what was measured in speed.json and puts
its table on the page, which `--table` writes again from that file.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inside.pages import written
from tfprune.dissection import ConceptSet, textured_shapes
from tfprune.errors import InputError
from tfprune.geometry import (
    curvature,
    image_neighbours,
    step_sizes,
    stepped_curvature,
    stepped_neighbours,
    two_nn,
)
from tfprune.geometry.steps import PAIRS, STEP, contrast, directions

N_CONCEPTS = 20
RESULTS = Path(__file__).with_name("speed.json")
COMMAND = "python -m benchmarks.inside.speed --write"


def timed(work: Callable[[], str]) -> dict[str, Any]:
    """Return how long a piece of work takes, and what it says."""
    clock, processor = time.perf_counter(), time.process_time()
    said = work()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return {"seconds": round(clock, 1), "processor_seconds": round(processor, 1), "found": said}


def dimension() -> str:
    """Return TwoNN's answer on half a gigabyte of distances."""
    rng = np.random.default_rng(0)
    points = np.maximum(rng.normal(size=(10_000, 8)) @ rng.normal(size=(8, 512)), 0)
    found = two_nn(points.astype(np.float32))
    return f"dimension {found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def curvatures(by_steps: bool) -> str:
    """Return the mean curvature of a random network's second layer at 100 images."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3072, 512)).astype(np.float32) / 55
    second = rng.normal(size=(512, 512)).astype(np.float32) / 16
    images = textured_shapes(100, (32, 32, 3), largest=1.0).images
    length = STEP * contrast(images)
    found = []
    for image in images:
        near = stepped_neighbours(image, length) if by_steps else image_neighbours(image)
        shown = np.concatenate([image[None], near]).reshape(len(near) + 1, -1)
        answers = np.maximum(np.maximum(shown @ first, 0) @ second, 0)
        try:
            if by_steps:
                moved = step_sizes(len(directions(image)), PAIRS)
                one = stepped_curvature(answers, moved, dimension=8).found
            else:
                one = curvature(answers[1:], answers[0], dimension=8)
        except InputError:
            continue
        found.append(one.mean_absolute)
    return f"{len(found)} images, mean absolute curvature {np.mean(found):.2e}"


def dissection(n_images: int = 2000) -> Callable[[], str]:
    """Return the dissection of an untrained ResNet-20, whose images and masks are made before."""
    from tfprune.activations import ActivationReader
    from tfprune.data.images import normalization
    from tfprune.experiment.dissecting import dissected
    from tfprune.models import build_model

    made = textured_shapes(n_images, (32, 32, 3))
    few = ConceptSet(made.images, made.concepts[:N_CONCEPTS], made.masks[:, :N_CONCEPTS])
    network = build_model("resnet20", input_shape=(32, 32, 3), n_classes=10, seed=0)
    reader = ActivationReader(network, normalization=normalization(made.images, "standard"))

    def work() -> str:
        found = [one.detectors().sum() for _, one, *_ in dissected(reader, few, 2**30)]
        return f"{sum(found)} detectors in {len(found)} layers"

    return work


#: name -> what is done, and the seconds that it may take on two cores
GOALS = {
    "dimension": ("TwoNN of 10,000 x 512, with its interval", 5),
    "curvature": ("curvature of a layer 512 wide, 1,023 neighbours, 100 images", 60),
    "steps": ("the same by equal steps, 1,024 neighbours", 60),
    "dissection": ("dissection of ResNet-20, 2,000 images x 20 concepts, 19 permutations", 120),
}


def table(results: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the page's table."""
    threads = f", {results['threads']} of them used" if results["threads"] else ""
    load = f"beside other work (load {results['load']:.1f})" if results["load"] > 0.5 else ""
    where = f"{results['machine']}, {results['cores']} cores{threads}"
    yield f"Measured on {', '.join(filter(None, (where, load)))}:"
    yield ""
    yield "| what | seconds | of the processor | goal |"
    yield "|---|---:|---:|---:|"
    for name, found in results["measured"].items():
        what, goal = GOALS[name]
        yield (f"| {what} | {found['seconds']:.1f} | {found['processor_seconds']:.1f} | {goal} |")
    if load:
        yield ""
        yield ("The machine was busy: seconds by the clock are what one gets of it then, those of "
               "the processor what the work takes.")  # fmt: skip


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--only", choices=list(GOALS))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--table", action="store_true", help="write the page from speed.json")
    given = parser.parse_args()
    if given.table:
        written(COMMAND, list(table(json.loads(RESULTS.read_text(encoding="utf-8")))))
        return
    if given.write and (given.only or given.images != 2000):
        parser.error("--write keeps all of them at their whole size")
    prepared: dict[str, Callable[[], Callable[[], str]]] = {
        "dimension": lambda: dimension,
        "curvature": lambda: partial(curvatures, by_steps=False),
        "steps": lambda: partial(curvatures, by_steps=True),
        "dissection": lambda: dissection(given.images),
    }
    load = os.getloadavg()[0]  # before we add to it
    measured = {}
    for name, prepare in prepared.items():
        if given.only in (None, name):
            measured[name] = found = timed(prepare())
            print(f"{GOALS[name][0]}: {found['seconds']} s (goal {GOALS[name][1]}), "
                  f"{found['processor_seconds']} s of the processor; {found['found']}", flush=True
                  )  # fmt: skip
    if given.write:
        from tfprune.runs.workspace import processor

        threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
        results = {"machine": processor(), "cores": os.cpu_count(), "threads": threads,
                   "load": round(load, 1), "measured": measured}  # fmt: skip
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        written(COMMAND, list(table(results)))


if __name__ == "__main__":
    main()
