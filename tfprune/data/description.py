"""What a run says of its data: where they came from, and how many images each class has."""

from __future__ import annotations

from typing import Any

from tfprune.data.dataset import Dataset
from tfprune.data.labels import class_counts


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return plain values that say what a network was trained, validated and tested on.

    Keys: `name`; `provenance`; `input_shape` (height, width, channels); `dtype`; `examples`, the
    number in train, validation and test; `classes`, one entry for each class in order, with its
    `name`, the `label` that it had in the source where that is another, and its number of examples
    in each of the three.
    """
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    counts = {split: class_counts(part.labels, dataset.n_classes) for split, part in splits.items()}
    labels = dict.fromkeys(range(dataset.n_classes), "")
    labels |= {place: label for label, place in (dataset.label_mapping or {}).items()}
    return {
        "name": dataset.name,
        "provenance": dict(dataset.provenance),
        "input_shape": list(dataset.input_shape),
        "dtype": str(dataset.train.images.dtype),
        "examples": {split: len(part) for split, part in splits.items()},
        "classes": [
            {
                "name": name,
                **({"label": labels[place]} if labels[place] not in ("", name) else {}),
                **{split: counts[split][place] for split in splits},
            }
            for place, name in enumerate(dataset.class_names)
        ],
    }
