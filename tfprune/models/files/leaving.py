"""In which forms a network can leave, found by trying before anything is trained."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.files.back import to_keras3
from tfprune.models.files.compare import difference, scale
from tfprune.models.files.export import TOLERANCE, predict
from tfprune.models.files.load import load_model
from tfprune.models.files.probes import random_inputs
from tfprune.models.files.reasons import reason
from tfprune.models.files.saving import save


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
        except InputError as error:
            return reason(error)
        except Exception as error:
            return f"{type(error).__name__}: {reason(error)}"
    if len(network.variables) != len(again.variables):
        return f"it has {len(network.variables)} weights, and {len(again.variables)} when read back"
    worst = max(difference(a, b) / max(1.0, scale(a)) for a, b in pairs)
    if not worst <= TOLERANCE and not _is_random(network):
        return f"read back, it answers otherwise (largest difference {worst:.3g})"
    return None


def _against_keras3(network: Any) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converted = to_keras3(network)
            with tempfile.TemporaryDirectory() as folder:
                save(converted, Path(folder) / "network.keras")
        except InputError as error:
            return reason(error)
        except Exception as error:
            return f"{type(error).__name__}: {reason(error)}"
    return None


def _is_random(network: Any) -> bool:
    """Whether two calls on the same input differ, as by a layer that is random in inference."""
    inputs = random_inputs(network)
    pairs = zip(predict(network, inputs), predict(network, inputs), strict=True)
    return not all(np.array_equal(a, b) for a, b in pairs)
