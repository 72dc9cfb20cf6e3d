"""What sweeps cost: scheduling alone, two workers beside two processes, and 8 small cells.

All print wall time and processor time: on a machine with other work only the latter says much.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

N_CELLS, N_FAILING = 10_000, 1_000
THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Clock:
    """Wall and processor seconds of a block; the latter with its processes that have ended."""

    seconds = cpu = 0.0


@contextlib.contextmanager
def clock() -> Iterator[Clock]:
    """Yield what is set at the end of the block."""
    found, started, cpu = Clock(), time.perf_counter(), _processor_seconds()
    yield found
    found.seconds, found.cpu = time.perf_counter() - started, _processor_seconds() - cpu


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Nobody:
    """Looks at nothing."""

    def moved(self, message: Any) -> None: ...

    def done(self, outcome: Any) -> None: ...

    def failed(self, key: str, failure: Any) -> None: ...


def do_nothing(job: Any) -> Any:
    """Be a cell that takes no time; some fail."""
    from tfprune.errors import RunError
    from tfprune.sweeps.cell import Outcome

    if job.label == "fails":
        raise RunError("this one was to fail.")
    return Outcome(job.key, "run", seconds=0.0)


def noop() -> dict[str, float]:
    """Return the overhead per cell of the scheduler, the client and two workers."""
    from tfprune.config import RunConfig, to_dict
    from tfprune.sweeps.cell import Job
    from tfprune.sweeps.cluster import Size, local_cluster
    from tfprune.sweeps.work import carry_out

    failing = set(random.Random(0).sample(range(N_CELLS), N_FAILING))
    settings = to_dict(RunConfig())
    jobs = [
        Job(key=f"{n:012x}", label="fails" if n in failing else "does nothing", settings=settings,
            sweep="noop", folder=".")
        for n in range(N_CELLS)
    ]  # fmt: skip
    with clock() as whole, local_cluster(Size(2, 1)) as client:
        started, cpu = time.perf_counter(), time.process_time()
        work = carry_out(client, "noop", jobs, [], Nobody(), cell=do_nothing)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert len(work.done) == N_CELLS - N_FAILING
    assert len(work.failed) == N_FAILING
    each, own = 1000 * seconds / N_CELLS, 1000 * cpu / N_CELLS
    total = 1000 * whole.cpu / N_CELLS
    print(
        f"{N_CELLS:,} cells of a no-op, {N_FAILING:,} of them failing: {seconds:.0f} s, "
        f"{each:.1f} ms per cell; computed per cell: {own:.1f} ms in the process of scheduler and "
        f"sweep, {total:.1f} ms with the two workers and the cluster's start"
    )
    return {"overhead_ms": each, "scheduler_ms": own, "all_ms": total}


RUN = "from tfprune_cli.main import main; raise SystemExit(main())"


def command(name: str, *words: str) -> list[str]:
    """Return the command line: of cells that are the digits experiment as it is by default."""
    return [sys.executable, "-c", RUN, name, *words]


def threads(n: int) -> dict[str, str]:
    return os.environ | dict.fromkeys(THREADS, str(n))


def efficiency() -> dict[str, float]:
    """Return seconds of eight cells: by workers, and by processes that know nothing of each other.

    Two processes take four seeds each, one after the other, in two folders.
    """
    found = {}
    script = (
        "import sys, tfprune\n"
        "for seed in sys.argv[2:]:\n"
        "    tfprune.run(seed=int(seed), folder=sys.argv[1], tell=lambda message: None)\n"
    )
    with tempfile.TemporaryDirectory() as folder, clock() as took:
        both = [
            subprocess.Popen(
                [sys.executable, "-c", script, f"{folder}/{n}", *map(str, range(4 * n, 4 * n + 4))],
                env=threads(1),
            )
            for n in (0, 1)
        ]
        assert [one.wait() for one in both] == [0, 0]
    found["independent_s"], found["independent_cpu_s"] = took.seconds, took.cpu
    for name, workers, n_threads in (("two_by_one", 2, 1), ("one_by_two", 1, 2)):
        words = ("--grid", "seed=0..7", "--workers", str(workers), "--threads", str(n_threads),
                 "--quiet")  # fmt: skip
        with tempfile.TemporaryDirectory() as folder, clock() as took:
            subprocess.run(command("sweep", *words), cwd=folder, check=True, capture_output=True)
        found[f"{name}_s"], found[f"{name}_cpu_s"] = took.seconds, took.cpu
    ratio = found["independent_s"] / found["two_by_one_s"]
    computed = found["independent_cpu_s"] / found["two_by_one_cpu_s"]
    print(
        f"8 cells of digits: two processes {found['independent_s']:.0f} s "
        f"({found['independent_cpu_s']:.0f} s computed), 2 workers x 1 thread "
        f"{found['two_by_one_s']:.0f} s ({found['two_by_one_cpu_s']:.0f} s): efficiency "
        f"{ratio:.2f}, by what is computed {computed:.2f}; 1 worker x 2 threads "
        f"{found['one_by_two_s']:.0f} s ({found['one_by_two_cpu_s']:.0f} s)"
    )
    return {**found, "efficiency": ratio, "efficiency_cpu": computed}


# writes how long each cell took in its worker, which a sweep does not keep
TIMED = """
import json, sys
from tfprune.sweeps.record import SweepRecord
seconds, noted = [], SweepRecord.note_outcome
def note_outcome(self, outcome):
    seconds.append(outcome.seconds)
    noted(self, outcome)
