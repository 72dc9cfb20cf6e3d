"""Synthetic runs that look like real ones: a U over depth that deepens with sparsity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tfprune.report.data import (
    ControlRow,
    FirstLayerFilters,
    FlippedExample,
    LayerMatrix,
    ReportData,
)
from tfprune.results import DENSE, SEED_FLOOR, EpochResult, LevelResult, SimilarityResult
from tfprune.results.descriptions import QUANTITIES, DescriptionResult

DataMaker = Callable[..., ReportData]


def layer_names(n: int, *, long: bool = False) -> tuple[str, ...]:
    n_dense = min(2, max(n - 1, 0))
    if long:
        conv = [
            f"stage{i // 6 + 1}_block{i // 2 % 3 + 1}_conv{i % 2 + 1}" for i in range(n - n_dense)
        ]
    else:
        conv = [f"conv{i + 1}" for i in range(n - n_dense)]
    return (*conv, *(f"dense{i + 1}" for i in range(n_dense)))


def _similarity(
    rng: np.random.Generator, layer: int, layers: tuple[str, ...], strength: float, **given: object
) -> SimilarityResult:
    depth = layer / max(len(layers) - 1, 1)
    value = 0.97 - strength * (0.15 + 0.6 * np.sin(np.pi * (0.15 + 0.75 * depth)) ** 2)
    value = float(np.clip(value + rng.normal(scale=0.01), 0.02, 1))
    dead = round(8 * strength * np.sin(np.pi * depth))
    fields: dict[str, object] = {
        "layer_index": layer,
        "layer": layers[layer],
        "similarity": value,
        "low": value - 0.02 - 0.02 * strength,
        "high": min(1.0, value + 0.02),
        "null": 0.05 + 0.04 * depth,
        "n_samples": 1000,
        "n_images": 1000,
        "width": 32,
        "rank_a": 32,
        "rank_b": 32 - dead,
        "live": value,
        "nominal": value * (32 - dead) / 32,
        "dead_a": 0,
        "dead_b": dead // 2,
        "constant_a": 0,
        "constant_b": 0,
        "masked_a": 0,
        "masked_b": dead - dead // 2,
        "duplicate_a": 0,
        "duplicate_b": 0,
        "layout": "pixels",
        "against": DENSE,
        "warnings": "",
    }
    return SimilarityResult(**(fields | given))  # type: ignore[arg-type]


def synthetic(
    *,
    n_layers: int = 6,
    n_levels: int = 5,
    n_seeds: int = 1,
    measures: tuple[str, ...] = ("svcca", "cka"),
    fraction: float = 0.2,
    validation: bool = True,
    long: bool = False,
    extras: bool = False,
    layers: tuple[str, ...] | None = None,
    **given: object,
) -> ReportData:
    """Return the data of a run that never happened."""
    rng = np.random.default_rng(0)
    layers = layers or layer_names(n_layers, long=long)
    levels: list[LevelResult] = []
    similarities: list[SimilarityResult] = []
    epochs: list[EpochResult] = []
    for seed in range(n_seeds):
        for level in range(n_levels + 1):
            kept = (1 - fraction) ** level
            accuracy = 0.93 + 0.01 * np.tanh(level) - 0.3 * max(0, 0.05 / kept - 0.6) * 0.1
            accuracy = float(np.clip(accuracy + rng.normal(scale=0.004), 0.1, 1))
            levels.append(
                LevelResult(
                    seed=seed,
                    level=level,
                    sparsity=1 - kept,
                    n_weights=100_000,
                    n_kept=round(100_000 * kept),
                    accuracy_validation=accuracy + 0.005 if validation else None,
                    accuracy_test=accuracy,
                    loss_validation=0.2 if validation else None,
                    loss_test=0.21,
                    flips=0.01 * level,
                    layer_sparsity={
                        name: float(np.clip((1 - kept) * (0.8 + 0.4 * i / len(layers)), 0, 1))
                        for i, name in enumerate((*layers, "output"))
                    },
                )
            )
            epochs += [
                EpochResult(
                    seed=seed,
                    level=level,
                    epoch=epoch,
                    loss=1.5 / (epoch + 1),
                    accuracy=0.5 + 0.15 * epoch,
                    validation_loss=1.6 / (epoch + 1) if validation else None,
                    validation_accuracy=0.48 + 0.15 * epoch if validation else None,
                    learning_rate=0.001,
                )
                for epoch in range(3)
            ]
            if level:
                for shift, measure in enumerate(measures):
                    strength = (1 - kept) * (0.9 + 0.1 * shift)
                    similarities += [
                        _similarity(
                            rng, i, layers, strength, seed=seed, level=level, measure=measure
                        )
                        for i in range(len(layers))
                    ]
        if seed:
            similarities += [
                _similarity(
                    rng, i, layers, 0.6, seed=seed, level=0, measure=measure, against=SEED_FLOOR
                )
                for measure in measures
                for i in range(len(layers))
            ]
    parts: dict[str, object] = {
        "name": "digits-quick seed 0",
        "levels": tuple(levels),
        "similarities": tuple(similarities),
        "run_id": "0123456789abcdef0123456789abcdef",
        "config": "data:\n  dataset: digits\npruning:\n  levels: 5\n  fraction: 0.2\n",
        "versions": {"tfprune": "0.1.0", "tensorflow": "2.21.0", "numpy": "2.4.0"},
        "provenance": {"cifar10": "JPEG-compressed copy; pixels differ slightly."},
        "epochs": tuple(epochs),
    }
    if extras:
        parts |= _extras(rng, layers, n_levels, measures)
    return ReportData(**(parts | given))  # type: ignore[arg-type]


def _extras(
    rng: np.random.Generator, layers: tuple[str, ...], n_levels: int, measures: tuple[str, ...]
) -> dict[str, object]:
    n = len(layers)
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / n
    matrices = tuple(
        LayerMatrix(
            0,
            level,
            measure,
            layers,
            layers,
            np.clip(0.95 - 0.1 * level * (1 - apart) - 0.7 * apart, 0, 1),
        )
        for measure in measures
        for level in range(1, n_levels + 1)
    )
    dense = rng.normal(size=(3, 3, 3, 16)).astype(np.float32)
    filters = tuple(
        FirstLayerFilters(
            0, level, layers[0], dense, dense * (rng.random(dense.shape) > 1 - 0.8**level)
        )
        for level in range(1, n_levels + 1)
    )
    names = ["airplane", "automobile", "bird", "cat"]
    flipped = tuple(
        FlippedExample(
            0,
            1 + i % n_levels,
            rng.integers(0, 256, size=(32, 32, 3), dtype=np.uint8),
            names[i % 4],
            names[i % 4],
            names[(i + 1) % 4],
        )
        for i in range(12)
    )
    controls = tuple(
        ControlRow(
            control,
            0,
            level,
            1 - 0.8**level,
            0.93 - loss * level,
            dict.fromkeys(measures, 0.9 - 0.08 * level - loss),
        )
        for control, loss in (("random mask", 0.03), ("re-initialised", 0.015))
        for level in range(1, n_levels + 1)
    )
    descriptions = tuple(
        DescriptionResult(0, level, i, layer, quantity.name, 9 - i - level / 9, 8 - i, 10 - i, 500)
        for level in range(n_levels + 1)
        for i, layer in enumerate(layers)
        for quantity in QUANTITIES
    )
    return {
        "descriptions": descriptions,
        "matrices": matrices,
        "filters": filters,
        "flipped": flipped,
        "controls": controls,
    }


@pytest.fixture(scope="session")
def make_data() -> DataMaker:
    """Return the maker of synthetic runs; see `synthetic` for its options."""
    return synthetic
