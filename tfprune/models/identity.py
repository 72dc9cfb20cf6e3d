"""What tells a user's model from another one that stands under its name later.

A file can be overwritten and a function edited while a run is interrupted, or after it: both have
the same name then and compute something else. What is kept of a model is small and does not depend
on what its layers are called: a hash of its layers and their wiring, a hash of the weights that
training takes from it, and what it answers, under weights that are the same for every model of its
shape, to images that are the same too. The answers tell functions of the user's own apart, of which
a configuration says no more than a name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.copying import own_functions_taken_out
from tfprune.models.graph import calls
from tfprune.models.weights import kept_variables

if TYPE_CHECKING:
    import tf_keras

MODEL_TAG = "tfprune.model"  # of a parent run, with the identity of its model as JSON
_IMAGES = 4
_CLASSES = 8  # answers that are kept of each image
_DRAWN = 65_537  # numbers that are drawn for one variable; larger ones repeat them
_UNTOLD = ("name", "function")  # of a configuration; a Lambda's code holds paths and line numbers


@dataclass(frozen=True)
class ModelIdentity:
    """What is known of a user's model at one time; `changes` says in what another one differs.

    layers: hash of the kinds of layers, their settings and their wiring. weights: hash of the
    values that training takes from the model. answers: to fixed images under fixed weights; empty
    where the model answers otherwise every time. penalty: sum of the losses that it adds then.
    input_shape: (height, width, channels) of those images. file: hash of the model file's bytes,
    empty for functions.
    """

    layers: str
    weights: str
    answers: tuple[float, ...]
    penalty: float
    input_shape: tuple[int, ...]
    n_classes: int
    file: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; `from_dict` reads them."""
        said: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return said

    @classmethod
    def from_dict(cls, said: Any) -> ModelIdentity | None:
        """Return what `as_dict` wrote; None where nothing was kept, as of earlier runs."""
        if not isinstance(said, Mapping):
            return None
        try:
            return cls(
                layers=str(said["layers"]),
                weights=str(said["weights"]),
                answers=tuple(float(value) for value in said["answers"]),
                penalty=float(said["penalty"]),
                input_shape=tuple(int(size) for size in said["input_shape"]),
                n_classes=int(said["n_classes"]),
                file=str(said["file"]),
            )
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def from_json(cls, text: str | None) -> ModelIdentity | None:
        """Return the same from its text; None where there is none, or a damaged one."""
        try:
            return cls.from_dict(json.loads(text or "null"))
        except ValueError:
            return None

    def changes(self, now: ModelIdentity) -> tuple[str, ...]:
        """Return in what the model differs now: its layers, its weights, what it computes."""
        if self.file and self.file == now.file:
            return ()
        found = []
        if self.layers != now.layers:
            found.append("its layers or their settings")
        if self.weights != now.weights:
            found.append("its weights")
        computes_alike = same_answers(self.answers, now.answers) and np.isclose(
            self.penalty, now.penalty, rtol=1e-3
        )
        if self.layers == now.layers and not computes_alike:
            found.append("what it computes from the same weights")
        return tuple(found)


def identity_of(network: tf_keras.Model, *, file: str | None, keeps_weights: bool) -> ModelIdentity:
    """Return what tells a user's model from others; the network has its own weights afterwards.

    network: what `build_model` made of it. file: where it was read from, None for functions.
    keeps_weights: whether training begins from its weights; else only those count that are not
    drawn anew, of frozen layers.
    """
    kept = list(network.variables) if keeps_weights else kept_variables(network)
    answers, penalty = _asked(network)
    return ModelIdentity(
        layers=_short(json.dumps(_layers(network), sort_keys=True, default=_plain).encode()),
        weights=_short(*(variable.numpy().tobytes() for variable in kept)),
        answers=answers,
        penalty=penalty,
        input_shape=tuple(int(size) for size in network.inputs[0].shape[1:]),
        n_classes=int(network.outputs[0].shape[-1]),
        file=file_digest(file) if file is not None else "",
    )


def answers_of(network: tf_keras.Model) -> tuple[float, ...]:
    """Return what a network of fixed image size answers to fixed images under fixed weights.

    Networks of the same layers that compute the same have the same answers, whatever they were
    trained to. The network has its own weights afterwards. Empty where it answers otherwise every
    time, as with a layer that draws in inference too.
    """
    return _asked(network)[0]


