"""`tfprune.prune`: one trained network made sparse and trained on, and no experiment."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from tfprune.config import ComparisonConfig
from tfprune.data.feed import Feed, feed
from tfprune.errors import InputError, InvariantError
from tfprune.experiment.followed import Comparer, Followed, probe
from tfprune.experiment.one_network import UNMET, Course, PrunedLevel, levels_of
from tfprune.models.compiled import compile_alike, settings_of
from tfprune.models.duplicate import duplicate
from tfprune.models.libraries import library_of
from tfprune.models.weights import values
from tfprune.pruning.checks import digest
from tfprune.pruning.masks import first_emptied
from tfprune.pruning.strategy import PruningContext, Strategy, load_strategy
from tfprune.pruning.toward import Way, way_toward
from tfprune.runs.prune_checks import (
    TRIED,
    check_inputs,
    check_model,
    check_options,
    check_same_answers,
    names,
    try_loss,
)
from tfprune.runs.prune_notes import left_out, not_pruned
from tfprune.runs.prune_result import PruneResult
from tfprune.training.masked import MaskedModel

_EXAMPLES = 1000  # that strategies look at
_MOST_PROBED = 10_000


def prune(
    model: Any,
    train: Any,
    *,
    sparsity: float,
    validation: Any = None,
    strategy: str = "magnitude",
    levels: int = 5,
    scope: str = "global",
    exclude: Sequence[str] = (),
    epochs: int = 3,
    batch_size: int = 32,
    optimizer: Any = None,
    loss: Any = None,
    metrics: Any = None,
    callbacks: Sequence[Any] = (),
    verbose: Any = "auto",
    seed: int = 0,
    measures: Sequence[str] | None = None,
    probe_size: int | None = None,
    return_result: bool = False,
    track: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
) -> Any:
    """Return a sparse model of the kind that was given, pruned level by level and trained on.

    model: a built Keras 3 or tf_keras model with the weights that it has; it is not changed.
        Functional, Sequential, or a subclass of Model with `get_config()`; of any precision.
    train: what to train on, as the model takes it: (x, y) or (x, y, sample_weight) of arrays, a
        tf.data.Dataset, or an object with `__len__` and `__getitem__`, of single examples as
        PyTorch's or of batches as Keras's. validation: the same, to evaluate on; or the share of
        the arrays of `train` that is held out at their end, in (0, 1). Without it the levels are
        evaluated on `train`.
    sparsity: share of the kernel weights of Dense and convolutional layers that are 0 in the end,
        in (0, 1), to the weight; of the filters, for strategies that remove whole ones. Layers with
        trainable=False are left alone, and do not count.
    strategy, scope, exclude: what is removed, as of `tfprune run`; see `tfprune strategies`.
        exclude: names of layers that are left alone, or patterns (`stage1_*`).
    levels: in how many steps, each of which removes the same share of what is left.
    epochs: of training after each; 0 for none. batch_size: of arrays and of single examples.
    optimizer, loss, metrics: in place of those that the model was compiled with, as `compile` takes
        them. The model's own optimizer continues from its state, moments and rate included.
    callbacks, verbose: of `fit` at every level, which shows the progress; 0 shows nothing.
    seed: of what strategies draw, of the order in which single examples are shown, and of the
        examples on which layers are compared. `fit` itself draws from Keras's own random state.
    return_result: return (model, PruneResult): what every level kept, how well it does, and how
        similar its layers are to those of the given model, by `measures` (by default those of
        `tfprune run`) on `probe_size` examples (by default all of validation, else of train, up to
        10,000), each beside what unrelated layers would show.

    track: log it as an MLflow run of kind 'prune', with loss, metrics and similarities level by
        level, `levels.csv`, `similarity.csv` and `mask.npz`; in the store that `tracking_uri` and
        `experiment` say, by default that of `tfprune run`. The model itself is not logged.

    The returned model is a plain one of the same library and class, compiled, its pruned weights
    exactly 0; in this process they stay 0 if it is trained further. Nothing is written unless it is
    tracked.

    Raises InputError for what can't be done, before anything is trained, and RunError where
    training fails.

    >>> import keras, numpy as np, tfprune
    >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> smaller = tfprune.prune(model, (x, x[:, :1]), sparsity=0.5, levels=2, epochs=1, verbose=0)
    >>> sum(int((layer.kernel.numpy() == 0).sum()) for layer in smaller.layers)
    18
    """
    copy, result = pruned(
        model, train, sparsity=sparsity, validation=validation, strategy=strategy, levels=levels,
        scope=scope, exclude=exclude, epochs=epochs, batch_size=batch_size, optimizer=optimizer,
        loss=loss, metrics=metrics, callbacks=callbacks, verbose=verbose, seed=seed,
        measures=measures, probe_size=probe_size, compare=return_result, track=track,
        tracking_uri=tracking_uri, experiment=experiment,
    )  # fmt: skip
    return (copy, result) if return_result else copy


def pruned(
    model: Any,
    train: Any,
    *,
    sparsity: float,
    validation: Any = None,
    strategy: str = "magnitude",
    levels: int = 5,
    scope: str = "global",
    exclude: Sequence[str] = (),
    epochs: int = 3,
    batch_size: int = 32,
    optimizer: Any = None,
    loss: Any = None,
    metrics: Any = None,
    callbacks: Sequence[Any] = (),
    verbose: Any = "auto",
    seed: int = 0,
    measures: Sequence[str] | None = None,
    probe_size: int | None = None,
    compare: bool = False,
    track: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    tell: Callable[[str], None] = lambda message: warnings.warn(message, stacklevel=3),
) -> tuple[Any, PruneResult]:
    """Return what `prune` does, and how it went; layers are compared where `compare` says so.

    tell: hears of what could not be logged.
    """
    check_options(levels=levels, sparsity=sparsity, epochs=epochs, batch_size=batch_size,
                  scope=scope, seed=seed, probe_size=probe_size, measures=measures,
                  verbose=verbose)  # fmt: skip
    chosen = load_strategy(strategy)
    check_model(model, has_loss=loss is not None)
    location = None
    if track or tracking_uri is not None or experiment is not None:
        from tfprune.runs.prune_record import record_pruning, tracking_store

        location = tracking_store(tracking_uri, experiment, folder=Path())
        compare = True
    before = _fingerprint(model)
    shown, held_out = _feeds(model, train, validation, batch_size=batch_size, seed=seed)
    tried = [(each, each.first(TRIED)) for each in (shown, held_out) if each is not None]
    for each, example in tried:
        check_inputs(model, example, each.where)
    x = tried[0][1][0]
    copy = duplicate(model, example=x)
    check_same_answers(model, copy, x)
    compile_alike(model, copy, optimizer=optimizer, loss=loss, metrics=metrics)
    for each, example in tried:
        try_loss(copy, each, example)

    followed, why_not = _followed(copy, chosen, wanted=compare)
    masked = MaskedModel(copy, names=None if followed is None else followed.names)
    if chosen.unit.spares_output and not masked.knows_outputs:
        raise InputError(
            f"strategy {chosen.name!r} removes whole {chosen.unit.name}s, and never those of the "
            f"output; which layers of model {model.name!r} make it can't be told, for they are "
            "wired by Python code. Use a strategy that removes weights, such as magnitude."
        )
    way = way_toward(masked.tensors, sparsity=sparsity, levels=levels, strategy=chosen,
                     scope=scope, exclude=names(exclude))  # fmt: skip
    if epochs and (foreseen := _foreseen(masked, chosen, way, scope)) is not None:
        tell(foreseen)
    notes = not_pruned(masked)
    notes += [] if why_not is None else [f"Layers are not compared: {why_not}"]
    comparer = None
    if compare and followed is not None:
        comparer = _comparer(followed, held_out or shown, measures, probe_size, seed, notes)
    course = Course(
        strategy=chosen,
        scope=scope,
        way=way,
        train=shown,
        validation=held_out,
        epochs=epochs,
        batch_size=batch_size,
        context=_contexts(masked, followed, chosen, shown, seed=seed, batch_size=batch_size),
        comparer=comparer,
        tell=(lambda message: None) if verbose == 0 else print,
        fit_arguments={"verbose": verbose, "callbacks": _several(callbacks)},
    )
    found: list[PrunedLevel] = list(levels_of(masked, course))
    if _fingerprint(model) != before:
        raise InvariantError(f"the given model {model.name!r} was changed by training its copy.")
    result = PruneResult(
        levels=tuple(found),
        similarities=tuple(row for level in found for row in level.similarities),
        masks=masked.masks(),
        left_out=masked.left_out,
        notes=tuple(notes),
    )
    if location is not None:
        settings = {
            "model": model.name, "strategy": chosen.name, "sparsity": sparsity, "levels": levels,
            "scope": scope, "exclude": ",".join(names(exclude)), "epochs": epochs,
            "batch_size": batch_size, "optimizer": type(copy.optimizer).__name__, "seed": seed,
        }  # fmt: skip
        result = record_pruning(
            location, result, name=f"prune {model.name}", folder=Path(), tell=tell,
            settings={name: value for name, value in settings.items() if value != ""},
        )  # fmt: skip
    return copy, result


def _several(callbacks: Any) -> list[Any]:
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _fingerprint(model: Any) -> str:
    return digest({f"{i:05d}": values(weight) for i, weight in enumerate(model.weights)})


def _feeds(
    model: Any, train: Any, validation: Any, *, batch_size: int, seed: int
) -> tuple[Feed, Feed | None]:
    inputs = getattr(model, "inputs", None) or ()
    rank = len(inputs[0].shape) if inputs else None
    given: dict[str, Any] = {"rank": rank, "n_inputs": len(inputs) or 1, "batch_size": batch_size}
    shown = feed(train, where="train", seed=seed, **given)
    if validation is None:
        return shown, None
    if isinstance(validation, Real):
        if not 0 < float(validation) < 1:
            raise InputError(
                f"validation is the examples to evaluate on, or their share of train, above 0 and "
                f"below 1; got {validation!r}."
            )
        return shown.divided(float(validation))
    return shown, feed(validation, where="validation", seed=None, **given)


def _followed(copy: Any, strategy: Strategy, *, wanted: bool) -> tuple[Followed | None, str | None]:
    """Return the model followed through its layers, or why not; InputError where that is needed."""
    unmet = sorted(strategy.needs & UNMET.keys())
    if unmet:
        raise InputError(
            f"strategy {strategy.name!r} {UNMET[unmet[0]]}. Use another, such as magnitude, or "
            "'tfprune run', which trains the model itself."
        )
    if not wanted and not strategy.needs:
        return None, None
    try:
        return Followed(copy), None
    except InputError as error:
        if strategy.needs:
            raise InputError(
                f"strategy {strategy.name!r} looks at more than the weights, and the layers of "
                f"model {copy.name!r} can't be followed: {error} Use a strategy that looks at "
                "weights alone, such as magnitude."
            ) from error
        return None, str(error)


def _comparer(
    followed: Followed,
    shown: Feed,
    measures: Sequence[str] | None,
    probe_size: int | None,
    seed: int,
    notes: list[str],
) -> Comparer:
    x, _, _ = (shown.x, None, None) if shown.is_arrays else shown.first(probe_size or _MOST_PROBED)
    comparer = Comparer(
        followed,
        probe(x, size=probe_size or _MOST_PROBED, seed=seed),
        measures=ComparisonConfig().measures if measures is None else names(measures),
        seed=seed,
        available=min(len(x), _MOST_PROBED),
    )
    notes += left_out(comparer.left_out)
    return comparer


def _foreseen(masked: MaskedModel, strategy: Strategy, way: Way, scope: str) -> str | None:
    """Return what to say where a layer would be emptied if training changed no weight."""
    if scope != "global" or strategy.needs or strategy.name == "random" or len(way.rates) < 2:
        return None
    context = PruningContext(
        tensors=masked.tensors, weights=masked.weights(), masks=masked.masks(), seed=0, level=1
    )
    found = first_emptied(
        context, levels=len(way.rates), strategy=strategy, scope=scope, rates=way.rates[0]
    )
    if found is None:
        return None
    level, layers = found
    return (
        f"By the weights that the model has now, scope 'global' would take all of "
        f"{', '.join(map(repr, layers))} at level {level} of {len(way.rates)}. If it still would "
        "after the training before, pruning ends there without a model. A lower sparsity, "
        "scope='layer' or exclude= avoid that."
    )


def _contexts(
    masked: MaskedModel,
    followed: Followed | None,
    strategy: Strategy,
    shown: Feed,
    *,
    seed: int,
    batch_size: int,
) -> Callable[[int], PruningContext]:
    """Return what tells a strategy, at each level, what it may look at."""
    if not strategy.needs or followed is None:
        return lambda level: PruningContext(
            tensors=masked.tensors, weights=masked.weights(), masks=masked.masks(),
            seed=seed, level=level,
        )  # fmt: skip
    x, y, _ = shown.first(_EXAMPLES)
    loss = _loss_of(masked.model)

    def context(level: int) -> PruningContext:
        return followed.context(
            masked, needs=strategy.needs, level=level, seed=seed, examples=(x, y), loss=loss,
            batch_size=batch_size,
        )  # fmt: skip

    return context


def _loss_of(model: Any) -> Callable[[Any, Any], Any]:
    """Return a model's loss as a function of targets and answers, (batch,) or a mean."""
    loss = (settings_of(model) or {}).get("loss")
    if loss is None or isinstance(loss, list | tuple | dict):
        raise InputError(
            f"strategies that look at gradients need the one loss of one output; model "
            f"{model.name!r} has {'none' if loss is None else 'several'}. Use a strategy that "
            "looks at weights alone, such as magnitude."
        )
    function = library_of(model).losses.get(loss)

    def value(targets: Any, answers: Any) -> Any:
        import tensorflow as tf

        if targets.shape.rank == answers.shape.rank - 1 and answers.shape[-1] == 1:
            targets = tf.expand_dims(targets, -1)
        return function(targets, answers)

    return value
