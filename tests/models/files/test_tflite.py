"""Which of the values in a TensorFlow Lite file are kernels: by role, never by size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InvariantError
from tfprune.models.files import export_model, tflite
from tfprune.models.files.lockstep import random_inputs

N = 16  # as many values in the input as in each kernel


def halved(model: Any) -> Any:
    """Set every second weight of each kernel to 0."""
    for weight in model.weights:
        if weight.name.endswith("kernel:0"):
            values = weight.numpy()
            values.reshape(-1)[::2] = 0
            weight.assign(values)
    return model


def networks(keras: Any) -> dict[str, Any]:
    """Return networks in which tensors that are no kernels have as many values as one."""
    layers = keras.layers
    x = keras.Input((N,))
    wide = layers.Dense(N, use_bias=False)(x)
    image = keras.Input((4, 4, 1))
    y = layers.Conv2D(1, 4, padding="same")(image)
    words = keras.Input((4, 4))
    product = layers.Dot(axes=(2, 1))([words, layers.Dense(4)(words)])
    flat = layers.Flatten()(image)
    return {
        "input of the kernel's size": keras.Model(x, layers.Dense(1)(x)),
        "intermediate values of the kernel's size": keras.Model(x, layers.Dense(1)(wide)),
        "image of the kernel's size": keras.Model(image, layers.GlobalMaxPooling2D()(y)),
        "product of activations": keras.Model(words, layers.GlobalMaxPooling1D()(product)),
        "bias and constant of the kernel's size": keras.Model(
            flat_input := keras.Input((1,)),
            layers.Dense(1)(layers.Dense(N)(flat_input) * np.arange(1.0, N + 1, dtype="float32")),
        ),
        "transposed": keras.Model(
            image, layers.GlobalMaxPooling2D()(layers.Conv2DTranspose(4, 2)(image))
        ),
        "depthwise": keras.Model(
            image, layers.Flatten()(layers.SeparableConv2D(4, 2, depth_multiplier=4)(image))
        ),
        "same": keras.Model(image, layers.Dense(1)(flat)),
    }


NAMES = (
    "input of the kernel's size", "intermediate values of the kernel's size",
    "image of the kernel's size", "product of activations",
    "bias and constant of the kernel's size", "transposed", "depthwise", "same",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_half_of_the_kernels_is_found_to_be_zero(keras: Any, tmp_path: Path, name: str) -> None:
    assert set(networks(keras)) == set(NAMES)
    model = halved(networks(keras)[name])
    report = export_model(model, tmp_path / "m.tflite", format="tflite")
    assert report.sparsity == report.sparsity_source == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_has_lost_its_zeros_is_refused(
    keras: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = networks(keras)[name]
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.1))
    full = tflite.convert(model, quantize=False)
    monkeypatch.setattr(tflite, "convert", lambda model, quantize: full)
    with pytest.raises(InvariantError, match="pruned weights are no longer zero"):
        export_model(halved(model), tmp_path / "m.tflite", format="tflite")
    assert not (tmp_path / "m.tflite").exists()


def test_the_weights_are_those_of_the_operators(keras: Any) -> None:
    model = networks(keras)["depthwise"]
    found = tflite.weights(tflite.convert(model, quantize=False))
    kernels = [w.numpy() for w in model.weights if "kernel" in w.name]
    for kernel in kernels:
        assert any(np.array_equal(np.sort(one), np.sort(kernel.ravel())) for one in found)
    assert len(found) == len(kernels)
    assert random_inputs(model)[0][0].size == kernels[0].size
