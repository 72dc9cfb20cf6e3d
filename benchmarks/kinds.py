"""What happens to users' networks of every kind, in every form in which they come.

    python -m benchmarks.kinds

Each network is given to `--model` in each form, planned (that is where it is converted, verified,
tried and, if need be, refused), and written as `tfprune export` does by default. What is found
becomes docs/reference/kinds.md; `tests/whole/test_kinds.py` trains each of them and holds the page
to what it finds.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "kinds.md"
MODULE = "users_networks_of_every_kind"
FORMS = ["tf_keras function", "Keras 3 function", ".keras", ".h5", "SavedModel"]
SETTINGS = {
    "training": {"epochs": "1it", "batch_size": 64},
    "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "init"},
    "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
}


class Library:
    """One of the two libraries: `layers`, `Model`, `Sequential`, `Input`, and its operations."""

    def __init__(self, keras: Any, ops: Any, stop_gradient: Any) -> None:
        self.keras, self.ops, self.stop_gradient = keras, ops, stop_gradient

    def __getattr__(self, name: str) -> Any:
        return getattr(self.keras, name)


def _unnamed(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    return k.Sequential([k.Input(shape), L.Conv2D(4, 3, activation="relu"), L.Conv2D(4, 3),
                         L.ReLU(), L.Flatten(), L.Dense(n)])  # fmt: skip


def _ended(k: Library, inputs: Any, x: Any, n: int) -> Any:
    return k.Model(inputs, k.layers.Dense(n)(k.layers.GlobalAveragePooling2D()(x)))


def _functional(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    y = k.layers.Conv2D(4, 1)(x)
    x = k.layers.ReLU()(k.layers.Add()([k.layers.Conv2D(4, 3, padding="same")(x), y]))
    return _ended(k, inputs, x, n)


def _nested(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    parts = [k.Sequential([k.Input(s), L.Conv2D(4, 3, activation="relu", name="conv")])
             for s in (shape, (6, 6, 4))]  # fmt: skip
    inputs = k.Input(shape)
    return _ended(k, inputs, parts[1](parts[0](inputs)), n)


def _shared(k: Library, shape: Any, n: int) -> Any:
    inputs, conv = k.Input(shape), k.layers.Conv2D(4, 3, padding="same", activation="relu")
    return _ended(k, inputs, conv(conv(k.layers.Conv2D(4, 1)(inputs))), n)


def _softmax_operation(k: Library, shape: Any, n: int) -> Any:
    body = _unnamed(k, shape, n)
    inputs = k.Input(shape)
    return k.Model(inputs, k.ops.softmax(body(inputs)))


def _softmax_reshaped(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(n, 8)(k.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs))
    return k.Model(inputs, k.layers.Reshape((n,))(k.layers.Softmax()(x)))


def _one_unit(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    return k.Sequential([k.Input(shape), L.Conv2D(4, 3, activation="relu"), L.Flatten(),
                         L.Dense(1, activation="sigmoid")])  # fmt: skip


def _activation_operation(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, name="first")(inputs)
    x = k.layers.Conv2D(4, 3)(x * k.ops.sigmoid(x))
    return _ended(k, inputs, k.ops.leaky_relu(x), n)


def _any_size(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input((None, None, shape[2]))
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation="relu")(inputs), n)


def _whole_numbers(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape, dtype="uint8")
    x = k.layers.Rescaling(1 / 16)(inputs)
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation="relu")(x), n)


def _preprocessing(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, activation="relu")(k.layers.Rescaling(1 / 16)(inputs))
    return _ended(k, inputs, x, n)


def _odd_names(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    # each library refuses what the other takes
    ours = k.keras.__name__ == "tf_keras"
    first, second = ("block/conv", "head/conv") if ours else ("卷积 1", "tête")
    return k.Sequential([
        k.Input(shape), L.Conv2D(4, 3, activation="relu", name=first),
        L.Flatten(), L.Dense(5, name=second), L.Dense(n, name="head>out"),
    ])  # fmt: skip


def _half(k: Library, shape: Any, n: int) -> Any:
    k.mixed_precision.set_global_policy("mixed_float16")
    try:
        return _unnamed(k, shape, n)
    finally:
        k.mixed_precision.set_global_policy("float32")


def _penalties(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    options = {"activity_regularizer": "l2", "kernel_regularizer": "l1", "activation": "relu"}
    x = k.layers.Conv2D(4, 3, kernel_constraint="max_norm", **options)(inputs)
    return _ended(k, inputs, x, n)


def _frozen(k: Library, shape: Any, n: int) -> Any:
    inputs, stem = k.Input(shape), k.layers.Conv2D(4, 3, activation="relu", name="stem")
    stem.trainable = False
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation="relu")(stem(inputs)), n)


def _learned(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.PReLU()(k.layers.DepthwiseConv2D(3, depth_multiplier=4)(inputs))
    return _ended(k, inputs, k.layers.Conv2D(4, 1, activation="elu")(x), n)


def _cut_off(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, activation="relu")(inputs)
    x = k.layers.Conv2D(4, 3, activation="relu")(k.stop_gradient(x))
    return _ended(k, inputs, x, n)


def _lambda(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, activation="relu")(inputs)
    return _ended(k, inputs, k.layers.Lambda(lambda t: t * 2.0, name="double")(x), n)


def _local(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    return _ended(k, inputs, k.layers.LocallyConnected2D(3, 3, activation="relu")(inputs), n)


def _own_function(k: Library, shape: Any, n: int) -> Any:
    def own(x: Any) -> Any:
        return k.ops.relu(x) * 1.1

    inputs = k.Input(shape)
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation=own, name="mine")(inputs), n)


def _sequence(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv1D(4, 3, activation="relu")(k.layers.Reshape((8, 8))(inputs))
    x = k.layers.Add()([x, k.layers.MultiHeadAttention(2, 3)(x, x)])
    x = k.layers.Bidirectional(k.layers.GRU(3))(x)
    return k.Model(inputs, k.layers.Dense(n)(x))


def _spectral(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.SpectralNormalization(k.layers.Conv2D(4, 3, activation="relu"))(inputs)
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation="relu")(x), n)


@dataclass(frozen=True)
class Kind:
    """A kind of network, and what is found of it in every form that is not refused.

    n_hidden: layers that are compared. output, normalization: what its numbers are, and what its
    images should be like. trust: whether `--trust-model` is given. only: the one library that has
    such layers, empty for both.
    """

    make: Callable[..., Any]
    n_hidden: int = 1
    output: str = "logits"
    normalization: str = "standard"
    trust: bool = False
    only: str = ""

    @property
    def n_classes(self) -> int:
        return 2 if self.output == "sigmoid" else 10


KINDS = {
    "unnamed layers": Kind(_unnamed, 2),
    "unnamed layers in branches": Kind(_functional, 2),
    "nested models with layers of one name": Kind(_nested, 2),
    "a layer used twice": Kind(_shared, 3),
    "names with slashes, spaces, letters of other scripts": Kind(_odd_names, 2),
    "softmax as an operation": Kind(_softmax_operation, 2, "softmax"),
    "softmax before a reshape": Kind(_softmax_reshaped, 1, "softmax"),
    "one sigmoid unit for two classes": Kind(_one_unit, 1, "sigmoid"),
    "activations as operations": Kind(_activation_operation, 2),
    "learned activations, depthwise kernels": Kind(_learned, 2),
    "any image size": Kind(_any_size),
    "whole numbers as input": Kind(_whole_numbers, 1, "logits", "none"),
    "preprocessing inside": Kind(_preprocessing, 1, "logits", "none"),
    "recurrent layers and attention": Kind(_sequence, 3),
    "`SpectralNormalization`": Kind(_spectral, 2),
    "`mixed_float16`": Kind(_half, 2),
    "penalties and constraints": Kind(_penalties),
    "a frozen stem": Kind(_frozen, 2),
    "`stop_gradient`": Kind(_cut_off, 2),
    "`LocallyConnected2D`": Kind(_local, only="tf_keras"),
    "a `Lambda` layer": Kind(_lambda),
    "a `Lambda` layer, `--trust-model`": Kind(_lambda, trust=True),
    "an activation function of one's own": Kind(_own_function),
}


def libraries() -> dict[str, Library]:
    """Return both libraries, TensorFlow started as tfprune starts it."""
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    import tensorflow as tf
    import tf_keras

    from tfprune.models.files.layer_config import register_activations
    from tfprune.models.libraries import keras3

    register_activations()
    k3 = keras3()
    return {
        "tf_keras": Library(tf_keras, tf.nn, tf.stop_gradient),
        "keras3": Library(k3, k3.ops, k3.ops.stop_gradient),
    }


def library_of(form: str) -> str:
    """Return the library in which a form is written here: files by the one that they are of."""
    return "keras3" if form in ("Keras 3 function", ".keras") else "tf_keras"


@contextmanager
def given(kind: str, form: str, both: dict[str, Library], folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the configuration of a run on a kind of network in a form, as long as it is there."""
    what, library = KINDS[kind], both[library_of(form)]
    model = {"trust": what.trust or form == "SavedModel"}
    with _classes(what.n_classes):
        if form.endswith("function"):
            module = types.ModuleType(MODULE)
            module.make = lambda *words: what.make(library, *words)  # type: ignore[attr-defined]
            with patch.dict(sys.modules, {MODULE: module}):
                yield {**SETTINGS, "model": {**model, "name": f"{MODULE}:make"}}
            return
        library.utils.set_random_seed(0)
        network = what.make(library, (8, 8, 1), what.n_classes)
        path = folder / f"mine{'' if form == 'SavedModel' else form}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Keras tells those who save
            network.save(path, **({"save_format": "tf"} if form == "SavedModel" else {}))
        yield {**SETTINGS, "model": {**model, "name": str(path)}}


