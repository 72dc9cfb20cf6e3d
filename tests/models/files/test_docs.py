"""The page for users lists what the code lets through, and what it does not."""

from __future__ import annotations

import re
from pathlib import Path

from tfprune.models.files import allowed

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "own-model.md").read_text()


def named(section: str) -> set[str]:
    """Return the names in backticks in the table rows of one section."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)}


def test_the_table_of_layers_that_convert_is_complete() -> None:
    assert named("Layers that convert") == allowed.CONVERTIBLE_LAYERS


def test_the_table_of_layers_that_do_not_is_complete() -> None:
    refused = {n for n in allowed.REFUSED_LAYERS if not n.startswith("__")}
    refused |= allowed.KERAS2_ONLY_LAYERS | allowed.DIFFERENT_LAYERS.keys()
    assert named("Layers that do not convert, and why") == refused - set(allowed.QUANTIZATION)


def test_every_layer_of_both_libraries_is_on_one_of_the_lists(keras3: object) -> None:
    import keras
    import tf_keras

    known = allowed.CONVERTIBLE_LAYERS | allowed.KERAS2_ONLY_LAYERS
    known |= allowed.REFUSED_LAYERS.keys() | allowed.DIFFERENT_LAYERS.keys()
    bases = {"Layer", "Wrapper", "InputSpec", "AbstractRNNCell"}
    for library in (keras, tf_keras):
        classes = {v.__name__ for v in vars(library.layers).values() if isinstance(v, type)}
        assert classes - bases <= known
