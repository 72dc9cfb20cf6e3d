"""Configurations that name code: nothing in them runs, and each gets one clear refusal."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tfprune.errors import InputError
from tfprune.models.files import load_model

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
assert _spec is not None
assert _spec.loader is not None
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)


KINDS = ("keras3.keras", "keras3.h5", "keras2.keras", "keras2.h5")


def lambda_relu(marker: Path, kind: str) -> Any:
    """Return a change of a configuration: its ReLU becomes a Lambda that creates `marker`."""
    return lambda config: hostile.lambda_entry(
        hostile.layer(config, "ReLU"), marker, keras2=kind.startswith("keras2")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_lambda_is_refused_unrun_in_every_format(
    good: dict[str, Path], refused: Any, tmp_path: Path, kind: str
) -> None:
    marker = tmp_path / "ran"
    path = hostile.with_config(
        good[kind],
        tmp_path / f"bad{good[kind].suffix}",
        lambda_relu(marker, kind),
    )
    message = refused(path)
    assert not marker.exists()
    assert message == (
        f"model file {str(path)!r} at config.layers: layer Lambda 'relu' is refused: it runs code "
        "from the file. If you trust the source of the file, trust=True (--trust-model on the "
        "command line) turns this check off: the file can then run any code with your "
        "permissions."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_lambda_of_these_tests_does_run_when_the_file_is_trusted(
    good: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / f"bad{good[kind].suffix}"
    hostile.with_config(good[kind], path, lambda_relu(marker, kind))
    load_model(path, trust=True)
    assert marker.exists()  # so the refusals above did keep something from happening


@pytest.mark.parametrize(
    "kind", ["keras2.keras", pytest.param("keras2.h5", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("symbol", "arguments"),
    [
        ("io.write_file", ["{marker}", "owned"]),
        ("io.read_file", ["/etc/passwd", ""]),
        ("io.gfile.GFile", ["{marker}", "w"]),
        ("numpy_function", ["os.system", "x"]),
        ("py_function", ["os.system", "x"]),
        ("data.Dataset.from_generator", ["x", "y"]),
        ("distribute.cluster_resolver.TPUClusterResolver", ["10.0.0.1", ""]),
        ("summary.create_file_writer", ["{marker}", ""]),
        ("load_op_library", ["{marker}", ""]),
    ],
)
def test_an_operation_with_files_or_network_is_refused_unrun(
    good: dict[str, Path],
    refused: Any,
    tmp_path: Path,
    kind: str,
    symbol: str,
    arguments: list[str],
) -> None:
    marker = tmp_path / "ran"
    given = [a.format(marker=marker) for a in arguments]
    path = hostile.with_config(
        good[kind],
        tmp_path / f"bad{good[kind].suffix}",
        lambda c: hostile.operation_entry(hostile.layer(c, "ReLU"), symbol, given),
    )
    message = refused(path)
    assert not marker.exists()
    assert f"the TensorFlow operation {symbol!r} is not on the list of arithmetic" in message


def set_activation(value: Any) -> Any:
    def change(config: Any) -> None:
        hostile.layer(config, "Dense")["config"]["activation"] = value

    return change


def set_layer(**values: Any) -> Any:
    def change(config: Any) -> None:
        hostile.layer(config, "ReLU").update(values)

    return change


def set_option(class_name: str, **values: Any) -> Any:
    def change(config: Any) -> None:
        hostile.layer(config, class_name)["config"].update(values)

    return change


OTHERS = (
    "and of any other a file holds no more than the name. Give the function that builds the model, "
    "as package.module:function."
)
FUNCTION = {"class_name": "function", "registered_name": None}
CONFIGS: dict[str, tuple[Any, str]] = {
    "a function of os as activation": (
        set_activation({**FUNCTION, "module": "os", "config": "system"}),
        "function 'system' of module 'os' is not an activation of Keras, " + OTHERS,
    ),
    "eval as activation": (
        set_activation({**FUNCTION, "module": "builtins", "config": "eval"}),
        "function 'eval' of module 'builtins' is not an activation of Keras, " + OTHERS,
    ),
    "keras's downloader as activation": (
        set_activation({**FUNCTION, "module": "keras.utils", "config": "get_file"}),
        "function 'get_file' of module 'keras.utils' is not an activation of Keras, " + OTHERS,
    ),
    "a lambda as activation": (
        set_activation({"class_name": "__lambda__", "config": {"value": "4wAA"}}),
        "layer __lambda__ is refused: it runs code from the file",
    ),
    "a class of subprocess": (
        set_layer(class_name="Popen", module="subprocess"),
        "'Popen' is not a class of Keras, " + OTHERS,
    ),
    "a known name from a foreign module": (
        set_layer(module="evil.layers"),
        "'ReLU' is to be imported from module 'evil.layers', not from Keras, " + OTHERS,
    ),
    "a known name that stands for another": (
        set_layer(registered_name="Evil>ReLU"),
        "'ReLU' stands for the registered object 'Evil>ReLU', not for a class of Keras, " + OTHERS,
    ),
    "a SavedModel inside": (
        set_layer(class_name="TFSMLayer"),
        "layer TFSMLayer 'relu' is refused: it calls a program outside the model",
    ),
    "a PyTorch module inside": (
        set_layer(class_name="TorchModuleWrapper"),
        "layer TorchModuleWrapper 'relu' is refused: it calls a program outside the model",
    ),
    "a vocabulary file": (
        set_option("ReLU", vocabulary="/etc/passwd"),
        "vocabulary='/etc/passwd' would make the loader read that file",
    ),
    "a text layer": (
        set_layer(class_name="StringLookup"),
        "layer StringLookup 'relu' is refused: it processes words or categories, not images",
    ),
    "a class of the loader's internals": (
        set_layer(class_name="ClassMethod", module="tf_keras.layers"),
        "'ClassMethod' is not a layer or function of Keras that is known to be safe",
    ),
    "a type specification": (
        set_layer(class_name="__typespec__"),
        "'__typespec__' is not a layer or function of Keras that is known to be safe",
    ),
    "weights that were quantized": (
        set_option("Conv2D", quantization_config={"class_name": "Int8QuantizationConfig"}),
        "Int8QuantizationConfig is refused: quantized weights can't be pruned: save the model "
        "before quantizing.",
    ),
    "an absurd input": (
        set_option("InputLayer", batch_shape=[None, 1 << 40, 8, 3]),
        "1.1e+12 is an impossible size (limit 16,777,216)",
    ),
    "an absurd layer": (
        set_option("Conv2D", filters=1 << 50),
        "1.13e+15 is an impossible size (limit 4,294,967,296)",
    ),
    "a class name that is none": (
        set_layer(class_name=["ReLU"]),
        "class_name is ['ReLU'], not a name",
    ),
}


@pytest.mark.parametrize(
    "kind", ["keras3.keras", pytest.param("keras2.keras", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("what", CONFIGS)
def test_a_configuration_that_names_more_than_layers_is_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path, kind: str, what: str
) -> None:
    change, expected = CONFIGS[what]
    path = hostile.with_config(good[kind], tmp_path / f"bad{good[kind].suffix}", change)
    message = refused(path)
    assert message.startswith(f"model file {str(path)!r} at config.layers")
    assert expected in message
    if "quantized" in expected or OTHERS in expected:
        assert message.endswith(expected)  # trust would not help


def test_settings_of_compile_are_not_read(good: dict[str, Path], tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["compile_config"] = {"optimizer": {"class_name": "Popen", "module": "subprocess"}}

    path = hostile.with_config(good["keras3.keras"], tmp_path / "ok.keras", change)
    assert load_model(path).count_params() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_ask_for_more_weights_than_the_file_holds_are_refused(
    good: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    path = hostile.with_config(
        good[kind], tmp_path / f"bad{good[kind].suffix}", set_option("Conv2D", filters=1 << 31)
    )
    with pytest.raises(InputError, match=r"its layers ask for more than [\d,]+ weights, but it"):
        load_model(path)


def test_an_absurd_activation_is_refused_before_it_is_computed(
    keras3: Any, save: Any, tmp_path: Path
) -> None:
    image = keras3.Input((8, 8, 3))
    large = keras3.layers.ZeroPadding2D(50_000, name="large")(image)
    model = keras3.Model(image, keras3.layers.GlobalMaxPooling2D()(large))
    path = save(model, tmp_path / "large.keras")
    with pytest.raises(
        InputError, match=r"^layer 'large' puts out \(100008, 100008, 3\), more than"
    ):
        load_model(path)


def test_a_deeply_nested_configuration_is_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path
) -> None:
    content = hostile.members(good["keras3.keras"])
    deep = "[" * 500 + "]" * 500
    text = content["config.json"].decode()
    path = hostile.pack(
        tmp_path / "deep.keras",
        {
            **content,
            "config.json": text.replace('"config": {', f'"config": {{"x": {deep},', 1).encode(),
        },
    )
    assert "nested more than 200 deep" in refused(path)
    deeper = "[" * 100_000
    path = hostile.pack(tmp_path / "deeper.keras", {**content, "config.json": deeper.encode()})
    assert "is damaged or incomplete" in refused(path)


def test_nothing_of_a_hostile_file_is_imported(
    good: dict[str, Path], refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil_module.py").write_text("import os; os.environ['TFPRUNE_EVIL'] = '1'")
    monkeypatch.syspath_prepend(tmp_path)
    path = hostile.with_config(
        good["keras3.keras"],
        tmp_path / "bad.keras",
        set_layer(module="evil_module", class_name="Layer"),
    )
    refused(path)
    assert "evil_module" not in sys.modules
    assert "TFPRUNE_EVIL" not in os.environ
