"""Whether the penalties that a user's model adds to its loss are those of the network trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.copying import plain_copy
from tfprune.models.graph import as_taken

_IMAGES = 4
_SAME = 0.02  # of a penalty: a model of 16 bits rounds


def check_penalties(theirs: Any, ours: Any, *, input_shape: Sequence[int]) -> None:
    """Raise InputError where a copy of our network would be trained without the user's penalties.

    theirs: the user's own model, of either Keras. ours: the tf_keras network made of it, with the
        same weights; what is trained is a copy of it. Both are shown the same random images and
        asked for the sum of their `losses`: regularizers, `add_loss`, activity regularizers.
    """
    images = np.random.default_rng(0).normal(size=(_IMAGES, *input_shape))
    wanted = _penalty(theirs, images)
    if wanted == 0:
        return
    found = _penalty(plain_copy(ours), images)
    if abs(found - wanted) > _SAME * abs(wanted):
        raise InputError(
            f"model {theirs.name!r} adds {wanted:.4g} to its loss, and the copy of it that is "
            f"trained {found:.4g}. What is lost is no layer's own: add_loss with a function, a "
            "penalty of a model within the model, or an activity_regularizer of a model. Give a "
            "layer a regularizer, or call add_loss in a layer of your own or on the outer model "
            "with a tensor."
        )


def _penalty(model: Any, images: np.ndarray) -> float:
    dtype = model.inputs[0].dtype
    model(as_taken(model, [images.astype(getattr(dtype, "name", dtype))]), training=False)
    return float(sum(np.asarray(loss, np.float64).sum() for loss in model.losses))