SweepRecord.note_outcome = note_outcome
from tfprune_cli.main import main
try:
    status = main()
finally:
    with open("seconds.json", "w") as file:
        json.dump(seconds, file)
raise SystemExit(status)
"""


def overhead() -> dict[str, float]:
    """Return what a sweep of 8 cells takes over the time of its cells, shared by two workers.

    A cell's own time is what its worker spends on it: the first one of a worker loads TensorFlow,
    as a run that stands by itself does.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ("--grid", "seed=0..7", "--workers", "2", "--json", "--quiet")
        call = [sys.executable, "-c", TIMED, *command("sweep", *words)[3:]]
        with clock() as took:
            done = subprocess.run(call, cwd=folder, check=True, capture_output=True, text=True)
        cells = json.loads(done.stdout)["cells"]
        folders = [Path(folder) / "mlruns" / "runs" / cell["run"] for cell in cells]
        own = sum(json.loads((Path(folder) / "seconds.json").read_text()))
        points = sum(_points(one) for one in folders) / len(folders)
        size = sum(f.stat().st_size for f in (Path(folder) / "mlruns").rglob("*") if f.is_file())
        inodes = {(f.stat().st_dev, f.stat().st_ino): f.stat().st_size
                  for f in (Path(folder) / "mlruns").rglob("*") if f.is_file()}  # fmt: skip
    share = took.seconds / (own / 2) - 1
    print(
        f"8 cells of digits: {took.seconds:.0f} s on 2 workers ({took.cpu:.0f} s computed), their "
        f"own time {own:.0f} s: overhead {share:.0%}; {points:.0f} points each, "
        f"{sum(inodes.values()) / 8e6:.1f} MB each on disk ({size / 8e6:.1f} MB by names)"
    )
    return {"seconds": took.seconds, "cpu_s": took.cpu, "own_s": own, "overhead": share,
            "points": points, "bytes": sum(inodes.values()) / 8}  # fmt: skip


def _points(run: Path) -> int:
    lines = (run / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(len(record.get("values", ())) for record in map(json.loads, lines)
               if record["op"] == "metrics")  # fmt: skip


def counted(sweep: str, folder: str = ".") -> dict[str, float]:
    """Return what a cell of a sweep that has run logs and keeps, on the mean over its cells."""
    from tfprune.sweeps.opened import open_sweep

    found = open_sweep(sweep, folder=folder)
    runs = [Path(folder) / "mlruns" / "runs" / str(cell.run) for cell in found.done]
    files = [f for run in runs for f in run.rglob("*") if f.is_file()]
    sizes = {(f.stat().st_dev, f.stat().st_ino): f.stat().st_size for f in files}
    n = len(runs)
    facts = {
        "points": sum(_points(run) for run in runs) / n,
        "records": sum(len((run / "records.jsonl").read_bytes().splitlines()) for run in runs) / n,
        "bytes": sum(sizes.values()) / n,
        "database_bytes": (Path(folder) / "mlruns" / "mlflow.db").stat().st_size / n,
    }
    print(", ".join(f"{name} {value:,.0f}" for name, value in facts.items()) + " per cell")
    return facts
