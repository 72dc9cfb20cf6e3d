"""In which forms a network can leave, found by trying before anything is trained."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import InputError, reason
from tfprune.models.copying import own_functions
from tfprune.models.files.export import TOLERANCE, predict
from tfprune.models.files.load import load_model
from tfprune.models.files.lockstep import difference, random_inputs, scale
from tfprune.models.files.write import save, to_keras3
from tfprune.models.graph import calls, flatten, is_model
from tfprune.models.layer_names import called

_LONGEST = 160  # characters of a library's own message


@dataclass(frozen=True)
class Leaving:
    """What stands in the way of each form of a network; None where nothing does.

    file: of a tf_keras `.keras` file that loads again without code of its own. keras3: of a
    Keras 3 model, which MLflow logs. Each is the reason in one line.
    """

    file: str | None = None
    keras3: str | None = None


def try_leaving(network: Any) -> Leaving:
    """Return what a tf_keras network can leave as; writes and reads a file in a temporary folder.

    The network itself is left as it was. What a layer may raise when it is written down or read
    is anything, and each of it is an answer here.
    """
    return Leaving(file=_against_file(network), keras3=_against_keras3(network))


def _against_file(network: Any) -> str | None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what saving has to say is said by the answer
        path = Path(folder) / "network.keras"
        try:
            save(network, path)
            again = load_model(path)
            inputs = random_inputs(network)
            pairs = list(zip(predict(network, inputs), predict(again, inputs), strict=True))
        except Exception as error:
            return _without_written_form(network) or _said(error, "tf_keras", folder)
    if len(network.variables) != len(again.variables):
        return f"it has {len(network.variables)} weights, and {len(again.variables)} when read back"
    worst = max(difference(a, b) / max(1.0, scale(a)) for a, b in pairs)
    if not worst <= TOLERANCE and not _is_random(network):
        return f"read back, it gives different outputs (largest difference {worst:.3g})"
    return None


def _against_keras3(network: Any) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converted = to_keras3(network)
            with tempfile.TemporaryDirectory() as folder:
                save(converted, Path(folder) / "network.keras")
        except Exception as error:
            return _said(error, "Keras 3")
    return None


def _without_written_form(network: Any) -> str | None:
    """Return what a network holds that no file can, None where nothing of the kind is found."""
    for call in calls(network):
        layer, name = call.layer, called(call.layer)
        roles = () if is_model(layer) else own_functions(layer)
        if roles:
            return f"layer {name!r} ({call.kind}) has a function of your own as {roles[0]}"
        if any(part is Ellipsis for part in flatten([call.args, dict(call.kwargs)])):
            return f"a slice with an Ellipsis (in the graph as {name!r}) can't be written down"
    return None


def _said(error: Exception, library: str, folder: str = "") -> str:
    """Return why a network can't be written, without the place of our trial and its remedies."""
    cause = error
    if isinstance(error, InputError) and isinstance(error.__cause__, Exception):
        cause = error.__cause__  # what a loader said, not what we made of it
    text = reason(cause)
    if folder:
        text = text.replace(f"{folder}{os.sep}", "")
        text = re.sub(r"^model file 'network\.keras'( at [\w.\[\]]+)?: ", "", text)
    if not isinstance(cause, InputError):
        text = text.partition(". ")[0]
        return f"{library} fails on it with {type(cause).__name__}: {text[:_LONGEST]}"
    return text.partition(". ")[0]


def _is_random(network: Any) -> bool:
    """Whether two calls on the same input differ, as by a layer that is random in inference."""
    inputs = random_inputs(network)
    pairs = zip(predict(network, inputs), predict(network, inputs), strict=True)
    return not all(np.array_equal(a, b) for a, b in pairs)
