"""Random layers held still, so that two networks can be compared while they train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_RANDOM = ("Dropout", "Noise", "Random")
_RATES = ("dropout", "recurrent_dropout")


@contextmanager
def quiet(model: Any) -> Iterator[dict[int, list[bool]]]:
    """Within this context, the random layers of `model` act as in inference.

    Yields a dictionary that fills while the model runs: for each random layer (by `id`), whether
    each of its calls was meant as training. So a dropout that a conversion has frozen off shows,
    although its output is the same.
    """
    modes: dict[int, list[bool]] = {}
    patched: list[Any] = []
    rates: list[tuple[Any, str, float]] = []
    for layer in model._flatten_layers():
        if any(word in type(layer).__name__ for word in _RANDOM) and hasattr(layer, "call"):
            _hold(layer, modes.setdefault(id(layer), []))
            patched.append(layer)
        for name in _RATES:  # recurrent cells drop on their own
            rate = vars(layer).get(name)
            if isinstance(rate, float | int) and rate:
                rates.append((layer, name, rate))
                object.__setattr__(layer, name, 0.0)
    try:
        yield modes
    finally:
        for layer in patched:
            vars(layer).pop("call", None)
        for layer, name, rate in rates:
            object.__setattr__(layer, name, rate)


def _hold(layer: Any, modes: list[bool]) -> None:
    original = layer.call

    def call(inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        modes.append(bool(training))
        return original(inputs, training=False, **kwargs)

    object.__setattr__(layer, "call", call)
