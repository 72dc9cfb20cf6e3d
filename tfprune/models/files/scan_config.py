"""Refusal of what a model's configuration could make a loader do.

The configuration is a tree of dictionaries with `class_name`, `module` and `config`. Keras
imports and calls what they name, so every name must be on the list in `allowed`.
"""

from __future__ import annotations

import re
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files import allowed, operations

MAX_DEPTH = 200
MAX_NODES = 2_000_000
MAX_DIMENSION = 1 << 24
MAX_INTEGER = 1 << 32
# Numbers that count nothing: any size is harmless.
FREE_INTEGERS = frozenset({"seed", "shared_object_id"})

TRUST = (
    "If you know who made the file, trust=True (--trust-model on the command line) lifts this "
    "check: the file may then run any code with your rights."
)

_MODULE = re.compile(
    r"(tf_keras|keras)(\.src)?"
    r"(\.(layers|models|engine|initializers|regularizers|constraints|activations|ops|backend"
    r"|dtype_policies|mixed_precision|optimizers|losses|metrics)(\.[a-z0-9_]+)*)?"
)
_FUNCTION_MODULE = re.compile(r"builtins|(tf_)?keras(\.src)?\.activations(\.activations)?")
_OURS = "tfprune>"

_CLASSES = (
    allowed.CONVERTIBLE_LAYERS
    | allowed.KERAS2_ONLY_LAYERS
    | allowed.DIFFERENT_LAYERS.keys()
    | allowed.MODELS
    | allowed.INITIALIZERS
    | allowed.REGULARIZERS
    | allowed.CONSTRAINTS
    | allowed.POLICIES
    | allowed.TRAINING
    | allowed.VALUES
    | operations.KERAS3_NAMES
    | {"TFOpLambda", "SlicingOpLambda"}
)


def check_config(document: Any, *, file: str) -> None:
    """Raise InputError if a configuration names anything but known layers and arithmetic.

    The message names the file, the place in the configuration and, where trusting the file
    would help, says what that allows.
    """
    if not isinstance(document, dict) or "class_name" not in document:
        raise InputError(f"model file {file!r}: its configuration describes no model.")
    # The settings of compile() are never read: every loader is called with compile=False.
    document = {k: v for k, v in document.items() if k != "compile_config"}
    pending: list[tuple[Any, str, int]] = [(document, "", 0)]
    visited = 0
    while pending:
        value, place, depth = pending.pop()
        visited += 1
        if depth > MAX_DEPTH or visited > MAX_NODES:
            raise InputError(
                f"model file {file!r}: its configuration is nested more than {MAX_DEPTH} deep or "
                f"has more than {MAX_NODES:,} entries; no real network is. Refused."
            )
        if isinstance(value, dict):
            _check_object(value, place, file)
            pending += [(v, f"{place}.{k}", depth + 1) for k, v in value.items()]
        elif isinstance(value, list):
            pending += [(v, place, depth + 1) for v in value]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(value, place, file)


def _refuse(file: str, place: str, what: str, *, trust: bool = True) -> InputError:
    where = f" at {place[-160:].lstrip('.')}" if place else ""
    return InputError(f"model file {file!r}{where}: {what}." + (f" {TRUST}" if trust else ""))


def _check_number(value: float, place: str, file: str) -> None:
    key = place.rpartition(".")[2]
    shape = "shape" in key
    limit = MAX_DIMENSION if shape else MAX_INTEGER
    if key not in FREE_INTEGERS and isinstance(value, int) and abs(value) > limit:
        raise _refuse(file, place, f"{value:.3g} is an absurd size (limit {limit:,})", trust=False)


def _check_object(value: dict[str, Any], place: str, file: str) -> None:
    for key in allowed.FILE_KEYS & value.keys():
        if isinstance(value[key], str):
            raise _refuse(file, place, f"{key}={value[key]!r} would make the loader read that file")
    name = value.get("class_name")
    if name is None:
        return
    if name == "function":
        _check_function(value, place, file)
        return
    if not isinstance(name, str):
        raise _refuse(file, place, f"class_name is {name!r}, not a name", trust=False)
    if name in allowed.REFUSED_LAYERS:
        reason = allowed.REFUSED_LAYERS[name]
        lift = name not in allowed.NOT_A_MATTER_OF_TRUST
        raise _refuse(file, place, f"layer {_called(value)} is refused: {reason}", trust=lift)
    if name not in _CLASSES:
        raise _refuse(
            file, place, f"{name!r} is not a layer or function of Keras that is known to be safe"
        )
    module = value.get("module")
    if module is not None and not (isinstance(module, str) and _MODULE.fullmatch(module)):
        at_home = name in allowed.VALUES and module == "builtins"
        if not at_home:
            raise _refuse(file, place, f"{name!r} is to be imported from module {module!r}")
    registered = value.get("registered_name")
    if registered is not None and registered not in (name, f"keras>{name}"):
        raise _refuse(file, place, f"{name!r} stands for the registered object {registered!r}")
    if name in ("TFOpLambda", "SlicingOpLambda"):
        _check_tensorflow_op(value, place, file)


def _called(value: dict[str, Any]) -> str:
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return f"{value['class_name']} {name!r}" if isinstance(name, str) else str(value["class_name"])


def _check_function(value: dict[str, Any], place: str, file: str) -> None:
    name, module = value.get("config"), value.get("module", "builtins")
    known = isinstance(name, str) and (
        name in allowed.ACTIVATIONS or name.removeprefix(_OURS) in operations.OUR_FUNCTIONS
    )
    if not known or not (isinstance(module, str) and _FUNCTION_MODULE.fullmatch(module)):
        raise _refuse(file, place, f"function {name!r} of module {module!r} is no known activation")


def _check_tensorflow_op(value: dict[str, Any], place: str, file: str) -> None:
    config = value.get("config")
    symbol = config.get("function") if isinstance(config, dict) else None
    if not isinstance(symbol, str) or operations.plain(symbol) not in operations.TENSORFLOW_NAMES:
        raise _refuse(
            file, place, f"the TensorFlow operation {symbol!r} is not on the list of arithmetic"
        )
