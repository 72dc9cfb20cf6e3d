"""Where a model came from, and what is needed to give it back in the form in which it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KERAS3_ZIP = "keras3-zip"
KERAS3_H5 = "keras3-h5"
KERAS2_ZIP = "keras2-zip"
KERAS2_H5 = "keras2-h5"
SAVEDMODEL = "savedmodel"
KERAS3_OBJECT = "keras3-object"
KERAS2_OBJECT = "keras2-object"

SUFFIXES = {KERAS3_ZIP: ".keras", KERAS2_ZIP: ".keras", KERAS3_H5: ".h5", KERAS2_H5: ".h5"}


@dataclass(frozen=True)
class Link:
    """One layer of the user's model and the tf_keras layer, by name, that took its place."""

    source: Any
    target_name: str


@dataclass(frozen=True)
class Origin:
    """The form in which a model arrived.

    kind: `keras3-zip`, `keras3-h5`, `keras2-zip`, `keras2-h5`, `savedmodel`, or, for models made
        by a function, `keras3-object`, `keras2-object`.
    keras_version: of the library that wrote the file, empty where the file does not say.
    path: the file or folder, or the name of the function.
    source_model: the user's own object, into which pruned weights are written back. None when
        the tf_keras model that was handed out *is* that object.
    links: its layers beside the names of the tf_keras layers that stand for them.
    precision: in which the user's own object computes where that is not float32, as the name of
        Keras's policy (`mixed_float16`, `float64`, ...); the model handed out is float32.
    """

    kind: str
    keras_version: str = ""
    path: str = ""
    source_model: Any = field(default=None, repr=False, compare=False)
    links: tuple[Link, ...] = field(default=(), repr=False, compare=False)
    precision: str = ""

    @property
    def is_keras3(self) -> bool:
        """Whether the user's own object is a Keras 3 model."""
        return self.kind.startswith("keras3")
