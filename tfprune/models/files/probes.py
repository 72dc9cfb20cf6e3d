"""Random inputs for a model, after a look at what they would cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfprune.errors import InputError

UNKNOWN_SIZE = 96
MAX_INPUT = 1 << 26
MAX_ACTIVATION = 1 << 28
BATCH = 4


def random_inputs(model: Any, *, n: int = BATCH, seed: int = 0) -> list[np.ndarray]:
    """Return one random batch for each input of a tf_keras model; unknown sizes become 96.

    Floats lie in [0, 1), integers are 0 or 1. A batch size fixed in the model is kept. Raises
    InputError where a network asks for more than any image holds.
    """
    check_sizes(model)
    rng = np.random.default_rng(seed)
    batches = []
    for tensor in model.inputs:
        sizes = [UNKNOWN_SIZE if d is None else int(d) for d in tensor.shape[1:]]
        shape = (n if tensor.shape[0] is None else int(tensor.shape[0]), *sizes)
        drawn = rng.random(shape) if tensor.dtype.is_floating else rng.integers(0, 2, shape)
        batches.append(drawn.astype(tensor.dtype.as_numpy_dtype))
    return batches


def check_sizes(model: Any) -> None:
    """Raise InputError if an input or an activation of a tf_keras model is absurdly large."""
    for tensor in model.inputs:
        if _size(tensor.shape) > MAX_INPUT:
            raise InputError(
                f"model {model.name!r}: one input of shape {tuple(tensor.shape[1:])} has more "
                f"than {MAX_INPUT:,} values; no image has. Refused."
            )
    for layer in model.layers:
        for node in layer.inbound_nodes:
            for shape in _shapes(node.output_shapes):
                if _size(shape) > MAX_ACTIVATION:
                    raise InputError(
                        f"layer {layer.name!r} puts out {tuple(shape[1:])}, more than "
                        f"{MAX_ACTIVATION:,} values for one image: absurd. Refused."
                    )


def _shapes(structure: Any) -> Iterator[Any]:
    """Yield the shapes in nested lists, tuples and dicts of shapes."""
    if isinstance(structure, dict):
        for item in structure.values():
            yield from _shapes(item)
    elif isinstance(structure, list | tuple) and any(
        isinstance(item, list | tuple | dict) for item in structure
    ):
        for item in structure:
            yield from _shapes(item)
    elif structure is not None:
        yield tuple(structure)


def _size(shape: Any) -> int:
    return math.prod(UNKNOWN_SIZE if d is None else int(d) for d in tuple(shape)[1:])
