"""What a level's network puts out, logits and probabilities, compared like a layer.

On the test images, as all that is asked of answers. The numbers are facts of the level, not layers:
no mean over hidden layers, test over layers or ranking sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.results import OUTPUT_FLOOR, OUTPUT_SIMILARITY
from tfprune.similarity import Comparison

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Examples, Normalization
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.replicate import Replicate
    from tfprune.experiment.seed_floor import DenseNetworks

_BATCH = 500


def output_facts(
    plan: Plan, replicate: Replicate, trained: TrainedLevel, earlier: DenseNetworks
) -> dict[str, float]:
    """Return how alike the dense network's outputs and the level's are; {} where not asked for.

    `similarity_KIND/MEASURE` of a pruned level. At the dense level `floor_KIND/MEASURE`: its mean
    similarity to the dense networks of all earlier seeds; the first seed has none. A measure that
    is not defined, as of outputs that are the same for all images, is left out.
    """
    kinds = plan.config.comparison.also_compare
    if not kinds:
        return {}
    test, own = trained.dataset.test, replicate.trainer.outputs

    def outputs(network: tf_keras.Model, prepared: Normalization) -> Iterator[Mapping[str, Any]]:
        return _outputs(network, test, prepared, kinds={kind: getattr(own, kind) for kind in kinds})

    if trained.level:
        found = [
            similarities(
                outputs(replicate.dense, replicate.normalization),
                outputs(replicate.network, replicate.normalization),
                kinds=kinds, measures=plan.config.comparison.measures, n_images=len(test),
            )
        ]  # fmt: skip
        return _means(found, OUTPUT_SIMILARITY)
    found = [
        similarities(
            outputs(network, normalization),
            outputs(replicate.dense, replicate.normalization),
            kinds=kinds, measures=plan.config.comparison.measures, n_images=len(test),
        )
        for _, network, normalization in earlier.before(trained.seed)
    ]  # fmt: skip
    return _means(found, OUTPUT_FLOOR)


def similarities(
    a: Iterator[Mapping[str, np.ndarray]],
    b: Iterator[Mapping[str, np.ndarray]],
    *,
    kinds: tuple[str, ...],
    measures: tuple[str, ...],
    n_images: int,
) -> dict[tuple[str, str], float]:
    """Return (kind, measure) -> similarity of two networks' outputs.

    a, b: batches, kind -> (batch, n_classes), of the same images in the same order.
    """
    engine = Comparison(
        [(kind, kind) for kind in kinds], measures=measures, blocks=0, null=False,
        n_images=n_images,
    )  # fmt: skip
    for left, right in zip(a, b, strict=True):
        engine.update(left, right)
    return {(kind, measure): score.value for (kind, _, measure), score in engine.scores().items()}


def _outputs(
    network: tf_keras.Model,
    examples: Examples,
    normalization: Normalization,
    *,
    kinds: Mapping[str, Callable[[Any], Any]],
) -> Iterator[dict[str, np.ndarray]]:
    """Yield kind -> (batch, n_classes) of the examples, batch by batch, in inference mode."""
    import tensorflow as tf

    from tfprune.data.lazy import chunks

    for images in chunks(examples.images, _BATCH):
        answers = network(normalization.apply(tf.constant(images)), training=False)
        yield {kind: read(answers).numpy() for kind, read in kinds.items()}


def _means(found: list[dict[tuple[str, str], float]], form: str) -> dict[str, float]:
    """Return fact -> mean of the numbers that there are."""
    facts: dict[str, float] = {}
    for kind, measure in found[0] if found else ():
        values = [one[kind, measure] for one in found if np.isfinite(one[kind, measure])]
        if values:
            facts[f"{form.format(kind)}/{measure}"] = float(np.mean(values))
    return facts
