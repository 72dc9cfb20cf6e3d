"""One network, one call, of every kind: losses, precisions, optimizers, layers of one's own."""

from __future__ import annotations

import numpy as np
import pytest

import tfprune
from tfprune.errors import RunError

SIZE = 5 * 6 + 6 * 3
pytestmark = pytest.mark.slow
QUICK = {"levels": 2, "epochs": 1, "verbose": 0}


def test_the_optimizer_goes_on_where_the_models_own_stands(library, data, make_classifier):
    model = make_classifier(library)
    model.fit(*data, epochs=3, verbose=0)  # 3 epochs of 2 steps
    model.optimizer.learning_rate.assign(0.01)
    smaller = tfprune.prune(model, data, sparsity=0.5, levels=2, epochs=2, verbose=0)
    assert int(smaller.optimizer.iterations.numpy()) == 6 + 2 * 2 * 2
    assert float(smaller.optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    assert int(model.optimizer.iterations.numpy()) == 6


def test_without_training_the_smallest_weights_go_and_the_others_keep_their_bits(
    library, data, make_classifier, kernels_of
):
    model = make_classifier(library)
    smaller, result = tfprune.prune(
        model, data, sparsity=0.6, levels=3, epochs=0, verbose=0, return_result=True
    )
    given, left = kernels_of(model), kernels_of(smaller)
    sizes = np.sort(np.abs(np.concatenate([kernel.ravel() for kernel in given.values()])))
    bound = sizes[int(0.6 * SIZE)]  # the smallest of those that stay
    for name, kernel in given.items():
        np.testing.assert_array_equal(left[name], np.where(np.abs(kernel) >= bound, kernel, 0))
        np.testing.assert_array_equal(result.masks[name], np.abs(kernel) >= bound)
    assert [row.n_kept for row in result.levels] == [48, 35, 26, 20]


def test_masks_stay_when_the_returned_model_is_trained_further(
    library, data, make_classifier, kernels_of
):
    smaller = tfprune.prune(make_classifier(library), data, sparsity=0.7, **QUICK)
    zeros = {name: kernel == 0 for name, kernel in kernels_of(smaller).items()}
    smaller.fit(*data, epochs=2, verbose=0)
    for name, kernel in kernels_of(smaller).items():
        np.testing.assert_array_equal(kernel == 0, zeros[name])


def test_what_is_given_takes_the_place_of_what_the_model_was_compiled_with(
    library, data, make_classifier
):
    x, y = data
    model = make_classifier(library)
    smaller, result = tfprune.prune(
        model, (x, np.eye(3)[y]), sparsity=0.5, **QUICK, return_result=True,
        optimizer=library.optimizers.Adam(1e-4), loss="mse", metrics=["mae"],
    )  # fmt: skip
    assert type(smaller.optimizer).__name__ == "Adam"
    assert smaller.loss == "mse"
    assert set(result.levels[0].metrics) == {"loss", "mae"}
    expected = float(np.mean((model(x).numpy() - np.eye(3)[y]) ** 2))
    assert result.levels[0].metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_an_uncompiled_model_is_trained_by_adam_with_the_loss_that_is_given(
    library, data, make_classifier
):
    model = make_classifier(library, compiled=False)
    smaller = tfprune.prune(
        model, data, sparsity=0.5, levels=1, epochs=1, verbose=0,
        loss=library.losses.SparseCategoricalCrossentropy(),
    )  # fmt: skip
    assert type(smaller.optimizer).__name__ == "Adam"


@pytest.mark.parametrize("case", ["regression", "several labels", "two outputs"])
def test_losses_that_know_no_accuracy_work(library, data, case, kernels_of, n_zero):
    x, y = data
    layers = library.layers
    inputs = library.Input((5,))
    hidden = layers.Dense(6, activation="tanh", name="hidden")(inputs)
    if case == "regression":
        outputs, loss, target = layers.Dense(1, name="price")(hidden), "mse", x[:, :1] * 3
    elif case == "several labels":
        outputs = layers.Dense(4, activation="sigmoid", name="tags")(hidden)
        loss, target = "binary_crossentropy", (x[:, :4] > 0).astype("float32")
    else:
        outputs = {"a": layers.Dense(2, name="a")(hidden), "b": layers.Dense(3, name="b")(hidden)}
        loss = {"a": "mse", "b": library.losses.SparseCategoricalCrossentropy(from_logits=True)}
        target = {"a": x[:, :2], "b": y}
    model = library.Model(inputs, outputs)
    model.compile("adam", loss, run_eagerly=True)
    smaller, result = tfprune.prune(
        model, (x, target), sparsity=0.5, **QUICK, validation=0.25, return_result=True
    )
    n = sum(kernel.size for kernel in kernels_of(model).values())
    assert n_zero(smaller) == n // 2
    held_out = (
        {name: part[36:] for name, part in target.items()} if case == "two outputs" else target[36:]
    )
    expected = smaller.evaluate(x[36:], held_out, verbose=0, return_dict=True)
    assert result.levels[-1].metrics["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert result.levels[-1].split == "validation"


def test_precision_and_what_is_frozen_stay(library, data, make_classifier, kernels_of):
    model = make_classifier(library, dtype="mixed_bfloat16")
    model.get_layer("hidden").trainable = False
    smaller, result = tfprune.prune(model, data, sparsity=0.5, return_result=True, **QUICK)
    for name in ("hidden", "answer"):
        assert smaller.get_layer(name).dtype_policy.name == "mixed_bfloat16"
    assert not smaller.get_layer("hidden").trainable
    given, left = kernels_of(model), kernels_of(smaller)
    np.testing.assert_array_equal(left["hidden"], given["hidden"])
    assert np.mean(left["answer"] == 0) == 0.5
    assert list(result.masks) == ["answer"]
    assert result.notes[0] == (
        "Not pruned, because the model has frozen them (trainable=False): hidden (Dense)."
    )


def test_excluded_layers_keep_all_their_weights(library, data, make_classifier, kernels_of):
    smaller = tfprune.prune(make_classifier(library), data, sparsity=0.5, exclude=["ans*"], **QUICK)
    zeros = {name: int((kernel == 0).sum()) for name, kernel in kernels_of(smaller).items()}
    assert zeros == {"hidden": 15, "answer": 0}


def test_a_constraint_of_the_layers_own_is_heeded_too(library, data, kernels_of, n_zero):
    inputs = library.Input((5,))
    layer = library.layers.Dense(
        3, kernel_constraint=library.constraints.MaxNorm(0.5), activation="softmax", name="d"
    )
    model = library.Model(inputs, layer(inputs))
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    smaller = tfprune.prune(model, data, sparsity=0.4, **QUICK)
    norms = np.linalg.norm(kernels_of(smaller)["d"], axis=0)
    assert (norms <= 0.5 + 1e-5).all()
    assert n_zero(smaller) == 6


def test_training_that_writes_weights_by_itself_is_refused(library, data):
    class Own(library.Model):
        def train_step(self, data):
            for layer in self.layers[1:]:
                layer.kernel.assign(layer.kernel + 0.1)
            return {"loss": 0.0}

    inputs = library.Input((5,))
    model = Own(inputs, library.layers.Dense(3, name="d")(inputs), name="own")
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(RunError) as error:
        tfprune.prune(model, (data[0], data[0][:, :3]), sparsity=0.4, **QUICK)
    assert str(error.value) == (
        "3 pruned weights of model 'own' came back in training: its train_step writes weights "
        "without its optimizer, which would set them to 0 after every step. Let it call "
        "optimizer.apply_gradients."
    )


def test_training_that_diverges_says_so(library, data, make_classifier):
    model = make_classifier(library, compiled=False)
    with pytest.raises(RunError) as error:
        tfprune.prune(
            model, (data[0], data[0][:, :3] * 1e18), sparsity=0.5, **QUICK,
            optimizer=library.optimizers.SGD(1e20), loss="mse",
        )  # fmt: skip
    assert str(error.value).startswith("fine-tuning diverged: the loss is ")
    assert str(error.value).endswith(
        " of level 1. Give optimizer= with a lower learning rate, or look for nan in the examples."
    )


def test_callbacks_are_keras_own(library, data, make_classifier):
    seen = []
    watch = library.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    tfprune.prune(make_classifier(library), data, sparsity=0.5, levels=2, epochs=2, verbose=0,
                  callbacks=[watch])  # fmt: skip
    assert seen == [0, 1, 0, 1]
