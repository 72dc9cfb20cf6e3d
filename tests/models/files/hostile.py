"""Files made to do harm, or to crash: built here, so that nothing of the kind lies in the tree."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

KERAS2_LAMBDA = {
    "module": "__main__",
    "function_type": "lambda",
    "output_shape": None,
    "output_shape_type": "raw",
    "output_shape_module": None,
}


def members(path: Path) -> dict[str, bytes]:
    """Return the members of a zip archive by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, content: dict[str, bytes], *, compress: bool = False) -> Path:
    """Write a zip archive with these members."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_config(source: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """Copy a .keras or .h5 model with its configuration changed."""
    if source.suffix == ".keras":
        content = members(source)
        config = json.loads(content[CONFIG])
        change(config)
        return pack(target, {**content, CONFIG: json.dumps(config).encode()})
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as handle:
        config = json.loads(handle.attrs["model_config"])
        change(config)
        handle.attrs["model_config"] = json.dumps(config)
    return target


def layers(config: Any) -> list[Any]:
    """Return the layer entries of a functional model's configuration."""
    found: list[Any] = config["config"]["layers"]
    return found


def layer(config: Any, class_name: str) -> Any:
    """Return the first layer entry of a class."""
    return next(entry for entry in layers(config) if entry["class_name"] == class_name)


def lambda_entry(entry: Any, marker: Path, *, keras2: bool) -> None:
    """Turn a layer entry into a Lambda whose code, when run, creates `marker`."""
    import base64
    import marshal

    code = compile(f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]", "<model>", "eval")
    function = next(c for c in code.co_consts if hasattr(c, "co_code"))
    dumped = base64.b64encode(marshal.dumps(function)).decode()
    parts = {"code": dumped, "defaults": None, "closure": None}
    named = {"class_name": "__lambda__", "config": parts}
    entry["class_name"] = "Lambda"
    entry["config"] = {
        "name": entry["config"]["name"],
        "trainable": True,
        "dtype": "float32",
        "function": [dumped, None, None] if keras2 else named,
        "arguments": {},
        **(KERAS2_LAMBDA if keras2 else {}),
    }
    if "module" in entry:
        entry["module"] = "keras.layers"
    entry.pop("build_config", None)


def operation_entry(entry: Any, symbol: str, arguments: list[Any]) -> None:
    """Turn a one-input layer entry of a Keras 2 model into a call of a TensorFlow function."""
    entry["class_name"] = "TFOpLambda"
    entry["config"] = {
        "name": entry["config"]["name"],
        "trainable": True,
        "dtype": "float32",
        "function": symbol,
    }
    entry["registered_name"] = "TFOpLambda"
    entry.pop("build_config", None)
    entry["inbound_nodes"] = [["_CONSTANT_VALUE", -1, arguments[0], {"contents": arguments[1]}]]


def hdf5_in_zip(source: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """Copy a .keras model with the HDF5 file of its weights changed."""
    content = members(source)
    buffer = io.BytesIO(content[WEIGHTS])
    with h5py.File(buffer, "r+") as handle:
        change(handle)
    return pack(target, {**content, WEIGHTS: buffer.getvalue()})


def bomb() -> bytes:
    """A weights file of a few hundred bytes that claims a terabyte of zeros."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as handle:
        handle.create_dataset("zeros", (1 << 38,), "float32", chunks=(1 << 20,))
    return buffer.getvalue()


def every_object(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every dictionary in a configuration."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from every_object(value)
    elif isinstance(config, list):
        for value in config:
            yield from every_object(value)
