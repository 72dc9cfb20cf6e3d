"""`tfprune compare --all`: all networks of a sweep with each other, kept beside the sweep."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfprune.disk import UNREADABLE, npz, read_npz, write_text_whole, write_whole
from tfprune.errors import DamagedError, InputError
from tfprune.results import csv_text
from tfprune.runs.compare import MOST_PROBED
from tfprune.runs.workspace import RUNS, reopen_logged
from tfprune.sweeps.all_pairs import (
    MAP_MEASURE,
    SHARD,
    AllPairs,
    Question,
    SweepNetwork,
    networks_of,
    on_cluster,
    place_on_map,
    values_of,
)
from tfprune.sweeps.cluster import local_cluster, running_cluster, size_for
from tfprune.sweeps.opened import open_sweep
from tfprune.tracking import open_store

if TYPE_CHECKING:
    import distributed

    from tfprune.sweeps.result import FinishedSweep

FOLDER = "all-pairs"
_DATA = "all-pairs.npz"


def compare_all(
    reference: str,
    *,
    measures: Sequence[str] = ("cka",),
    layout: str = "mean",
    probe_size: int | None = None,
    workers: int | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    folder: str | Path = ".",
    tell: Callable[[str], None] = lambda message: None,
) -> tuple[FinishedSweep, AllPairs, Path]:
    """Return a sweep, the similarities of all its networks, and the folder of their tables.

    The networks of all cells that are done are compared on `probe_size` test images (by
    default 500, or all where there are fewer), layer by
    layer at the same place, by `measures` and by the Procrustes distance, which gives their map.
    It is computed on a cluster, as cells are (see `sweep`), and logged with the sweep's run.

    Raises InputError where there is no such sweep, fewer than two networks, or several data sets.
    """
    sweep = open_sweep(reference, folder=folder)
    networks = networks_of(sweep)
    if len(networks) < 2:
        raise InputError(
            f"the sweep {sweep.name!r} has {len(networks)} networks so far; two are needed."
        )
    named = tuple(dict.fromkeys([*measures, MAP_MEASURE]))
    question = Question(
        references=tuple(network.reference for network in networks),
        measures=named,
        layout=layout,
        probe_size=probe_size,
        folder=str(sweep.root),
        uri=sweep.location.uri,
        experiment=sweep.location.experiment,
    )
    n_shards = -(-(probe_size or MOST_PROBED) // SHARD)
    with _cluster(n_shards, workers, threads, scheduler, sweep, tell) as client:
        comparison, layers, n_images = on_cluster(client, question)
    values = values_of(comparison, layers, named)
    placed = place_on_map(values[MAP_MEASURE])
    found = AllPairs(
        networks=tuple(networks),
        layers=max(layers, key=len),
        values=values,
        layout=layout,
        n_images=n_images,
        map=placed[0] if placed else None,
        shown=placed[1] if placed else None,
    )
    return sweep, found, _keep(sweep, found, tell)


@contextlib.contextmanager
def _cluster(
    n_tasks: int,
    workers: int | None,
    threads: int | None,
    scheduler: str | None,
    sweep: FinishedSweep,
    tell: Callable[[str], None],
) -> Iterator[distributed.Client]:
    if scheduler is not None:
        with running_cluster(scheduler) as client:
            yield client
        return
    size = size_for(n_tasks, workers=workers, threads=threads)
    tell(f"Comparing on {size}.")
    with local_cluster(size, log=sweep.root / RUNS / sweep.key / "workers.log") as client:
        yield client


def _keep(sweep: FinishedSweep, found: AllPairs, tell: Callable[[str], None]) -> Path:
    """Write tables and data into the sweep's folder, and log them with its run."""
    workspace = reopen_logged(sweep.root / RUNS / sweep.key)
    try:
        folder = workspace.folder / FOLDER
        write_text_whole(folder / "similarities.csv", similarities_csv(found))
        write_text_whole(folder / "networks.csv", networks_csv(found))
        write_whole(folder / _DATA, _packed(found))
        with open_store(sweep.location).record(workspace.folder, on_gap=tell) as recorder:
            run = recorder.start_run(sweep.name, key=sweep.key)
            run.log_file(folder)
            run.finish("FAILED" if sweep.failed else "FINISHED")
            recorder.flush()
    finally:
        workspace.close()
    return folder


def similarities_csv(found: AllPairs) -> str:
    """Return a row for each pair of networks, layer and measure; pairs not compared are missing."""
    rows = []
    for measure, values in found.values.items():
        for place, layer in enumerate(found.layers):
            for i, j in zip(*np.triu_indices(len(found.networks), 1), strict=True):
                value = values[place, i, j]
                if np.isfinite(value):
                    a, b = found.networks[i].reference, found.networks[j].reference
                    rows.append([a, b, place, layer, measure, float(value)])
    header = ["network_a", "network_b", "layer_index", "layer", "measure", "similarity"]
    return csv_text(header, rows)


