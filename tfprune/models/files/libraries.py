"""The two libraries side by side: Keras 3, in which users save, and tf_keras, which tfmot prunes.

Both are imported explicitly and on demand. `tf.keras` is never used: which of the two it
means depends on an environment variable that tfmot sets.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from tfprune.errors import InputError

BACKEND = "tensorflow"


def keras3() -> Any:
    """Return the `keras` package (Keras 3), running on TensorFlow.

    Raises InputError when this process has already imported Keras with another backend, since
    weights and gradients could then not be compared with tf_keras.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND
    import keras

    if keras.backend.backend() != BACKEND:
        raise InputError(
            "Keras 3 must run on the TensorFlow backend here, but this process imported it with "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND={BACKEND} before keras is imported."
        )
    return keras


def keras2() -> Any:
    """Return the `tf_keras` package (Keras 2).

    Sets TF_USE_LEGACY_KERAS, as tfmot does too: SpectralNormalization of tf_keras reaches for
    `tf.keras` and fails if that is Keras 3.
    """
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    import tf_keras

    return tf_keras


def is_keras3_model(value: Any) -> bool:
    """Whether `value` is a Keras 3 model; never imports Keras to find out."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def is_keras2_model(value: Any) -> bool:
    """Whether `value` is a tf_keras model; never imports tf_keras to find out."""
    tf_keras = sys.modules.get("tf_keras")
    return tf_keras is not None and isinstance(value, tf_keras.Model)
