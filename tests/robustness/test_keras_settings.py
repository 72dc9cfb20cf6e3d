"""What the user's shell and keras.json say of Keras does not reach a run, which says so."""

from __future__ import annotations

import json

import pytest

SHORT = ("run", "--levels", "1", "--epochs", "1it", "--measure", "cka", "--bootstrap", "0",
         "--probe-size", "100")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "settings", "said"),
    [
        ({"KERAS_BACKEND": "jax"}, {}, "KERAS_BACKEND jax (now tensorflow)"),
        ({"KERAS_BACKEND": "torch", "TF_USE_LEGACY_KERAS": "0"}, {"backend": "torch"},
         "KERAS_BACKEND torch (now tensorflow)"),
        ({}, {"image_data_format": "channels_first", "backend": "jax"},
         "image_data_format channels_first (now channels_last)"),
        ({}, {"floatx": "float64", "epsilon": 1e-3},
         "floatx float64 (now float32), epsilon 0.001 (now 1e-07)"),
        ({}, {"floatx": "float16"}, "floatx float16 (now float32)"),
    ],
)  # fmt: skip
def test_a_default_run_is_that_of_any_other_user(
    program, tmp_path, tmp_path_factory, shell, settings, said
):
    home = tmp_path_factory.mktemp("home")
    (home / ".keras").mkdir()
    (home / ".keras" / "keras.json").write_text(json.dumps(settings))
    status, out, err = program(tmp_path, *SHORT, HOME=str(home), **shell)
    assert status == 0, err
    assert f"Keras settings that tfprune overrides here: {said}." in " ".join(err.split())
    assert "Report: mlruns" in " ".join((out + err).split())


@pytest.mark.slow
def test_settings_that_keras_itself_refuses_get_one_message(program, tmp_path, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / ".keras").mkdir()
    (home / ".keras" / "keras.json").write_text('{"floatx": "bfloat16"}')
    status, _, err = program(tmp_path, *SHORT, HOME=str(home))
    assert status == 2
    assert "Traceback" not in err
    assert f"because it does not accept the settings in {home}/.keras/keras.json" in err
    assert not (tmp_path / "mlruns").exists()


def test_what_is_set_while_the_process_runs_is_set_back(keras):
    import keras as keras3

    from tfprune.models.libraries import (
        replaced_settings,
        replaced_settings_told,
        settle_keras,
    )

    for library in (keras, keras3):
        library.backend.set_floatx("float64")
        library.backend.set_image_data_format("channels_first")
        library.mixed_precision.set_global_policy("mixed_float16")
    settle_keras()
    for library in (keras, keras3):
        assert library.backend.floatx() == "float32"
        assert library.backend.image_data_format() == "channels_last"
        assert library.layers.Dense(1).compute_dtype == "float32"
    assert "dtype policy mixed_float16 (now float32)" in replaced_settings()
    replaced_settings_told()
    settle_keras()
    assert replaced_settings() == ()
    keras.backend.set_floatx("float64")
    settle_keras()
    assert replaced_settings() == ("floatx float64 (now float32)",)
    replaced_settings_told()


def test_a_function_that_chooses_a_precision_chooses_it_for_itself_alone(keras, monkeypatch):
    import sys
    import types

    from tfprune.models.files import from_factory

    def make(shape, n_classes):
        keras.mixed_precision.set_global_policy("mixed_float16")
        return keras.Sequential([keras.Input(shape), keras.layers.Flatten(),
                                 keras.layers.Dense(n_classes)])  # fmt: skip

    module = types.ModuleType("chooses")
    module.make = make
    monkeypatch.setitem(sys.modules, "chooses", module)
    from_factory("chooses:make", (8, 8, 1), 10)
    assert keras.layers.Dense(1).compute_dtype == "float32"
