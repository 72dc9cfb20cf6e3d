"""`tfprune sync`: what a run could not log, and the store that a run was started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.errors import InputError
from tfprune.masking import MASK, masked
from tfprune.runs import run_file
from tfprune.runs import workspace as workspaces
from tfprune.runs.finding import find_run
from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.store_problem import StoreProblem, refill

if TYPE_CHECKING:
    from tfprune.tracking import Check, Delivery, Store, StoreLocation


def sync(
    reference: str,
    *,
    to: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> Delivery:
    """Deliver what a run could not log; return how many records went, are left, were refused.

    `to` is the URI of a store that shall have all that the run logged, a new one or one that has
    it already: from then on it is the store of the run. `experiment` is the one in it, by default
    that of before. Raises InputError when there is no such run, while it is still going, and
    without `to` when the store to which it was delivered is gone.
    """
    root = Path(folder)
    run_folder, facts = find_run(root, reference)
    run_file.check_journal(run_folder)
    run_file.check_finished(run_folder, facts)
    ended = bool(facts["finished"]) and run_file.is_experiment(facts)
    if to is None:
        opened = open_again(run_folder, store_of(run_folder, facts["store"], root))
        delivery = opened.sync(run_folder, has_finished=ended)
    else:
        location = resolve_store(to, experiment or facts["store"]["experiment"], folder=root)
        opened = open_store(location)
        workspace = workspaces.move(run_folder, facts, workspaces.store_facts(location, root))
        try:
            delivery = opened.sync(run_folder, anew=True, has_finished=ended)
            workspace.note(run_id=run_file.store_id(run_folder))
        finally:
            workspace.close()
    if facts["finished"]:
        workspaces.free_disk(run_folder)  # what is left where it was killed in its last moment
    return delivery


def check(reference: str, *, folder: str | Path = ".") -> Check:
    """Return what of a run is not in its store as it was logged, by its journal and files.

    It finds what a damaged database says that it was never told; what was changed in MLflow by
    hand shows too. Raises InputError when there is no such run, or its store is gone.
    """
    root = Path(folder)
    run_folder, facts = find_run(root, reference)
    run_file.check_journal(run_folder)
    return open_again(run_folder, store_of(run_folder, facts["store"], root)).check(run_folder)


def open_again(run_folder: Path, location: StoreLocation) -> Store:
    """Return the store of a run that has begun; InputError where what it had of it is gone."""
    key = run_folder.name
    try:
        return open_store(location, create=run_file.store_id(run_folder) is None)
    except StoreProblem as error:
        if error.is_missing:
            raise InputError(
                f"{error.what}; run {key} was uploaded to it. Restore it, or fill a new one from "
                f"the folder of the run: {refill(key)}"
            ) from error
        if error.is_silent:
            raise InputError(
                f"{error.what}. Start it, or upload the whole run to another one: "
                f"{refill(key, 'URI')}"
            ) from error
        raise


def store_of(run_folder: Path, given: Mapping[str, str | None], root: Path) -> StoreLocation:
    """Return the store a run was started with; the environment says it where it holds a secret."""
    uri = None if given["uri"] and MASK in given["uri"] else given["uri"]
    location = resolve_store(uri, given["experiment"], folder=root)
    # what has secrets was masked less in folders of before
    told = given["uri"] and masked(given["uri"])
    if workspaces.store_facts(location, root) != {**given, "uri": told}:
        is_set = bool(os.environ.get("MLFLOW_TRACKING_URI"))
        raise InputError(
            f"run {run_folder.name} logs to {given['uri'] or 'the store in mlruns'}, but "
            f"MLFLOW_TRACKING_URI {'leads to' if is_set else 'is not set, which leads to'} "
            f"{location.shown}. Set it to what it was."
        )
    return location
