"""Run the benchmark and print its table: `python -m benchmarks.similarity [CASE ...]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.similarity.cases import CASES, Case, write_inputs
from benchmarks.similarity.entries import entries_of

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.similarity", description=__doc__)
    parser.add_argument("cases", nargs="*", help="a b c d e (default: all)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs, median shown [5]")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the images [1.0]")
    parser.add_argument("--inputs", type=Path, help="folder for inputs [a temporary one]")
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md beside the code")
    options = parser.parse_args()
    chosen = [CASES[name].scaled(options.scale) for name in options.cases or CASES]
    with tempfile.TemporaryDirectory() as temporary:
        root = options.inputs or Path(temporary)
        tables = [_table(case, root, options) for case in chosen]
    text = _head(options) + "\n".join(tables)
    print(text)
    if options.write:
        (HERE / "RESULTS.md").write_text(text)


def _head(options: argparse.Namespace) -> str:
    return (
        "# Similarity: ours beside others\n\n"
        f"Written by `python -m benchmarks.similarity --write`; numpy {np.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}. Each row ran "
        f"in a process of its own; wall and CPU seconds are medians of up to {options.repeats} "
        "runs (three beyond 5 s, one beyond 30 s), memory is the peak above the loaded inputs. "
        "`against ours` is a peer's wall time over ours for the same measure, above 1 where ours "
        "is faster; `off by` is the distance to a float64 reference by SVD of the data.\n"
    )


def _table(case: Case, root: Path, options: argparse.Namespace) -> str:
    folder = root / f"{case.name}-{case.n_images}"
    folder.mkdir(parents=True, exist_ok=True)
    write_inputs(case, folder)
    lines = [
        f"\n## ({case.name}) {case.title}\n",
        "| measure | who | wall s | CPU s | peak MB | against ours | off by |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    reference: dict[str, float] = {}
    ours: dict[str, float] = {}
    for entry in entries_of(case):
        if options.ours and entry.name.partition(":")[0] not in ("ours", "bare", "reference"):
            continue
        result = _run(case, folder, entry.name, options.repeats)
        if entry.who == "reference":
            reference = result.get("value", {})
            continue
        if "error" in result:
            lines.append(f"| {entry.measure} | {entry.who} | {result['error']} | | | | |")
            continue
        if entry.who == "tfprune":
            ours[entry.measure] = result["wall"]
        base = ours.get(entry.measure)
        ratio = f"{result['wall'] / base:.2f}" if base and entry.who != "tfprune" else ""
        lines.append(
            f"| {entry.measure} | {entry.who} | {result['wall']:.3f} | {result['cpu']:.3f} | "
            f"{result['memory'] / 1e6:.0f} | {ratio} | {_off(result['value'], entry, reference)} |"
        )
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def _off(value: object, entry: object, reference: dict[str, float]) -> str:
    if isinstance(value, dict):
        off = [abs(number - reference[name]) for name, number in value.items() if name in reference]
        return f"{max(off):.1e}" if off else ""
    measure = getattr(entry, "measure", "")
    if isinstance(value, float) and measure in reference:
        return f"{abs(value - reference[measure]):.1e}"
    return ""


def _run(case: Case, folder: Path, entry: str, repeats: int) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.similarity.one", case.name, str(case.n_images)]
    run = subprocess.run(
        [*command, str(folder), entry, str(repeats)],
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
        check=False,
    )
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or ["killed"]
        return {"error": f"failed: {last[0][:60]}"}
    return json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
