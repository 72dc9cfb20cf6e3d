"""The data sets of an experiment: what it trains on, and further test sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.data import Dataset
    from tfprune.data.also import AlsoTest


def load_data(config: RunConfig, *, seed: int) -> Dataset:
    """Return the data set of one replicate: `seed` decides what is held out for validation."""
    from tfprune.data import load_dataset

    data = config.data
    return load_dataset(
        data.dataset,
        data_dir=data.data_dir,
        train_split=data.train_split,
        test_split=data.test_split,
        test_fraction=data.test_fraction,
        stream=data.stream,
        validation_fraction=data.validation_fraction,
        image_size=data.image_size,
        resize=data.resize,
        seed=seed,
    )


def load_further_tests(config: RunConfig, dataset: Dataset) -> tuple[AlsoTest, ...]:
    """Return the test sets that `data.also_test` names, prepared as `dataset` is."""
    from tfprune.data.also import check_different, load_also

    data = config.data
    folder = None if data.data_dir is None else Path(data.data_dir)
    check_different(data.also_test)
    found: list[AlsoTest] = []
    for reference in data.also_test:
        known = [one.key for one in found]
        found.append(
            load_also(
                reference,
                dataset,
                known=known,
                data_dir=folder,
                resize=data.resize,
                stream=data.stream,
            )
        )
    return tuple(found)