def networks_csv(found: AllPairs) -> str:
    """Return a row for each network: what it is, and its place on the map."""
    places = found.map if found.map is not None else np.full((len(found.networks), 2), np.nan)
    rows = [
        [
            n.reference,
            n.setting,
            n.seed,
            n.level,
            *("" if np.isnan(v) else float(v) for v in place),
            n.dense,
            "" if n.order is None else n.order,
        ]
        for n, place in zip(found.networks, places, strict=True)
    ]
    return csv_text(
        ["network", "setting", "seed", "level", "x", "y", "dense_setting", "data_order_seed"], rows
    )


def summary(found: AllPairs) -> list[str]:
    """Return a line for each measure: the means over layers and pairs, by kind of pair.

    Dense networks of two trainings are of no kind, unless they have one seed; nor is a level of a
    setting with a dense network that it did not start from.
    """
    kinds = {
        "dense networks of two seeds": lambda a, b: (
            a.level == b.level == 0 and a.dense == b.dense and a.seed != b.seed
        ),
        "dense networks of two data orders": lambda a, b: (
            a.level == b.level == 0
            and a.dense == b.dense
            and a.seed == b.seed
            and a.order != b.order
        ),
        "dense networks of two trainings at one seed": lambda a, b: (
            a.level == b.level == 0 and a.dense != b.dense and a.replicate == b.replicate
        ),
        "levels of one seed and setting": lambda a, b: (
            a.replicate == b.replicate
            and a.level != b.level
            and (a.setting == b.setting or (0 in (a.level, b.level) and a.dense == b.dense))
        ),
        "settings at one seed and level": lambda a, b: (
            a.replicate == b.replicate and a.level == b.level > 0 and a.setting != b.setting
        ),
    }
    lines = [
        f"{len(found.networks)} networks, {len(found.layers)} layers, {found.n_images} images, "
        f"layout {found.layout}"
    ]
    pairs = list(itertools.combinations(range(len(found.networks)), 2))
    for measure, values in found.values.items():
        means = np.array([values[:, i, j].mean() for i, j in pairs])
        parts = []
        for kind, holds in kinds.items():
            chosen = [holds(found.networks[i], found.networks[j]) for i, j in pairs]
            of_kind = means[np.array(chosen, bool) & np.isfinite(means)]
            if len(of_kind):
                parts.append(f"{kind} {of_kind.mean():.3f}")
        lines.append(f"{measure}: {', '.join(parts) or 'no pair could be compared'}")
    if found.shown is not None:
        lines.append(f"the map shows {found.shown:.0%} of the squared Procrustes distances")
    return lines


def _packed(found: AllPairs) -> memoryview:
    facts = {
        "networks": [list(dataclasses.astuple(network)) for network in found.networks],
        "layers": list(found.layers),
        "measures": list(found.values),
        "layout": found.layout,
        "n_images": found.n_images,
        "shown": found.shown,
    }
    arrays = {f"values/{name}": values for name, values in found.values.items()}
    if found.map is not None:
        arrays["map"] = found.map
    return npz({**arrays, "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)})


def kept(sweep: FinishedSweep) -> AllPairs | None:
    """Return what `compare_all` has found of a sweep before; None where it was not called.

    Raises DamagedError where its file is damaged.
    """
    path = sweep.root / RUNS / sweep.key / FOLDER / _DATA
    if not path.is_file():
        return None
    try:
        arrays = read_npz(path)
        facts = json.loads(arrays["facts"].tobytes())
        return AllPairs(
            networks=tuple(SweepNetwork(*row) for row in facts["networks"]),
            layers=tuple(facts["layers"]),
            values={name: arrays[f"values/{name}"] for name in facts["measures"]},
            layout=facts["layout"],
            n_images=facts["n_images"],
            map=arrays.get("map"),
            shown=facts["shown"],
        )
    except UNREADABLE as error:
        raise DamagedError(path, str(error)) from error


def outdated(sweep: FinishedSweep, found: AllPairs) -> str:
    """Return why what was found is not of the networks that there are now; '' where it is."""
    now, then = set(networks_of(sweep)), set(found.networks)
    if now == then:
        return ""
    new = {one.reference for one in now} - {one.reference for one in then}
    gone = {one.reference for one in then} - {one.reference for one in now}
    if new or gone:
        why = f"{len(then)} networks were compared before, and there are {len(now)} now"
        why += f", of which {len(new)} were not among them" if new else ""
    else:
        why = "an earlier version compared them, which did not tell trainings or data orders apart"
    command = f"tfprune compare --all {sweep.key} --layout {found.layout}"
    return f"left out: {why}. '{command}' compares them anew"