def same_answers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether answers agree as far as processors may round otherwise; unknown ones do."""
    if not one or not other:
        return True
    if len(one) != len(other):
        return False
    a, b = np.asarray(one), np.asarray(other)
    largest = np.abs(a[np.isfinite(a)]).max(initial=0.0)
    return bool(np.allclose(a, b, rtol=1e-3, atol=1e-4 * largest, equal_nan=True))


def check_trusted_file(name: str, then: ModelIdentity | None, *, whose: str) -> None:
    """Raise InputError where a file that was trusted to run code is another one by now.

    Trust was given to what lay there then. Nothing is known of runs that kept no identity.
    """
    if then is None or not then.file or then.file == file_digest(name):
        return
    raise InputError(
        f"{name!r} is another file now than the one that {whose} was allowed to run code of "
        "(--trust-model). Put that one back."
    )


def file_digest(path: str) -> str:
    """Return a hash of a model file's bytes, or of all in a folder; empty where it is gone."""
    place = Path(path)
    files = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
    sha = hashlib.sha256()
    try:
        for file in files:
            sha.update(f"{file.relative_to(place)}\n".encode())
            with file.open("rb") as opened:
                while part := opened.read(1 << 20):
                    sha.update(part)
    except OSError:
        return ""
    return sha.hexdigest()[:16]


def _asked(network: tf_keras.Model) -> tuple[tuple[float, ...], float]:
    own = [variable.numpy() for variable in network.variables]
    images = _images(network.inputs[0])
    try:
        for place, variable in enumerate(network.variables):
            if variable.dtype.is_floating:
                variable.assign(_fixed(place, variable))
        first, second = (np.asarray(network(images, training=False), np.float64) for _ in range(2))
        penalty = sum(float(np.sum(loss)) for loss in network.losses)
    finally:
        for variable, value in zip(network.variables, own, strict=True):
            variable.assign(value)
    if not np.array_equal(first, second, equal_nan=True):
        return (), 0.0
    kept = first.reshape(len(images), -1)[:, :_CLASSES].ravel()
    return tuple(float(f"{value:.6g}") for value in kept), float(f"{penalty:.6g}")


def _images(tensor: Any) -> np.ndarray:
    """Return half of the images as standardised ones are, half as they are stored."""
    rng = np.random.default_rng(0)
    shape = (_IMAGES // 2, *(int(size) for size in tensor.shape[1:]))
    pair = (rng.standard_normal(shape), rng.integers(0, 256, shape))
    return np.concatenate(pair).astype(tensor.dtype.as_numpy_dtype)


def _fixed(place: int, variable: Any) -> np.ndarray:
    """Return the value of a variable that depends on its place and shape alone.

    Matrices of a size that keeps signals as they are; vectors (biases, scales, variances) are
    positive.
    """
    shape = tuple(int(size) for size in variable.shape)
    size = int(np.prod(shape))
    rng = np.random.default_rng((1, place))
    if len(shape) > 1:
        drawn = rng.standard_normal(min(size, _DRAWN)) / np.sqrt(np.prod(shape[:-1]))
    else:
        drawn = rng.uniform(0.1, 0.5, min(size, _DRAWN))
    return np.resize(drawn, shape).astype(variable.dtype.as_numpy_dtype)


def _layers(network: tf_keras.Model) -> list[Any]:
    """Return kind, settings and sources of every call, its layers named by their place."""
    graph = list(calls(network))
    names = dict.fromkeys(call.layer.name for call in graph)  # a Sequential's layers lack its input
    places = {name: f"#{place}" for place, name in enumerate(names)}
    made: dict[int, int] = {}
    found = []
    for number, call in enumerate(graph):
        try:
            with own_functions_taken_out(call.layer):
                config = _told(call.layer.get_config(), places)
        except NotImplementedError:  # a class of the user's own need not have one
            config = None
        found.append(
            [call.kind, places[call.layer.name], config, [made[i] for i in call.input_ids]]
        )
        made |= dict.fromkeys(call.output_ids, number)
    return found


def _told(value: Any, places: Mapping[str, str]) -> Any:
    """Return a configuration without names."""
    if isinstance(value, Mapping):
        return {
            str(key): _told(inner, places) for key, inner in value.items() if key not in _UNTOLD
        }
    if isinstance(value, (list, tuple)):
        return [_told(inner, places) for inner in value]
    return places.get(value, value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value in a configuration, the same in every process."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return type(value).__name__


def _short(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()[:16]
