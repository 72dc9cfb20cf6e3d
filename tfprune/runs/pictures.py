"""What a report shows of a level beyond its numbers: matrix, filters, flipped examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.comparing import compare_layers
from tfprune.report.data import FirstLayerFilters, FlippedExample, LayerMatrix, ReportData

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Examples
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.pruning.kernels import PrunableTensor

MATRIX_MEASURE = "cka"  # means the same for layers of any two widths
N_FILTERS = 64
N_FLIPPED = 12


def level_pictures(plan: Plan, trained: TrainedLevel) -> ReportData:
    """Return the pictures of one level as report data without tables."""
    return ReportData(
        name="",
        levels=(),
        matrices=(_matrix(plan, trained),),
        filters=tuple(_filters(plan, trained)),
        flipped=tuple(_flipped(plan, trained)),
    )


def _matrix(plan: Plan, trained: TrainedLevel) -> LayerMatrix:
    """Every dense layer against every layer of the level; maps enter by their spatial mean."""
    names = tuple(layer.name for layer in plan.hidden)
    pairs = [(a, b) for a in names for b in names]
    scores = compare_layers(
        trained.dense_reader,
        trained.reader,
        plan.probe.images,
        plan.probe.images,
        pairs,
        measures=(MATRIX_MEASURE,),
        layout="mean",
    )
    values = [float(scores[a, b, MATRIX_MEASURE]) for a, b in pairs]
    square = np.array(values).reshape(len(names), len(names))
    return LayerMatrix(trained.seed, trained.level, MATRIX_MEASURE, names, names, square)


def _first_filters(network: tf_keras.Model, tensor: PrunableTensor) -> np.ndarray:
    """Return the first filters of a convolution, (height, width, channels_in, n_filters)."""
    from tfprune.training.prunable import kernel

    values = kernel(network.get_layer(tensor.name)).numpy()
    return tensor.filters_last(values)[..., :N_FILTERS]


def _filters(plan: Plan, trained: TrainedLevel) -> list[FirstLayerFilters]:
    """The first convolution's kernels, dense and pruned; none where it is not a picture."""
    convolutions = [tensor for tensor in plan.tensors if len(tensor.shape) == 4]
    if not convolutions or convolutions[0].n_inputs not in (1, 3):
        return []
    first = convolutions[0]
    dense, pruned = (_first_filters(net, first) for net in (trained.dense, trained.network))
    return [FirstLayerFilters(trained.seed, trained.level, first.name, dense, pruned)]


def _as_uint8(examples: Examples, position: int) -> np.ndarray:
    """An image as a picture: 8-bit values as they are, others stretched to their data's range."""
    image = examples.images[position]
    largest = examples.images.max()
    if examples.images.dtype == np.uint8 and largest > 16:
        return image
    return np.round(np.clip(image / max(float(largest), 1e-12), 0, 1) * 255).astype(np.uint8)


def _flipped(plan: Plan, trained: TrainedLevel) -> list[FlippedExample]:
    """The first test images that the level answers differently than the dense network."""
    dense, now = trained.dense_predictions, trained.test.predictions
    test, names = trained.dataset.test, trained.dataset.class_names
    return [
        FlippedExample(
            seed=trained.seed,
            level=trained.level,
            image=_as_uint8(test, position),
            label=str(names[test.labels[position]]),
            dense_prediction=str(names[dense[position]]),
            pruned_prediction=str(names[now[position]]),
        )
        for position in np.flatnonzero(dense != now)[:N_FLIPPED]
    ]
