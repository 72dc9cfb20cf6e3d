"""Whether a model fits a data set, what its answers are, and what it does to its images first.

All of it is said before anything is trained. What a network does before the first layer that learns
is its own preprocessing, its front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.flow import NetworkGraph, has_kernel
from tfprune.models.graph import answer_keys, leaf_layers
from tfprune.models.layer_names import called
from tfprune.models.pointwise import is_straight_step

if TYPE_CHECKING:
    import tf_keras


_PASSED = {
    "CenterCrop", "Cropping2D", "Dropout", "GaussianNoise", "Permute", "RandomBrightness",
    "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight", "RandomRotation",
    "RandomTranslation", "RandomWidth", "RandomZoom", "Reshape", "Resizing", "SlicingOpLambda",
    "TFOpLambda", "ZeroPadding2D",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Front:
    """The steps at a network's front that scale or shift its images.

    `steps` are the kinds of layers and operations, in their order, without those that leave every
    value as it is; `tensor` is what they make of the input.
    """

    network: tf_keras.Model
    steps: tuple[str, ...]
    tensor: Any

    def strength(self, images: np.ndarray) -> float:
        """Return the root mean square of what the first learning layer is given for images.

        About 1 is what networks are made for; raw pixels have about 100, pixels that were scaled
        twice about 0.004.
        """
        import tf_keras

        reader = tf_keras.Model(self.network.inputs, self.tensor)
        values = np.asarray(reader(images, training=False), np.float64)
        return float(np.sqrt(np.mean(np.square(values))))


def front_of(network: tf_keras.Model) -> Front:
    """Return the preprocessing that a network with one input holds; its steps may be none."""
    graph = NetworkGraph(network)
    tensor = last = network.inputs[0]
    steps: list[str] = []
    while True:
        call = graph.only_consumer(tensor)
        if call is None or len(call.outputs) != 1:
            return Front(network, tuple(steps), last)
        if has_kernel(call.layer) or call.layer.trainable_weights:
            return Front(network, tuple(steps), last)
        straight = is_straight_step(call)
        if straight == "moves":
            steps.append(_named(call.layer))
            last = call.output
        elif straight is None and call.kind not in _PASSED:
            return Front(network, tuple(steps), last)
        tensor = call.output


def _named(layer: tf_keras.layers.Layer) -> str:
    """Return what users know a step by: `Rescaling`, or the operation `math.subtract`."""
    if type(layer).__name__ != "TFOpLambda":
        return type(layer).__name__
    return str(layer.symbol).removeprefix("compat.v1.").removeprefix("__operators__.")


_ROUNDING = 1e-3  # probabilities in float32 sum to 1 within this


def check_fits(model: Any, input_shape: Sequence[int], n_classes: int) -> None:
    """Raise InputError unless a tf_keras model classifies images of this shape into these classes.

    `input_shape` is (height, width, channels) of one image. The model needs one input of shape
    (batch, height, width, channels), sizes that it leaves open fit anything, and one output of
    shape (batch, n_classes), or (batch, 1) for two classes, and channels on the last axis in all
    its layers. The message says which side has what, and what to change.
    """
    shape = tuple(int(n) for n in input_shape)
    if len(shape) != 3:
        raise InputError(
            f"input_shape is (height, width, channels) of one image; got {shape}"
            + (". Grey images have channels = 1." if len(shape) == 2 else ".")
        )
    _one_of(model, model.inputs, "input")
    _one_of(model, model.outputs, "output")
    if keys := answer_keys(model):
        names = ", ".join(map(repr, keys))
        raise InputError(
            f"model {called(model)!r} returns a dictionary ({names}); an experiment on image "
            "classification needs models that return one array. Build one with "
            "Model(model.inputs, model.outputs[0])."
        )
    _check_input(model, tuple(model.inputs[0].shape), shape)
    _check_output(model, tuple(model.outputs[0].shape), n_classes)
    _check_channels_last(model)


def _check_channels_last(model: Any) -> None:
    for layer in leaf_layers(model):
        for one in (layer, getattr(layer, "layer", None)):  # a wrapper's
            if getattr(one, "data_format", None) == "channels_first":
                raise InputError(
                    f"layer {called(layer)!r} ({type(layer).__name__}) has "
                    "data_format='channels_first'; tfprune prunes and compares channels on the "
                    "last axis, where TensorFlow on a CPU needs them too. Build the model with "
                    "data_format='channels_last'."
                )


def _one_of(model: Any, tensors: Any, what: str) -> None:
    if len(tensors) != 1:
        names = ", ".join(repr(t.name) for t in tensors)
        raise InputError(
            f"model {called(model)!r} has {len(tensors)} {what}s ({names}); an experiment on image "
            f"classification uses models with one. Make a model of the part with one {what}."
        )


def _check_input(model: Any, wanted: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    head = f"model {called(model)!r} takes inputs of shape {_batch(wanted)}"
    given = f"the data set has images of shape {shape} (height, width, channels)"
    if len(wanted) == 3:
        missing = (
            "a channel dimension; begin the model with Reshape((height, width, 1))"
            if tuple(wanted[1:]) == shape[:2]
            else "the batch dimension or the channels; keras.Input(shape) is written without batch"
        )
        raise InputError(f"{head}, but {given}. The model lacks {missing}.")
    if len(wanted) == 2:
        size = shape[0] * shape[1] * shape[2]
        raise InputError(
            f"{head}: flattened images; {given}. Begin the model with keras.Input({shape}) and "
            f"Flatten, which gives {size:,} values."
        )
    if len(wanted) != 4:
        raise InputError(f"{head}, but {given}: four dimensions with the batch are needed.")
    if wanted[0] is not None:
        raise InputError(
            f"{head}: its batch size is fixed at {wanted[0]}. Build it with keras.Input(shape), "
            "which leaves the batch size open."
        )
    if wanted[3] is not None and wanted[3] != shape[2]:
        first = wanted[1] == shape[2] and wanted[2:] == shape[:2]
        raise InputError(
            f"{head}, but {given}: {wanted[3]} channels against {shape[2]}."
            + (
                " The model is channels-first; TensorFlow on a CPU needs channels-last."
                if first
                else " Choose a data set with as many channels, or change the model's input."
            )
        )
    if any(w is not None and w != s for w, s in zip(wanted[1:3], shape[:2], strict=True)):
        raise InputError(
            f"{head}, but {given}. Build the model for {shape}, begin it with "
            f"Resizing({wanted[1]}, {wanted[2]}), or choose a data set of its size."
        )


def _check_output(model: Any, given: tuple[Any, ...], n_classes: int) -> None:
    if len(given) != 2:
        raise InputError(
            f"model {called(model)!r} outputs {_batch(given)}; a classifier outputs (batch, "
            f"{n_classes}). Add GlobalAveragePooling2D or Flatten, and Dense({n_classes})."
        )
    if given[1] == n_classes or (n_classes == 2 and given[1] == 1):
        return
    raise InputError(
        f"model {called(model)!r} tells {given[1]} classes apart, the data set has {n_classes}. "
        f"Give it an output layer Dense({n_classes}), or choose a data set with {given[1]} classes."
    )


def _batch(shape: tuple[Any, ...]) -> str:
    return "(" + ", ".join(["batch", *("any" if d is None else str(d) for d in shape[1:])]) + ")"


def output_kind(model: Any, images: np.ndarray) -> str:
    """Return `"softmax"`, `"sigmoid"` or `"logits"`: what the model's output numbers are.

    Told from the numbers, whatever made them. `images` are some that the model is meant for, as
    it takes them: (n, height, width, channels), normalised; each is asked for these images and for
    others a thousand times as strong. softmax: every answer is non-negative and sums to 1.
    sigmoid: every number lies in [0, 1]. All else counts as logits,
    numbers that are not finite among it.
    """
    answers = _answers(model, images)
    strong = [_answers(model, images * factor) for factor in (1e3, -1e3)]
    if not np.isfinite(answers).any():
        return "logits"
    if answers.shape[-1] > 1 and all(_are_shares(each) for each in (answers, *strong)):
        return "softmax"
    if all(_in_unit_interval(each) for each in (answers, *strong)):
        return "sigmoid"
    return "logits"


def _answers(model: Any, images: np.ndarray) -> np.ndarray:
    found = model(images.astype(np.float32), training=False)
    return np.asarray(found, np.float64).reshape(len(images), -1)


def _are_shares(answers: np.ndarray) -> bool:
    known = answers[np.isfinite(answers).all(axis=-1)]
    return bool((known >= 0).all() and (np.abs(known.sum(axis=-1) - 1) < _ROUNDING).all())


def _in_unit_interval(answers: np.ndarray) -> bool:
    known = answers[np.isfinite(answers)]
    return bool((known >= 0).all() and (known <= 1).all())
