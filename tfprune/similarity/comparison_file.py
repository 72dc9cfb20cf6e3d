"""Comparisons on disk: what was collected goes to one .npz file, without pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.disk import UNREADABLE, npz, read_npz, write_whole
from tfprune.errors import InputError
from tfprune.similarity.accumulator import Accumulator
from tfprune.similarity.arrays import Array
from tfprune.similarity.factorizations import StreamingR
from tfprune.similarity.streaming import Key, StreamedMoments

_FORMAT = 2  # 1 did not know from which image a sampled row was

#: the arrays of a sample of rows, and of sums over minibatches
_SAMPLE = ("sample_keys", "sample_images", "sample_positions", "sample_x", "sample_y")
_BATCH = ("batch_values", "batch_x", "batch_y")

Masked = Mapping[str, Mapping[str, Array]]


def write(path: Path, head: Mapping[str, Any], masked: Masked, accumulator: Accumulator) -> None:
    """Write `head` (what JSON holds), side -> layer -> mask, and what was collected."""
    facts: dict[str, Any] = {"format": _FORMAT, **head}
    arrays: dict[str, Array] = {}
    for side, masks in masked.items():
        facts[f"masked_{side}"] = list(masks)
        arrays.update({f"masked_{side}/{i}": np.asarray(m) for i, m in enumerate(masks.values())})
    _pack(accumulator, facts, arrays)
    encoded = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    write_whole(path, npz({"head": encoded, **arrays}))


def read(path: Path) -> tuple[dict[str, Any], Masked, dict[str, Array]]:
    """Return head, masks and arrays that `write` wrote; `restore` takes head and arrays on.

    Raises InputError when the file is something else.
    """
    try:
        arrays = read_npz(path)
        head = json.loads(arrays.pop("head").tobytes())
    except UNREADABLE as error:
        raise InputError(
            f"{path} is not a comparison that tfprune wrote: {error}. Collect it again."
        ) from error
    without_images = head["format"] == 1 and not any(
        name.startswith(("sample_", "batch_")) for name in arrays
    )
    if head["format"] != _FORMAT and not without_images:
        raise InputError(
            f"{path} has format {head['format']}, this version reads {_FORMAT}. Collect it again."
        )
    masked = {
        side: {
            layer: arrays[f"masked_{side}/{i}"] for i, layer in enumerate(head[f"masked_{side}"])
        }
        for side in "ab"
    }
    return head, masked, arrays


def _pack(accumulator: Accumulator, head: dict[str, Any], arrays: dict[str, Array]) -> None:
    keys = list(accumulator.n_rows)
    head["n_images"] = accumulator.n_images
    head["keys"] = [
        [*k, accumulator.n_rows[k], accumulator.tolerance[k], str(accumulator.dtype[k])]
        for k in keys
    ]
    head["exponents"] = [accumulator.exponents.get(key) for key in keys]
    rows = accumulator.kept_rows() if accumulator.n_images else None
    if rows is not None:
        arrays.update({f"rows/{i}": rows[key] for i, key in enumerate(keys)})
    arrays.update(
        {
            f"sketch/{i}": np.concatenate(accumulator.sketch.parts[key])
            for i, key in enumerate(keys)
            if key in accumulator.sketch.parts
        }
    )
    stores = [] if accumulator.store is None else [accumulator.store, *accumulator.nulls]
    head["stores"] = len(stores)
    for index, store in enumerate(stores):
        for i, key in enumerate(keys):
            for part, values in (("shift", store.shifts), ("within", store.within)):
                if key in values:
                    arrays[f"{part}/{index}/{i}"] = values[key]
        for i, pair in enumerate(store.pairs):
            if pair in store.between:
                arrays[f"between/{index}/{i}"] = store.between[pair]
    for i, pair in enumerate(accumulator.pairs):
        found: dict[str, Array] = {}
        if (factor := accumulator.factors.get(pair)) is not None:
            found |= {"factor": factor.factor}
            found |= {"factor_x": factor.shift_x, "factor_y": factor.shift_y}
        if (sample := accumulator.samples.get(pair)) is not None:
            found |= dict(zip(_SAMPLE, sample.state(), strict=True))
        if (sums := accumulator.minibatches.get(pair)) is not None:
            found |= dict(zip(_BATCH, sums.state(), strict=True))
        arrays.update({f"{name}/{i}": values for name, values in found.items()})


def restore(accumulator: Accumulator, head: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Fill a fresh accumulator of the same pairs, measures and settings with what was read."""
    keys = [Key(side, layer) for side, layer, *_ in head["keys"]]
    accumulator.n_images = head["n_images"]
    for key, (_, _, n_rows, tolerance, dtype) in zip(keys, head["keys"], strict=True):
        accumulator.n_rows[key], accumulator.tolerance[key] = n_rows, tolerance
        accumulator.dtype[key] = np.dtype(dtype)
    for i, key in enumerate(keys):
        if f"sketch/{i}" in arrays:  # files from before have none
            accumulator.sketch.parts[key] = [arrays[f"sketch/{i}"]]
    exponents = head.get("exponents", [0] * len(keys))  # files from before: unscaled
    accumulator.exponents = {k: e for k, e in zip(keys, exponents, strict=True) if e is not None}
    if "rows/0" in arrays:
        accumulator.restore_rows({k: arrays[f"rows/{i}"] for i, k in enumerate(keys)})
    for index in range(head["stores"]):
        store = StreamedMoments(accumulator.pairs, cross_only=index > 0)
        for i, key in enumerate(keys):
            if f"shift/{index}/{i}" in arrays:
                store.shifts[key] = arrays[f"shift/{index}/{i}"]
                store.widths[key] = store.shifts[key].size + 2
            if f"within/{index}/{i}" in arrays:
                store.within[key] = arrays[f"within/{index}/{i}"]
                store.n_blocks = store.within[key].shape[0]
        for i, pair in enumerate(store.pairs):
            if f"between/{index}/{i}" in arrays:
                store.between[pair] = arrays[f"between/{index}/{i}"]
        if index == 0:
            accumulator.store = store
        else:
            accumulator.nulls.append(store)
    for i, pair in enumerate(accumulator.pairs):
        if f"factor/{i}" in arrays:
            factor = StreamingR(arrays[f"factor_x/{i}"], arrays[f"factor_y/{i}"])
            factor.factor = arrays[f"factor/{i}"]
            accumulator.factors[pair] = factor
        if f"sample_keys/{i}" in arrays:
            accumulator.samples[pair].restore(*(arrays[f"{part}/{i}"] for part in _SAMPLE))
        if f"batch_values/{i}" in arrays:
            per_image = accumulator.per_image[pair[0]]
            values, x, y = (arrays[f"{part}/{i}"] for part in _BATCH)
            accumulator.minibatches[pair].restore(values, x, y, per_image)
