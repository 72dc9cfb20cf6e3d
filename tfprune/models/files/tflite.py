"""TensorFlow Lite: conversion, and what its interpreter finds in the file."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.files.reasons import reason


def convert(model: Any, *, quantize: bool) -> bytes:
    """Return a tf_keras model as the bytes of a TensorFlow Lite file.

    quantize: weights of 8 bits, activations stay floats (dynamic range). Raises InputError when
    TensorFlow Lite lacks an operation of the model.
    """
    import tensorflow as tf

    signature = [
        tf.TensorSpec(t.shape, t.dtype, name=f"input_{i}") for i, t in enumerate(model.inputs)
    ]

    def serve(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    traced = tf.function(serve, input_signature=signature).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    try:
        content: bytes = converter.convert()
    except Exception as error:  # the converter's own class is private and differs by version
        raise InputError(
            f"TensorFlow Lite can't express model {model.name!r}: {reason(error)}. Export it as "
            "'savedmodel' or 'keras3' instead."
        ) from error
    return content


def read(
    path: Path, inputs: list[np.ndarray], kernels: list[np.ndarray]
) -> tuple[list[np.ndarray], float]:
    """Return the outputs of the file's interpreter, and the sparsity of its kernels in [0, 1].

    The file keeps kernels transposed and under other names, so they are told by their number of
    values; those that the converter left out or shared are not counted.
    """
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interpreter announces that it will move house
        interpreter = tf.lite.Interpreter(model_path=str(path))
    details = interpreter.get_input_details()
    for detail, x in zip(details, inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], x.shape)
    interpreter.allocate_tensors()
    sparsity = _sparsity(interpreter, kernels)
    for detail, x in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    return outputs, sparsity


def _sparsity(interpreter: Any, kernels: list[np.ndarray]) -> float:
    wanted = Counter(k.size for k in kernels)
    zeros = total = 0
    for detail in interpreter.get_tensor_details():
        shape = detail["shape"]
        size = int(np.prod(shape))
        if len(shape) < 2 or not wanted[size]:
            continue
        try:
            constant = interpreter.get_tensor(detail["index"])
        except ValueError:  # an activation, which has no value before the first run
            continue
        wanted[size] -= 1
        zeros += int(np.count_nonzero(constant == 0))
        total += size
    return zeros / total if total else 0.0
