"""What a user should know of a model before training begins, each thing in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.config import ConfigError, RunConfig

if TYPE_CHECKING:
    import tf_keras

    from tfprune.models.files.export import Leaving
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
        f"model {network.name!r} has trainable=False on all its layers, so nothing of it would be "
        "trained. Set model.trainable = True before you save or return it.",
    )


def leaving_of(network: tf_keras.Model, name: str) -> Leaving:
    """Return the forms in which a network can be stored, found by trying unless it is built in."""
    from tfprune.models import MODELS
    from tfprune.models.files.export import Leaving, try_leaving

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
    from tfprune.models.libraries import replaced_settings

    notes = []
    replaced = replaced_settings()
    if replaced:
        notes.append(f"Settings of Keras that tfprune set otherwise here: {', '.join(replaced)}.")
    if precision:
        notes.append(
            f"The model computes in {precision}; here it is trained and compared in float32. "
            "'tfprune export' writes the network in the precision that it came with."
        )
    frozen = [layer.name for layer in network.layers if layer.weights and not layer.trainable]
    if frozen:
        notes.append(
            f"Not trained, for the model has them frozen (trainable=False): {_listed(frozen)}."
        )
    if unfollowed is not None:
        notes.append(
            "Not told of this network, for its channels can't be followed: floating-point "
            f"operations and effective sparsity ({unfollowed})."
        )
    if leaving.keras3 is not None:
        form = "a tf_keras file" if leaving.file is None else "weights"
        notes.append(
            f"The pruned networks will be logged as {form}, not as MLflow models, for this one "
            f"can't be converted to Keras 3: {leaving.keras3}."
        )
    if leaving.file is not None:
        notes.append(
            f"Each level's network will be stored as weights (network.npz), for a .keras file of "
            f"it can't be read back: {leaving.file}. 'compare' and 'export' build it from "
            f"{config.model.name!r} again."
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
        f"--scope layer or --exclude {layers[0]} avoid that.",
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
