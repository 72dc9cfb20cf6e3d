"""What this machine offers a run, what is missing, and what a run was computed on."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprune.errors import InputError, TfpruneError
from tfprune.refused import refusal

if TYPE_CHECKING:
    from tfprune.experiment.plan import Plan


#: GiB below which a run's networks and activations may not fit
LEAST_DISK, LEAST_MEMORY = 2.0, 4.0

_SMI = "name,driver_version,memory.total,memory.free"


@dataclass(frozen=True)
class Finding:
    """One line of the answer: what was looked at, what was found, and a remedy where one is due.

    `blocks` says that a run can't do without.
    """

    what: str
    found: str
    remedy: str = ""
    blocks: bool = False


@dataclass(frozen=True)
class Card:
    """An NVIDIA GPU as its driver describes it; memory in MiB."""

    name: str
    driver: str
    memory: int
    free: int


def cards() -> list[Card]:
    """Return the GPUs that the NVIDIA driver knows; none where there is no driver."""
    command = ["nvidia-smi", f"--query-gpu={_SMI}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    return [
        Card(name, driver, int(memory), int(free))
        for name, driver, memory, free in (row for row in rows if len(row) == 4)
        if memory.isdigit() and free.isdigit()
    ]


def examine(*, tracking_uri: str | None = None, folder: str | Path = ".") -> Iterator[Finding]:
    """Yield what was found, one after the other; starts TensorFlow, writes nothing."""
    from tfprune.runs.workspace import processor
    from tfprune.training.backend import n_threads, start_tensorflow
    from tfprune.training.precision import is_slow_here

    yield Finding("versions", f"tfprune {version('tfprune')}, TensorFlow {version('tensorflow')}")
    yield _store(tracking_uri, Path(folder))
    yield _disk(Path(folder))
    yield _memory()
    start_tensorflow()
    yield Finding("processor", f"{processor()}, {n_threads()} threads")
    yield from gpu_findings(cards())
    slow = is_slow_here("bfloat16")
    yield Finding(
        "bfloat16",
        "slower than float32 here: no bfloat16 instructions" if slow else "worth trying",
        "leave --precision at float32" if slow else "",
    )
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    yield Finding("Chromium", found or "none: only tfprune's own tests of pages ask for it")


def gpu_findings(known: list[Card]) -> Iterator[Finding]:
    """Yield what the driver and TensorFlow say of GPUs, and why they differ where they do."""
    import tensorflow as tf

    from tfprune.training.backend import described

    seen = [described(card) for card in tf.config.list_physical_devices("GPU")]
    for card in known:
        memory = f"{card.free / 1024:.1f} of {card.memory / 1024:.1f} GiB free"
        yield Finding("driver", f"{card.name}, {memory}, driver {card.driver}")
    for index, device in enumerate(seen):
        major, minor = device.capability or (0, 0)
        rate = "at full rate" if device.has_fast_float64 else "slow: CCA is faster in NumPy"
        yield Finding(
            f"gpu:{index}",
            f"{device.name}, compute capability {major}.{minor}, float64 {rate}",
            "" if device.has_fast_float64 else "--compare-on cpu, or measures such as cka",
        )
    if seen:
        on = tf.config.experimental.tensor_float_32_execution_enabled()
        yield Finding("TF32", f"{'on' if on else 'off'} in training, off in comparing")
        return
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if known and hidden is not None:
        yield Finding(
            "TensorFlow",
            f"sees no GPU: CUDA_VISIBLE_DEVICES is {hidden!r}",
            "unset it, or name a GPU by its number",
        )
    elif known and not tf.test.is_built_with_cuda():
        yield Finding("TensorFlow", "sees no GPU: it was built without CUDA",
                      "install tensorflow[and-cuda]")  # fmt: skip
    elif known:
        yield Finding(
            "TensorFlow",
            "sees no GPU: it can't load CUDA's libraries",
            "install tensorflow[and-cuda] of the same version; TF_CPP_MIN_LOG_LEVEL=0 names the "
            "library",
        )
    else:
        yield Finding("GPU", "none: no NVIDIA driver found; tfprune trains on the CPU")


def _store(tracking_uri: str | None, folder: Path) -> Finding:
    from tfprune.tracking import resolve_store

    try:
        location = resolve_store(tracking_uri, folder=folder)
    except TfpruneError as error:
        return Finding("store", "can't be used", str(error), blocks=True)
    if location.is_server:
        address = urlsplit(location.uri)
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            socket.create_connection((address.hostname or "", port), timeout=3).close()
        except OSError as error:
            return Finding("store", f"{location.shown} does not respond: {error}",
                           "start it, or correct MLFLOW_TRACKING_URI", blocks=True)  # fmt: skip
        return Finding("store", f"{location.shown} answers")
    is_there = location.database is None or location.database.exists()
    return Finding("store", location.shown if is_there else f"{location.shown}, made by a run")


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free / 2**30
    except OSError as error:
        raise InputError(refusal(error, "read", place=folder)) from error
    if not os.access(folder, os.W_OK):
        return Finding("disk", f"{folder.resolve()} can't be written", "run elsewhere", blocks=True)
    little = free < LEAST_DISK
    return Finding("disk", f"{free:.1f} GiB free", "make room for networks" if little else "")


def _memory(read: Callable[[], str] = Path("/proc/meminfo").read_text) -> Finding:
    try:
        lines = dict(line.split(":", 1) for line in read().splitlines() if ":" in line)
    except OSError:
        return Finding("memory", "unknown on this system")
    free = int(lines["MemAvailable"].split()[0]) / 2**20
    little = free < LEAST_MEMORY
    return Finding("memory", f"{free:.1f} GiB free", "lower --memory" if little else "")


def computed_on(plan: Plan) -> dict[str, str]:
    """Return device, driver, memory, precisions and compilation, by short names.

    As they are in the process that asks; TensorFlow must be running.
    """
    import tensorflow as tf

    from tfprune.runs.workspace import processor
    from tfprune.similarity.measure import find_measure
    from tfprune.training.backend import compiles, gpu, moment_device, products_dtype

    training, comparison = plan.config.training, plan.config.comparison
    device, where = gpu(), moment_device(comparison.compare_on)
    facts = {"device": device.name if device else processor()}
    if device is not None:
        card = next((card for card in cards() if card.name == device.name), None)
        if card is not None:
            facts |= {"driver": card.driver, "gpu_memory": f"{card.memory} MiB"}
        tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
        facts["tf32"] = "on in training, off in comparing" if tf32 else "off"
    products = "float64"
    if where is not None:
        takes = [find_measure(name).takes_float32 for name in comparison.measures]
        products = products_dtype(where, takes)
    return facts | {
        "trained_in": training.precision,
        "xla": "on" if compiles(training.xla, plan.total_steps) else "off",
        "compared_on": f"{'CPU' if where is None else 'GPU'}, products in {products}",
    }
