"""Which device is used, and what is said where it can't be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tfprune.config import ConfigError, from_dict
from tfprune.errors import InputError
from tfprune.training import backend as devices
from tfprune.training.backend import Device, moment_device, products_dtype, use_device
from tfprune.training.precision import is_slow_here


class Cards:
    """TensorFlow's own list of GPUs, as if there were some."""

    def __init__(self, monkeypatch, names):
        import tensorflow as tf

        self.visible, self.grows = list(names), []
        config = tf.config
        monkeypatch.setattr(config, "list_physical_devices", lambda kind: list(names))
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: self.visible)
        monkeypatch.setattr(config, "set_visible_devices", self.show)
        monkeypatch.setattr(config.experimental, "get_memory_growth", lambda c: c in self.grows)
        monkeypatch.setattr(
            config.experimental, "set_memory_growth", lambda c, yes: self.grows.append(c)
        )

    def show(self, chosen, kind):
        self.visible = chosen


@pytest.mark.parametrize(
    ("choice", "visible"),
    [("auto", ["0"]), ("gpu", ["0"]), ("gpu:1", ["1"]), ("gpu:2", ["2"]), ("cpu", [])],
)
def test_one_gpu_is_seen_and_its_memory_grows(keras, monkeypatch, choice, visible):
    cards = Cards(monkeypatch, ["0", "1", "2"])
    use_device(choice)
    assert cards.visible == visible
    assert cards.grows == visible
    use_device(choice)  # again: nothing to do
    assert cards.grows == visible


@pytest.mark.parametrize(
    ("choice", "cards", "seen"),
    [("gpu", [], "no GPUs"), ("gpu:1", ["0"], "1 GPU"), ("gpu:5", ["0", "1"], "2 GPUs")],
)
def test_a_gpu_that_is_not_there_is_named(keras, monkeypatch, choice, cards, seen):
    Cards(monkeypatch, cards)
    with pytest.raises(InputError) as caught:
        use_device(choice)
    assert str(caught.value) == (
        f"device {choice!r} is not there: TensorFlow sees {seen}. 'tfprune doctor' says why; use "
        "--device cpu to train without one."
    )


def test_without_a_gpu_numpy_compares_unless_one_is_asked_for(keras, monkeypatch):
    monkeypatch.setattr(devices, "gpu", lambda: None)
    assert moment_device("auto") is None
    assert moment_device("cpu") is None
    with pytest.raises(InputError) as caught:
        moment_device("gpu")
    assert str(caught.value) == (
        "layers can't be compared on a GPU: TensorFlow sees none. 'tfprune doctor' says why; use "
        "--compare-on cpu or auto."
    )
    monkeypatch.setattr(devices, "gpu", lambda: Device("GPU", "a card", (9, 0)))
    assert moment_device("auto") == moment_device("gpu") == "/GPU:0"
    assert moment_device("cpu") is None


@pytest.mark.parametrize(
    ("capability", "takes_float32", "expected"),
    [
        ((9, 0), [True], "float64"),
        ((8, 0), [False, True], "float64"),
        ((8, 9), [True, True], "float32"),
        ((8, 9), [True, False], "float64"),
    ],
)
def test_products_are_float64_where_that_is_fast_or_needed(
    monkeypatch, capability, takes_float32, expected
):
    monkeypatch.setattr(devices, "gpu", lambda: Device("GPU", "a card", capability))
    assert products_dtype("/GPU:0", takes_float32) == expected
    assert products_dtype("/CPU:0", takes_float32) == "float64"


def test_bfloat16_is_slow_on_cards_before_the_a100(monkeypatch):
    from tfprune.training import precision

    for capability, slow in (((7, 5), True), ((8, 0), False), ((9, 0), False)):
        card = Device("GPU", "a card", capability)
        monkeypatch.setattr(precision, "gpu", lambda card=card: card)
        assert is_slow_here("bfloat16") is slow
        assert not is_slow_here("float32")


@pytest.mark.parametrize("value", ["gpu:", "gpu:x", "tpu", "0", ""])
def test_what_is_no_device_is_refused(value):
    with pytest.raises(ConfigError) as caught:
        from_dict({"device": value})
    assert str(caught.value) == (
        f"device: expected auto, cpu, gpu or gpu:N, such as gpu:1; got {value!r}."
    )


@pytest.mark.slow
def test_a_process_that_runs_already_can_not_change_its_device():
    code = (
        "import tensorflow as tf; tf.constant(0)\n"
        "from tfprune.training.backend import start_tensorflow\n"
        "start_tensorflow()\n"
        "def refuse(choice): raise RuntimeError('running')\n"
        "import tfprune.training.backend as backend; backend.use_device = refuse\n"
        "try: start_tensorflow(device='gpu:1')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "InputError device 'gpu:1' can't be chosen any more: this process already uses TensorFlow "
        "on another. Start a new process."
    )