@contextmanager
def _classes(n_classes: int) -> Iterator[None]:
    """Tell the digits apart as even and odd where a network has two classes."""
    from tfprune.experiment import plan

    load = plan.load_data

    def parity(config: Any, *, seed: int) -> Any:
        data = load(config, seed=seed)
        parts = {
            name: dataclasses.replace(part, labels=part.labels % 2)
            for name in ("train", "validation", "test")
            for part in [getattr(data, name)]
        }
        return dataclasses.replace(data, n_classes=2, class_names=("even", "odd"), **parts)

    with patch.object(plan, "load_data", parity if n_classes == 2 else load):
        yield


def happens(
    kind: str, form: str, both: dict[str, Library], *, trained: Callable[[Any], Any] | None = None
) -> str:
    """Return in a few words what becomes of a kind of network in a form.

    trained: makes of a plan the network that is exported; by default it stays untrained.
    """
    from tfprune.config import from_dict
    from tfprune.errors import InputError
    from tfprune.experiment.plan import make_plan

    if KINDS[kind].only not in ("", library_of(form)):
        return "there is none"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with given(kind, form, both, folder) as config:
            try:
                plan = make_plan(from_dict(config))
            except InputError as error:
                why = str(error).replace(f"{folder}/", "").partition(". ")[0]
                return f"refused: {why.replace('|', '/')}".replace(f"{MODULE}:", "")
            network = trained(plan) if trained is not None else _untrained(plan)
            return f"{_begins(plan)}; {_leaves(plan, network, folder)}"


