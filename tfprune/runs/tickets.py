"""Tickets of logged runs, by what a user calls them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.errors import InputError
from tfprune.experiment.tickets import REWIND_FILE, Ticket, read_rewind
from tfprune.pruning.mask_files import load_masks

if TYPE_CHECKING:
    from tfprune.tracking import Store


def load_ticket(
    reference: str,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> Ticket:
    """Return the ticket RUN:LEVEL (or RUN:LEVEL:SEED) of a logged experiment.

    RUN alone means its last level. Raises InputError when there is no such run or level, or
    when the run logged no state to go back to.

    >>> import tfprune
    >>> masks = tfprune.load_ticket("example:1").masks
    >>> sum(int(mask.sum()) for mask in masks.values()), sum(mask.size for mask in masks.values())
    (3072, 6144)
    """
    from tfprune.tracking import open_store, resolve_store

    location = resolve_store(tracking_uri, experiment, folder=folder)
    return ticket_from(open_store(location, create=False), reference)


def ticket_from(store: Store, reference: str) -> Ticket:
    """Return the ticket of a logged level; see `load_ticket`."""
    from tfprune.runs.networks import level_run, run_config

    parent, child = level_run(store, reference)
    seed, level = int(child.params["seed"]), int(child.params["level"])
    dense = store.child(parent.id, level=0, seed=seed)
    if REWIND_FILE not in store.list_artifacts(dense.id):
        raise InputError(f"run {parent.name!r} logged no {REWIND_FILE}: it holds no tickets.")
    read = read_rewind(Path(store.download_artifact(dense.id, REWIND_FILE)))
    if read is None:
        raise InputError(f"{REWIND_FILE} of run {parent.name!r} is damaged; it can't be used.")
    variables, step = read
    return Ticket(
        source=f"{parent.id}:{level}:{seed}",
        seed=seed,
        level=level,
        step=step,
        masks=load_masks(store.download_artifact(child.id, "mask.npz")),
        variables=variables,
        config=run_config(store, parent),
    )
