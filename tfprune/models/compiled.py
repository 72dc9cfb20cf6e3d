"""What a model of either library was compiled with, and a copy that is compiled alike.

The optimizer goes on where the user's own stands: its step counter, moments and rate come along.
Nothing is shared but loss functions, which hold no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfprune.errors import InputError, reason
from tfprune.models.libraries import library_of
from tfprune.models.weights import values

_OPTIMIZER = "adam"  # where a loss is given and no optimizer


def settings_of(model: Any) -> dict[str, Any] | None:
    """Return what a model was compiled with, by the names of `compile`; None if it was not."""
    is_compiled = getattr(model, "compiled", None) or getattr(model, "_is_compiled", False)
    kept = getattr(model, "_compile_config", None)
    return dict(kept.config) if is_compiled and kept is not None else None


def compile_alike(
    model: Any, copy: Any, *, optimizer: Any = None, loss: Any = None, metrics: Any = None
) -> None:
    """Compile a copy as its model was compiled; what is given takes the place of the model's own.

    optimizer, loss, metrics: as `compile` takes them. Optimizers and metrics that are objects are
    copied. Adam where the model has none.

    Raises InputError where the model is not compiled and no loss is given, for an optimizer of
    the other library, and for what can't be copied.
    """
    settings = settings_of(model)
    if settings is None and loss is None:
        raise InputError(
            f"model {model.name!r} is not compiled, so what it is trained for is not known. "
            "Compile it, or give loss= (and optimizer=, metrics=)."
        )
    if isinstance(loss, str):
        check_loss(loss, library_of(model))
    settings = settings or {"optimizer": None}
    given = {"loss": loss, "metrics": metrics}
    settings |= {name: value for name, value in given.items() if value is not None}
    if loss is not None:
        settings.pop("loss_weights", None)  # of another loss
    own = getattr(model, "optimizer", None) if settings.get("optimizer") is not None else None
    settings["optimizer"] = _optimizer(model, copy, optimizer, own)
    for name in ("metrics", "weighted_metrics"):
        if name in settings:
            settings[name] = _fresh(settings[name], library_of(model))
    try:
        copy.compile(**settings)
    except Exception as error:  # a class of the user's own may take anything
        raise InputError(
            f"a model of class {type(model).__name__} can't be compiled with "
            f"{', '.join(settings)}: {reason(error)}."
        ) from error


def check_loss(name: str, library: Any) -> None:
    """Raise InputError where the name is none of a loss of Keras."""
    try:
        library.losses.get(name)
    except (ValueError, TypeError):
        raise InputError(
            f"loss {name!r} is not one of Keras's. Give one of its names, such as "
            "sparse_categorical_crossentropy."
        ) from None


def _optimizer(model: Any, copy: Any, given: Any, own: Any) -> Any:
    library = library_of(model)
    chosen = given if given is not None else own if own is not None else _OPTIMIZER
    if isinstance(chosen, str | Mapping):
        try:
            return library.optimizers.get(chosen)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"optimizer {chosen!r} is not one of Keras's: {reason(error)}."
            ) from error
    if not type(chosen).__module__.startswith(f"{library.__name__}.") and not any(
        kind.__module__.startswith(f"{library.__name__}.") for kind in type(chosen).__mro__
    ):
        raise InputError(
            f"model {model.name!r} is of {library.__name__}, and optimizer is a "
            f"{type(chosen).__module__}.{type(chosen).__qualname__}. Give one of "
            f"{library.__name__}.optimizers, or its name."
        )
    copied = _rebuilt(chosen, library, "optimizer")
    if given is None:
        _take_state(own, copied, copy)
    _check_rate(copied)
    return copied


def _rebuilt(value: Any, library: Any, what: str) -> Any:
    """Return a new object of the same class and configuration."""
    parts = [value, getattr(value, "_learning_rate", None), getattr(value, "inner_optimizer", None)]
    known = {type(part).__name__: type(part) for part in parts if part is not None}
    own = {name: kind for name, kind in known.items() if "keras" not in kind.__module__}
    try:
        with library.saving.custom_object_scope(own):
            return type(value).from_config(value.get_config())
    except Exception as error:  # classes of the user's own raise anything
        raise InputError(
            f"the {what} {type(value).__name__} can't be copied, which leaves the model's own as "
            f"it is: {reason(error)}. Give it a get_config() with the arguments of its __init__."
        ) from error


def _take_state(own: Any, new: Any, copy: Any) -> None:
    """Give an optimizer the step counter and moments of the one that it is a copy of."""
    if not hasattr(new, "build"):  # one that scales losses, in tf_keras
        own, new = getattr(own, "inner_optimizer", own), getattr(new, "inner_optimizer", new)
    if not getattr(own, "built", getattr(own, "_built", False)) or not hasattr(new, "build"):
        return
    new.build(copy.trainable_variables)
    theirs, ours = list(own.variables), list(new.variables)
    shapes = [[tuple(variable.shape) for variable in part] for part in (theirs, ours)]
    if shapes[0] == shapes[1]:  # else it was built for other variables, as before layers froze
        for old, fresh in zip(theirs, ours, strict=True):
            fresh.assign(values(old))


def _check_rate(optimizer: Any) -> None:
    rate = float(values(optimizer.learning_rate))
    if rate == 0:
        raise InputError(
            "the optimizer's learning rate is 0: the schedule that the model was trained with has "
            "come to its end, and nothing would be learned. Give optimizer=, with the rate to "
            "fine-tune with."
        )


def _fresh(metrics: Any, library: Any) -> Any:
    """Return metrics with new objects in place of those that hold a state."""
    if isinstance(metrics, Mapping):
        return {name: _fresh(value, library) for name, value in metrics.items()}
    if isinstance(metrics, list | tuple):
        return [_fresh(value, library) for value in metrics]
    if isinstance(metrics, library.metrics.Metric):
        return _rebuilt(metrics, library, "metric")
    return metrics
