"""What a user should know of a model before training begins, each thing in one line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tfprune.config import ConfigError, RunConfig
from tfprune.models.layer_names import called
from tfprune.models.weights import frozen_within

if TYPE_CHECKING:
    import tf_keras

    from tfprune.models.files.leaving import Leaving
    from tfprune.pruning.amounts import Rates
    from tfprune.pruning.strategy import Strategy
    from tfprune.training.prunable import PrunableNetwork

_SHOWN = 5  # names in one line


def check_trainable(network: tf_keras.Model) -> None:
    """Raise ConfigError for a network of which nothing would be trained at any level."""
    if network.trainable_variables:
        return
    raise ConfigError(
        "model.name",
        f"model {called(network)!r} has trainable=False on all its layers, so nothing would be "
        "trained. Set model.trainable = True before you save or return it.",
    )


def leaving_of(network: tf_keras.Model, name: str) -> Leaving:
    """Return the forms in which a network can be stored, found by trying unless it is built in."""
    from tfprune.models import MODELS
    from tfprune.models.files.leaving import Leaving, try_leaving

    return Leaving() if name in MODELS else try_leaving(network)


def notes_on(
    config: RunConfig,
    network: tf_keras.Model,
    leaving: Leaving,
    *,
    precision: str = "",
    unfollowed: str | None = None,
) -> tuple[str, ...]:
    """Return what to say about a network before it is trained."""
    from tfprune.activations.layers import uncompared
    from tfprune.models.libraries import replaced_settings

    notes = []
    replaced = replaced_settings()
    if replaced:
        notes.append(f"Keras settings that tfprune overrides here: {', '.join(replaced)}.")
    if precision:
        notes.append(
            f"The model computes in {precision}; here it is trained and compared in float32. "
            "'tfprune export' writes the network in its original precision."
        )
    frozen = [name for layer in network.layers for name in frozen_within(layer)]
    if frozen:
        notes.append(
            "Not trained, drawn anew or pruned, because the model has frozen them "
            f"(trainable=False): {_listed(frozen)}."
        )
    notes += [
        f"Not compared with the dense network, for {why}: {_listed(list(layers))}."
        for why, layers in uncompared(network).items()
    ]
    if unfollowed is not None:
        notes.append(
            "Not reported for this network, because its channels cannot be traced: "
            f"floating-point operations and effective sparsity ({unfollowed})."
        )
    if leaving.keras3 is not None:
        form = "a tf_keras file" if leaving.file is None else "weights"
        notes.append(
            f"The pruned networks will be logged as {form}, not as MLflow models, because this "
            f"one cannot be converted to Keras 3: {leaving.keras3}."
        )
    if leaving.file is not None:
        notes.append(
            "Each level's network will be stored as weights (network.npz), because a .keras file "
            f"of it cannot be read back: {leaving.file}. 'compare' and 'export' rebuild it with "
            f"{config.model.name!r} again"
            + (", and 'export' writes it as savedmodel or tflite." if leaving.keras3 else ".")
        )
    return tuple(notes)


def foresee_empty(
    config: RunConfig, strategy: Strategy, prunable: PrunableNetwork, rates: Rates
) -> tuple[str, ...]:
    """Return what to say where a ranking over all layers would empty one, by its first weights.

    It is certain only once the weights are trained; by then the dense training is done.
    """
    from tfprune.pruning.kernels import full_masks
    from tfprune.pruning.masks import first_emptied
    from tfprune.pruning.strategy import PruningContext

    pruning = config.pruning
    if pruning.scope != "global" or strategy.needs or strategy.name == "random":
        return ()
    context = PruningContext(
        tensors=prunable.tensors,
        weights=prunable.weights(),
        masks=full_masks(prunable.tensors),
        seed=config.seed,
    )
    found = first_emptied(
        context,
        levels=pruning.levels,
        strategy=strategy,
        scope=pruning.scope,
        rates=rates,
    )
    if found is None:
        return ()
    level, layers = found
    return (
        f"By the weights that training starts from, --scope global would take all of "
        f"{_listed(list(layers))} at level {level}. If it still would once they are trained, the "
        "run ends there and keeps the levels before it. Fewer --levels, a smaller --fraction, "
        f"--scope layer or --exclude {shlex.quote(layers[0])} avoid that.",
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
