"""One entry in a process of its own: prints wall, CPU, peak memory and the value as JSON."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.similarity.cases import CASES
from benchmarks.similarity.entries import entries_of

STATUS = Path("/proc/self/status")


def resident(field: str) -> int:
    """Return VmRSS or VmHWM (peak) of this process, in bytes."""
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    return int(found.group(1)) * 1024 if found else 0


def main() -> None:
    name, n_images, folder, entry_name, repeats = sys.argv[1:]
    case = replace(CASES[name], n_images=int(n_images))
    entry = next(e for e in entries_of(case, Path(folder)) if e.name == entry_name)
    _bound_memory()
    inputs = entry.load()
    _warm_up(entry)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    walls, cpus = [], []
    value = None
    for _ in range(int(repeats)):
        wall, cpu = time.perf_counter(), time.process_time()
        value = entry.run(inputs)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if walls[0] > 30 or (walls[0] > 5 and len(walls) == 3) or entry.who == "reference":
            break
    print(
        json.dumps(
            {
                "wall": median(walls),
                "cpu": median(cpus),
                "memory": max(0, resident("VmHWM") - before),
                "value": value,
            }
        )
    )


def _bound_memory() -> None:
    """Let an entry that wants more memory than there is fail, not the machine."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    if found:
        limit = max(int(found.group(1)) * 1024 - 2 * 2**30, 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _warm_up(entry: object) -> None:
    """Import what the entry needs and start BLAS's threads, on data of no size."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 8)).astype(np.float32)
    np.linalg.eigh(x.T @ x)
    if getattr(entry, "who", "") == "tfprune":
        from benchmarks.similarity.ours import six_of_one_pass

        six_of_one_pass(x, x + rng.normal(size=x.shape).astype(np.float32))


if __name__ == "__main__":
    main()
