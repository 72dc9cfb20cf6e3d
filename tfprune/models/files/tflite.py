"""TensorFlow Lite: conversion, and what its interpreter finds in the file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import InputError, reason
from tfprune.models.graph import as_taken
from tfprune.models.layer_names import called


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
        return model(as_taken(model, inputs), training=False)

    traced = tf.function(serve, input_signature=signature).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    try:
        content: bytes = converter.convert()
    except Exception as error:  # the converter's own class is private and differs by version
        raise InputError(
            f"TensorFlow Lite can't express model {called(model)!r}: {reason(error)}. Export it as "
            "'savedmodel' or 'keras3' instead."
        ) from error
    return content


def read(
    path: Path, inputs: list[np.ndarray], kernels: list[np.ndarray]
) -> tuple[list[np.ndarray], float, float]:
    """Return the outputs of the file's interpreter, and the sparsity of its kernels in [0, 1].

    The third is the sparsity of the same kernels as they were given. The file keeps kernels
    transposed and under other names; they are the constants that its operators multiply by.
    Those that the converter left out, shared or split are not counted.
    """
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interpreter announces that it will move house
        interpreter = tf.lite.Interpreter(model_path=str(path))
    details = interpreter.get_input_details()
    for detail, x in zip(details, inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], x.shape)
    interpreter.allocate_tensors()
    constants = weights(path.read_bytes())
    for detail, x in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    return outputs, *_sparsity(constants, kernels)


# which input of an operator is its weights; those of recurrent operators are 1 to 8
_WEIGHTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), (1,)),
    **dict.fromkeys(("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE"), (1,)),
    "BATCH_MATMUL": (0, 1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 9)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
}


_TYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT8": np.int8, "UINT8": np.uint8}


def weights(content: bytes) -> list[np.ndarray]:
    """Return the values that the operators of a TensorFlow Lite file multiply by, flat.

    Only constants, which the file itself holds: a product of two activations has no weights, and
    neither an input nor an intermediate result is any, whatever its size.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    operators = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    types = {value: _TYPES.get(name) for name, value in vars(schema.TensorType).items()}
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    found: dict[int, np.ndarray] = {}  # by buffer
    for graph in model.subgraphs:
        rewritten = {}  # tensor -> the one whose values it only carries on
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            name = operators.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
            if name in ("DEQUANTIZE", "RESHAPE", "TRANSPOSE"):
                rewritten[int(operator.outputs[0])] = int(operator.inputs[0])
            for place in _WEIGHTS.get(name, ()):
                index = int(operator.inputs[place]) if place < len(operator.inputs) else -1
                while index in rewritten:
                    index = rewritten[index]
                if index < 0:
                    continue
                tensor = graph.tensors[index]
                data, dtype = model.buffers[tensor.buffer].data, types.get(tensor.type)
                if data is not None and dtype is not None:
                    found[tensor.buffer] = np.asarray(data, np.uint8).view(dtype)
    return list(found.values())


def _sparsity(constants: list[np.ndarray], kernels: list[np.ndarray]) -> tuple[float, float]:
    """Return the shares of zeros among constants that stand for kernels, and among these kernels.

    Among constants of as many values each kernel gets the one whose number of zeros is nearest.
    """
    left = list(constants)
    zeros = expected = total = 0
    for kernel in sorted(kernels, key=np.count_nonzero):
        alike = [constant for constant in left if constant.size == kernel.size]
        if not alike:
            continue
        nonzero = np.count_nonzero(kernel)
        best = min(alike, key=lambda constant: abs(np.count_nonzero(constant) - nonzero))
        left = [constant for constant in left if constant is not best]
        zeros += int(np.count_nonzero(best == 0))
        expected += kernel.size - int(nonzero)
        total += kernel.size
    return (zeros / total, expected / total) if total else (0.0, 0.0)