def _begins(plan: Any) -> str:
    """Return with which weights, and in what, training begins."""
    weights = {"init": "fresh weights", "fine-tune": "the file's weights"}[plan.start]
    stored = "" if plan.leaving.file is None else "; levels as `network.npz`"
    return f"trained from {weights}{stored}"


def _untrained(plan: Any) -> Any:
    from tfprune.experiment.plan import build_network

    return build_network(plan.config, plan.dataset, seed=0, layer_names=plan.layer_names)


def _leaves(plan: Any, network: Any, folder: Path) -> str:
    """Return what `tfprune export` writes of a network by default, found by writing."""
    from tfprune.errors import InputError
    from tfprune.models.build import origin_of
    from tfprune.models.files import export_model

    model = plan.config.model
    origin = origin_of(model.name, network, trust=model.trust)
    try:
        report = export_model(
            network, folder / "out.keras", format="keras", origin=origin, trust=model.trust
        )
    except InputError:
        return "exported to no `.keras` file"
    library = {"keras": "Keras 3", "tf_keras": "tf_keras"}[report.library]
    return f"leaves as {library}"


def row(kind: str, cells: Iterable[str]) -> str:
    """Return a kind's row of the table, of what happens in every form."""
    what = KINDS[kind]
    facts = [kind, str(what.n_hidden), what.output, f"`{what.normalization}`"]
    return f"| {' | '.join([*facts, *cells])} |"


HEAD = """# Users' networks, kind by kind

What happens to a network that `--model` is given, in each of the forms in which it may come. The table is
what `python -m benchmarks.kinds` wrote: each small network was given to an experiment in each form, and written as
`tfprune export` does by default. A test trains every one of them, and holds this page to what it finds.

`layers` are those that are compared, `output` is what the network's numbers were found to be, and `images` what it was
found to be made for (`--normalization auto`): the same in every form. `.keras` files here are of Keras 3, `.h5` files and
SavedModels of tf_keras; a SavedModel is always given with `--trust-model`. Whatever is refused is so before training,
with status 2.

| kind | layers | output | images | tf_keras function | Keras 3 function | `.keras` | `.h5` | SavedModel |
|---|---:|---|---|---|---|---|---|---|
"""  # noqa: E501


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    both = libraries()
    rows = []
    for kind in KINDS:
        rows.append(row(kind, (happens(kind, form, both) for form in FORMS)))
        print(rows[-1], flush=True)
    PAGE.write_text(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
