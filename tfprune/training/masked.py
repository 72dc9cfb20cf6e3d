"""A user's own model with a mask on every prunable kernel, trained by its own `fit`.

Keras applies the constraint of a variable after every optimizer step, so that a constraint which
multiplies by the mask holds pruned weights at exactly 0 in every forward pass, in both libraries
and whatever the layers around the kernel are. Files hold no constraint of a variable: a saved
model is a plain one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfprune.errors import InputError, RunError
from tfprune.models.flow import NetworkGraph
from tfprune.models.graph import is_model, is_wired
from tfprune.models.layer_names import unique
from tfprune.models.weights import is_kernel, values
from tfprune.pruning.kernels import PrunableTensor
from tfprune.training.prunable import CONVOLUTIONS

_KINDS = (*CONVOLUTIONS, "Dense")


class MaskedModel:
    """A model, the masks on its kernels, and what pruning knows of them.

    model: of Keras 3 or tf_keras, built. Pruned are its Dense and convolutional layers, also those
        inside nested models and layers of the user's own, and subclasses of them.
    names: `id` of a layer -> what it is called; as Keras calls it where it is not among them,
        with a number appended where two have one name.
    tensors: one for each layer that is pruned.
    knows_outputs: whether it is known which of them make the model's output.

    Raises InputError for a model without such layers.
    """

    def __init__(self, model: Any, *, names: Mapping[int, str] | None = None) -> None:
        import tensorflow as tf

        self.model = model
        layers = prunable_layers_of(model)
        if not layers:
            kinds = sorted({type(layer).__name__ for layer in _all_layers(model)})
            frozen = any(_kind(layer) is not None for layer in _all_layers(model))
            why = ", those that there are with trainable=False" if frozen else ""
            raise InputError(
                f"model {model.name!r} has nothing to prune: expected Dense or Conv layers of "
                f"Keras, found {', '.join(kinds)}{why}."
            )
        taken: set[str] = set()
        self.layers = {
            (names or {}).get(id(layer)) or unique(layer.name, taken): layer for layer in layers
        }
        outputs = _output_layers(model, layers)
        self.knows_outputs = outputs is not None
        self.tensors = tuple(
            PrunableTensor(
                name=name,
                kind=_tensor_kind(layer),
                shape=tuple(int(size) for size in kernel_of(layer).shape),
                is_output=outputs is not None and id(layer) in outputs,
            )
            for name, layer in self.layers.items()
        )
        self._masks: dict[str, Any] = {}
        for name, layer in self.layers.items():
            weight = _variable(kernel_of(layer))
            mask = tf.Variable(tf.ones(weight.shape, weight.dtype), trainable=False)
            self._masks[name] = mask
            _set_constraint(weight, _masking(mask, weight.constraint))

    @property
    def left_out(self) -> tuple[str, ...]:
        """'name (Kind)' of the layers that hold kernels which are not pruned."""
        pruned = {id(kernel_of(layer)) for layer in self.layers.values()}
        return tuple(
            f"{layer.name} ({type(layer).__name__})"
            for layer in _all_layers(self.model)
            if not getattr(layer, "_layers", None)  # those within are listed
            and any(is_kernel(weight) for weight in layer.weights)
            and not any(id(weight) in pruned for weight in layer.weights)
        )

    @property
    def frozen(self) -> tuple[Any, ...]:
        """The layers that would be pruned if the model had not frozen them."""
        layers = _all_layers(self.model)
        return tuple(x for x in layers if _kind(x) is not None and not x.trainable)

    def weights(self) -> dict[str, np.ndarray]:
        """Return a float32 copy of every prunable kernel by name, as it stands."""
        return {
            name: np.array(values(_variable(kernel_of(layer))), np.float32)
            for name, layer in self.layers.items()
        }

    def masks(self) -> dict[str, np.ndarray]:
        """Return the masks by name, boolean, True = kept."""
        return {name: mask.numpy() != 0 for name, mask in self._masks.items()}

    def set_masks(self, masks: Mapping[str, np.ndarray]) -> None:
        """Assign masks (True = kept) and set every pruned weight to 0."""
        for name, mask in self._masks.items():
            mask.assign(masks[name].astype(mask.dtype.as_numpy_dtype))
        self.apply_masks()

    def apply_masks(self) -> None:
        """Set every pruned weight to 0."""
        for name, layer in self.layers.items():
            weight = _variable(kernel_of(layer))
            weight.assign(values(weight) * self._masks[name].numpy())

    def not_finite(self) -> str | None:
        """Return the name of a weight that holds nan or infinity; None where all are finite."""
        for weight in self.model.weights:
            array = values(_variable(weight))
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                return str(getattr(weight, "path", weight.name))
        return None

    def check_held(self) -> None:
        """Raise RunError where training has moved pruned weights: it did not heed constraints.

        An optimizer that keeps averages of the weights writes these into the model at the end,
        which undoes no mask that training was under.
        """
        optimizer = self.model.optimizer
        if getattr(optimizer, "use_ema", False):
            return
        kept = self.masks()
        n_back = sum(
            int(np.count_nonzero(weight[~kept[name]])) for name, weight in self.weights().items()
        )
        if n_back:
            raise RunError(
                f"{n_back} pruned weights of model {self.model.name!r} came back in training: its "
                "train_step writes weights without its optimizer, which would set them to 0 after "
                "every step. Let it call optimizer.apply_gradients."
            )


def _all_layers(model: Any) -> list[Any]:
    """Return every layer in a model once, those within layers and models too, in order."""
    found = {
        id(layer): layer
        for layer in model._flatten_layers(include_self=False)
        if not is_model(layer)
    }
    return list(found.values())


def prunable_layers_of(model: Any) -> list[Any]:
    """Return the layers of a model of either library that are pruned, in its order.

    Frozen ones (`trainable=False`) are none of them: no training could make up for what they lose.
    """
    return [each for each in _all_layers(model) if _kind(each) is not None and each.trainable]


def _kind(layer: Any) -> str | None:
    """Return the class of Keras, one of those pruned, that a layer is or is made of."""
    home = ("keras.", "tf_keras.")
    kinds = type(layer).__mro__
    if type(layer).__module__.startswith(home):
        kinds = kinds[:1]
    names = [kind.__name__ for kind in kinds if kind.__module__.startswith(home)]
    name = next((name for name in names if name in _KINDS), None)
    if name is None or not layer.built:
        return None
    weight = _variable(kernel_of(layer))
    kind = str(getattr(weight.dtype, "name", weight.dtype))
    return name if "float" in kind else None  # a quantized kernel is left alone


def kernel_of(layer: Any) -> Any:
    """Return the variable of a prunable layer that pruning acts on."""
    if hasattr(layer, "pointwise_kernel"):
        return layer.pointwise_kernel
    return getattr(layer, "_kernel", None) if hasattr(layer, "lora_enabled") else layer.kernel


def _variable(weight: Any) -> Any:
    """Return the variable itself where it is one that casts itself when it is read (tf_keras)."""
    return weight._variable if hasattr(weight, "true_dtype") else weight


def _tensor_kind(layer: Any) -> str:
    name = _kind(layer)
    if name == "Dense":
        return "dense"
    return "transposed" if str(name).endswith("Transpose") else "conv"


def _masking(mask: Any, own: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return the constraint that multiplies by a mask, after the layer's own constraint."""

    def masked(weight: Any) -> Any:
        import tensorflow as tf

        return tf.convert_to_tensor(weight if own is None else own(weight)) * mask

    return masked


def _set_constraint(weight: Any, constraint: Callable[[Any], Any]) -> None:
    """Give a variable a constraint; one of TensorFlow takes it at its making only."""
    if type(weight).__module__.startswith("keras."):
        weight.constraint = constraint
    else:
        weight._constraint = constraint


def _output_layers(model: Any, layers: list[Any]) -> set[int] | None:
    """Return the `id` of the prunable layers behind which no kernel comes; None if unknown."""
    if not is_wired(model) or not getattr(model, "inputs", None):
        return None
    pruned = {id(layer) for layer in layers}
    graph = NetworkGraph(model)
    if any(is_model(call.layer) for call in graph.calls):
        return {id(layers[-1])}
    found = {id(call.layer) for call in graph.calls if not graph.kernel_behind(call)} & pruned
    return found or {id(layers[-1])}
