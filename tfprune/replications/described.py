"""What the arms of a replication found inside single layers, asked for by quantity and level."""

from __future__ import annotations

import numpy as np

from tfprune.replications.evidence import Evidence


def profile_of(evidence: Evidence, arm: str, quantity: str, *, level: int) -> np.ndarray:
    """Return a described quantity over depth, (n_seeds, n_layers); NaN where a layer has none.

    Layers are those that have the quantity at all, from the input on.
    """
    rows = [row for row in evidence.results[arm].descriptions if row.quantity == quantity]
    layers = [name for _, name in sorted({(row.layer_index, row.layer) for row in rows})]
    values = {
        (row.seed, row.layer): np.nan if row.value is None else row.value
        for row in rows
        if row.level == level
    }
    return np.array(
        [[values.get((seed, layer), np.nan) for layer in layers] for seed in evidence.seeds(arm)]
    )


def total_of(evidence: Evidence, arm: str, quantity: str, *, level: int) -> np.ndarray:
    """Return a count summed over the layers that have one, per seed; NaN where none has."""
    profile = profile_of(evidence, arm, quantity, level=level)
    found = np.where(np.isfinite(profile), profile, 0.0).sum(axis=1)
    return np.where(np.isfinite(profile).any(axis=1), found, np.nan)
