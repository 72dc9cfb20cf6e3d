"""What `tfprune.prune` refuses before anything is trained, each with one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfprune.config import ComparisonConfig
from tfprune.config.words import SCOPES
from tfprune.data.feed import Feed, check_finite
from tfprune.errors import InputError, reason, unknown_name
from tfprune.experiment.one_network import evaluated
from tfprune.models.compiled import settings_of
from tfprune.models.libraries import library_of
from tfprune.pruning.toward import check_amount, is_whole

TRIED = 8  # examples that are shown before anything is trained
_VERBOSE = ("auto", 0, 1, 2)


def check_options(
    *,
    levels: int,
    sparsity: float,
    epochs: int,
    batch_size: int,
    scope: str,
    seed: int,
    probe_size: int | None,
    measures: Sequence[str] | None,
    verbose: Any,
) -> None:
    """Raise InputError for a number out of range, and for names that are not known."""
    check_amount(sparsity, levels)
    least = {"epochs": (epochs, 0), "batch_size": (batch_size, 1), "seed": (seed, 0)}
    if probe_size is not None:
        least["probe_size"] = (probe_size, 4)
    for name, (value, low) in least.items():
        if not is_whole(value, least=low):
            raise InputError(f"{name} is a whole number from {low}; got {value!r}.")
    if scope not in SCOPES:
        raise unknown_name("scope", str(scope), SCOPES)
    if verbose not in _VERBOSE:
        raise InputError(
            f"verbose is 'auto', 0 (silent), 1 (a bar) or 2 (a line per epoch); got {verbose!r}."
        )
    if measures is not None:
        ComparisonConfig(measures=names(measures))  # which knows them


def names(given: Sequence[str]) -> tuple[str, ...]:
    """Return names given as several or as one."""
    return (given,) if isinstance(given, str) else tuple(given)


def check_model(model: Any, *, has_loss: bool) -> None:
    """Raise InputError for a model without weights, and for one whose loss is not known."""
    library_of(model)  # which refuses what is no model
    if not getattr(model, "built", False) or not model.weights:
        raise InputError(
            f"model {model.name!r} is not built, so it has no weights to prune. Train it first, or "
            "load it with its weights."
        )
    if settings_of(model) is None and not has_loss:
        raise InputError(
            f"model {model.name!r} is not compiled, so what it is trained for is not known. "
            "Compile it, or give loss= (and optimizer=, metrics=)."
        )


def check_inputs(model: Any, example: tuple[Any, Any, Any], where: str) -> None:
    """Raise InputError for examples of another shape than a model's one input, or not finite."""
    for name, part in zip(("x", "y", "sample_weight"), example, strict=True):
        if part is not None:
            check_finite(part, f"{name} of {where}")
    x = example[0]
    inputs: Any = getattr(model, "inputs", None) or ()
    if len(inputs) != 1 or not hasattr(x, "shape"):
        return
    wanted, got = tuple(inputs[0].shape)[1:], tuple(x.shape)[1:]
    fitting = [got, (*got, 1)] + ([got[:-1]] if got[-1:] == (1,) else [])
    if not any(
        len(shape) == len(wanted)
        and all(w is None or w == n for w, n in zip(wanted, shape, strict=True))
        for shape in fitting
    ):
        raise InputError(
            f"model {model.name!r} takes inputs of shape {_batch(wanted)}, and x of {where} has "
            f"{_batch(got)}. Give the examples as the model was trained on them."
        )


def _batch(shape: Sequence[Any]) -> str:
    return "(" + ", ".join(["batch", *("any" if d is None else str(d) for d in shape)]) + ")"


def check_same_answers(model: Any, copy: Any, x: Any) -> None:
    """Raise InputError unless a copy answers as its model, up to rounding."""
    theirs, ours = (_flat(one(x, training=False)) for one in (model, copy))
    scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=0, atol=1e-3 * scale,
                                                     equal_nan=True):  # fmt: skip
        raise InputError(
            f"model {model.name!r} can't be rebuilt: a model of the same configuration "
            "and weights answers differently. Let layers and classes of your own depend on what "
            "get_config() returns alone."
        )
    if not np.isfinite(theirs).all():
        raise InputError(
            f"model {model.name!r} outputs numbers that are not finite (nan or infinite): its "
            "training had diverged, or its inputs are not what it was trained on."
        )


def _flat(answers: Any) -> np.ndarray:
    import tensorflow as tf

    parts = [np.asarray(part, np.float64).reshape(-1) for part in tf.nest.flatten(answers)]
    return np.concatenate(parts)


def try_loss(copy: Any, shown: Feed, example: tuple[Any, Any, Any]) -> None:
    """Raise InputError where loss and metrics can't be computed of examples."""
    x, y, weights = example
    _check_classes(copy, y, shown)
    try:
        evaluated(copy, Feed(x, y, weights, len(y), shown.where), batch_size=TRIED)
    except Exception as error:  # losses and layers of the user's own raise anything
        answers = copy.output_shape if getattr(copy, "outputs", None) else "?"
        asked = y.shape if hasattr(y, "shape") else "several arrays"
        raise InputError(
            f"the loss of model {copy.name!r} can't be computed of {shown.where}: the model "
            f"answers {answers}, y of a batch is {asked}: {reason(error)}. Give y in the form in "
            "which the model was trained on it, or another loss=."
        ) from error


def _check_classes(copy: Any, y: Any, shown: Feed) -> None:
    """Raise InputError where whole labels name a class that the model does not have."""
    loss = (settings_of(copy) or {}).get("loss")
    name = str(getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss)
    outputs: Any = getattr(copy, "outputs", None) or ()
    is_sparse = "sparse" in name.lower() and len(outputs) == 1
    labels = shown.y if shown.is_arrays else y
    if not is_sparse or not hasattr(labels, "dtype") or getattr(loss, "ignore_class", None):
        return
    n_classes = int(outputs[0].shape[-1])
    low, high = float(labels.min()), float(labels.max())
    if low < 0 or high >= n_classes:
        raise InputError(
            f"y of {shown.where} has labels from {low:g} to {high:g}, and model {copy.name!r} "
            f"tells {n_classes} classes apart: expected 0 to {n_classes - 1}."
        )
