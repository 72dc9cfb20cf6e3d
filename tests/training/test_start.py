"""Starting TensorFlow imports what training needs, and the rest where it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from tfprune.training.backend import start_tensorflow
from tfprune.models.libraries import keras3

def loaded(*names):
    return [name for name in names if name in sys.modules]

start_tensorflow()
print("start", loaded("tf_keras", "keras", "sklearn", "matplotlib", "scipy.stats"))
import tfprune.runs.run, tfprune.runs.compare
print("runs", loaded("keras", "sklearn", "matplotlib", "scipy.stats", "vl_convert"))
keras = keras3()
print("keras3", loaded("keras", "sklearn", "matplotlib", "scipy.stats"))

import tempfile
with tempfile.NamedTemporaryFile("w", suffix=".py") as file:  # AutoGraph looks through all modules
    file.write("def traced(x):\\n    if x > 0:\\n        return x\\n    return -x\\n")
    file.flush()
    names = {}
    exec(compile(open(file.name).read(), file.name, "exec"), names)
    import tensorflow as tf
    assert float(tf.function(names["traced"])(tf.constant(-2.0))) == 2.0
[hasattr(module, "__file__") for module in list(sys.modules.values())]
print("looked through", loaded("sklearn", "matplotlib"))
print(keras.wrappers.SKLearnClassifier.__name__, loaded("sklearn"))
from keras.visualization import plot_image_gallery
print(plot_image_gallery.__name__, loaded("matplotlib"))
print([type(finder).__module__ for finder in sys.meta_path if "tfprune" in type(finder).__module__])
"""


@pytest.mark.slow
def test_keras_3_and_what_it_draws_with_are_imported_where_they_are_used():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "start ['tf_keras']",
        "runs []",
        "keras3 ['keras']",
        "looked through []",
        "SKLearnClassifier ['sklearn']",
        "plot_image_gallery ['matplotlib']",
        "[]",
    ]
