"""What large sweeps need, computed from what was measured, and the page that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

from tfprune.sweeps.estimate import BYTES_OF_LEVEL, BYTES_OF_RUN

KEPT = Path(__file__).with_name("measured.json")
TEXT = Path(__file__).with_name("scale.md")
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "scale.md"

Known = Mapping[str, Mapping[str, float]]


def measured() -> dict[str, dict[str, float]]:
    """Return what was measured, by the commands that did."""
    known: dict[str, dict[str, float]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return known


def keep(name: str, found: Mapping[str, float]) -> None:
    """Keep what a command has measured."""
    known = measured() | {name: {key: round(value, 4) for key, value in found.items()}}
    KEPT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def page(known: Known) -> str:
    """Return the page: the text beside this file, with the numbers in it."""
    noop, rates, ends = known["noop"], known["writers"], known["efficiency"]
    goal = 20.0
    shown = {
        "block": scale(known).rstrip("\n"),
        "scheduler_ms": f"{noop['scheduler_ms']:.1f}",
        "overhead_ms": f"{noop['overhead_ms']:.1f}",
        "all_ms": f"{noop['all_ms']:.1f}",
        "noop_goal": f"{'below' if noop['overhead_ms'] <= goal else 'above'} the {goal:.0f} ms",
        "run_mb": f"{known['overhead']['bytes'] / 1e6:.1f}",
        "efficiency": f"{ends['efficiency']:.2f}",
        "efficiency_cpu": f"{ends['efficiency_cpu']:.2f}",
        "independent_s": f"{ends['independent_s']:.0f}",
        "two_by_one_s": f"{ends['two_by_one_s']:.0f}",
        "one_by_two_s": f"{ends['one_by_two_s']:.0f}",
        "overhead": f"{known['overhead']['overhead']:.0%}",
        "overhead_s": f"{known['overhead']['seconds']:.0f}",
        "own_s": f"{known['overhead']['own_s'] / 2:.0f}",
        "writers_table": table(rates),
        "pg_epochs": f"{rates['postgresql_epochs_per_s']:,.0f}",
        "pg_server_ms": f"{rates['postgresql_epochs_server_ms']:.2f}",
        "pg_writers_ms": f"{rates['postgresql_epochs_writers_ms']:.2f}",
        "pg_core": f"{round(1000 / rates['postgresql_epochs_server_ms'], -2):,.0f}",
    }
    return Template(TEXT.read_text(encoding="utf-8")).substitute(shown)


def table(rates: Mapping[str, float]) -> str:
    """Return the rates of both stores as a table in Markdown."""
    lines = [
        "| store | how | points per second | computed per point: writers | server |",
        "|---|---|---|---|---|",
    ]
    for store in ("PostgreSQL", "SQLite"):
        for name, how in (("bulk", "in bulk"), ("epochs", "epoch by epoch")):
            of = f"{store.lower()}_{name}"
            server = f"{rates[f'{of}_server_ms']:.2f} ms" if store == "PostgreSQL" else ""
            lines.append(
                f"| {store} | {how} | {rates[f'{of}_per_s']:,.0f} | "
                f"{rates[f'{of}_writers_ms']:.2f} ms | {server} |"
            )
    return "\n".join(lines)


def points_of(*, levels: int, epochs: int, layers: int, pruned: int, measures: int) -> int:
    """Return how many metric points one run of one seed logs: see `runs/record.py`.

    An epoch has five; a level its headline (five) and how many answers changed, a sparsity for each
    pruned layer, nine facts, for each layer and measure the similarity twice and (but for the dense
    network) its null, and on the parent the headline and the similarities again.
    """
    compared = layers * measures
    level = 5 * epochs + 5 + 1 + pruned + 9 + 2 * compared + 5 + compared
    return (levels + 1) * level + levels * compared


def scale(known: Known) -> str:
    """Return what 10,000 cells on 100 nodes of 8 GPUs need, by what was measured on one machine."""
    per_cell, run = known["noop"]["scheduler_ms"] / 1000, known["run"]
    cells, workers = 10_000, 800
    digits = points_of(levels=1, epochs=1, layers=3, pruned=4, measures=1)
    text = (
        f"check: {digits} points by the formula, {run['points']:.0f} measured (digits, 1 level)\n"
    )
    studies = {
        # hours of a cell: 5 epochs of digits on one core; 90 epochs of 1.28 million images at
        # 2,500 a second on one GPU, for each of 11 levels
        "digits-cnn on digits": (1 / 60, 6_218, points_of(
            levels=5, epochs=5, layers=3, pruned=4, measures=4)),
        "ResNet-50 on ImageNet": (11 * 90 * 1.28e6 / 2500 / 3600, 25.6e6, points_of(
            levels=10, epochs=90, layers=53, pruned=54, measures=4)),
    }  # fmt: skip
    for name, (hours, parameters, points) in studies.items():
        wall = cells * hours / workers
        levels = 5 if parameters < 1e6 else 10
        disk = cells * (
            BYTES_OF_RUN + BYTES_OF_LEVEL * levels + 4 * parameters * (levels + 1 + 1 + 2)
        )
        running = workers * 4 * parameters * 6
        seconds = 3600 * wall
        text += (
            f"{name}: {cells:,} cells of {hours:,.2f} h on {workers} workers: {wall:,.1f} h\n"
            f"  disk {disk / 1e12:,.2f} TB when done, {running / 1e9:,.1f} GB of checkpoints while "
            f"it runs\n"
            f"  MLflow: {points:,} points each, {cells * points / seconds:,.1f} per second\n"
            f"  scheduler: computes {cells * per_cell / seconds:.2%} of the time; "
            f"{2 * workers:,} messages of progress per second at most\n"
        )
    return text
