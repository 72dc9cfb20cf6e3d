"""Every network of keras.applications through tfprune: loaded, pruned, written, and how long.

    python -m benchmarks.applications [--size 32] [--minutes 10] [NAME ...]

Each network is built by Keras 3 for 10 classes, as `--model applications/NAME` builds it, on
images of 32x32 pixels or, where it refuses these, of the smallest size that it takes. It is
converted and verified (load), pruned to half its weights by global magnitude under tfmot's
wrappers with one training step on 8 images (prune), and written as Keras 3 and read back (export).
Each has a process of its own, which is ended after --minutes. The table becomes
docs/reference/applications.md; rows of networks that are not named stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "applications.md"
SIZES = (32, 71, 75, 96, 128, 224, 331)  # what networks ask for at least, and what may be left
HEAD = """# Networks of Keras

`--model applications/NAME` builds a network of `keras.applications` with fresh weights for your images and
classes. This table is what `python -m benchmarks.applications` wrote: each network for 10 classes on
the smallest images of 32 pixels and more that it takes, loaded (converted and verified), pruned to half its
weights by magnitude over all layers (within each where that would empty one) with one training step, and
written as Keras 3. Seconds are those of one machine ({machine}), other
work beside it, each network in a process of its own; `GiB` is the most memory that this process held.

| network | smallest image | parameters | layers pruned | load, s | prune, s | export, s | GiB | in: max difference | out: max difference |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""  # noqa: E501


def measure(name: str, size: int) -> dict[str, Any]:
    """Return what one network of keras.applications shows, in this process."""
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    import numpy as np

    from benchmarks.keras_roundtrip import wrapped_half
    from tfprune.errors import InputError
    from tfprune.models.files import export_model, from_applications
    from tfprune.models.files.export import predict

    loaded = None
    for side in (n for n in SIZES if n >= size):
        started = time.perf_counter()
        try:
            loaded = from_applications(f"applications/{name}", (side, side, 3), 10)
            break
        except InputError as error:
            if "can't be built for input_shape" not in str(error):
                return {"name": name, "size": side, "failed": f"load: {error}"}
    if loaded is None:
        return {"name": name, "failed": f"load: takes none of the sizes {SIZES}"}
    model, origin = loaded
    load = time.perf_counter() - started
    images = [np.random.default_rng(0).random((8, side, side, 3), dtype="float32")]
    source = origin.source_model
    in_difference = np.abs(predict(source, images)[0] - predict(model, images)[0]).max()
    started = time.perf_counter()
    prunable = wrapped_half(model, images[0])
    prune = time.perf_counter() - started
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        stripped = prunable.stripped()
        report = export_model(stripped, Path(folder) / "out.keras", format="keras3", origin=origin)
    export = time.perf_counter() - started
    return {
        "name": name,
        "size": side,
        "parameters": int(source.count_params()),
        "pruned": len(prunable.tensors),
        "load": load,
        "prune": prune,
        "export": export,
        "in": float(in_difference),
        "out": report.max_abs_difference,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def row(found: dict[str, Any]) -> str:
    """Return a network's row of the table."""
    name, size = f"`{found['name']}`", found.get("size")
    image = f"{size}x{size}" if size else ""
    if "failed" in found:
        return f"| {name} | {image} | {found['failed'].replace('|', '/')} | | | | | | | |"
    return (
        f"| {name} | {image} | {found['parameters']:,} | {found['pruned']} | {found['load']:.0f} "
        f"| {found['prune']:.0f} | {found['export']:.0f} | {found['gib']:.1f} "
        f"| {found['in']:.0e} | {found['out']:.0e} |"
    )


def names() -> list[str]:
    """Return the networks of keras.applications in its order."""
    code = (
        "import inspect, keras; print('\\n'.join(sorted(name for name, value in "
        "vars(keras.applications).items() if inspect.isfunction(value))))"
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def in_a_process(name: str, *, size: int, minutes: float) -> dict[str, Any]:
    """Return what a process of its own measures of a network, or why it did not."""
    words = [sys.executable, "-m", "benchmarks.applications", "--one", name, "--size", str(size)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60 * minutes)
    except subprocess.TimeoutExpired:
        return {"name": name, "failed": f"not done within {minutes:g} minutes"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"name": name, "failed": f"status {done.returncode}: {last[:200]}"}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def write(rows: dict[str, str], machine: str) -> None:
    """Write the page with its rows in the order of their names."""
    PAGE.write_text(HEAD.format(machine=machine) + "".join(f"{rows[n]}\n" for n in sorted(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--size", type=int, default=32, help="least side of the images, in pixels")
    parser.add_argument("--minutes", type=float, default=10.0, help="limit for one network")
    parser.add_argument("--one", metavar="NAME", help="measure one network in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.size)))
        return
    text = PAGE.read_text() if PAGE.exists() else ""
    rows = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` .*$", text, re.MULTILINE)}
    machine = f"{len(os.sched_getaffinity(0))} cores"
    for name in options.names or names():
        found = in_a_process(name, size=options.size, minutes=options.minutes)
        rows[name] = row(found)
        print(rows[name], flush=True)
        write(rows, machine)


if __name__ == "__main__":
    main()
