"""One network, one call: what comes back, and that nothing else has changed."""

from __future__ import annotations

import numpy as np
import pytest

import tfprune

QUICK = {"levels": 2, "epochs": 1, "verbose": 0}


@pytest.mark.parametrize(
    "kind",
    [
        "functional",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("sequential", "subclass", "own functional")
        ),
    ],
)
def test_the_model_that_returns_is_of_the_kind_that_came_in_and_sparse(
    library, data, kind, make_classifier, n_zero
):
    model = make_classifier(library, kind)
    model.fit(*data, verbose=0)
    before = [np.array(weight) for weight in model.get_weights()]
    moments = [variable.numpy() for variable in model.optimizer.variables]

    smaller = tfprune.prune(model, data, sparsity=0.7, **QUICK)

    assert type(smaller) is type(model)
    assert n_zero(smaller) == 33  # floor(0.7 * 48)
    assert n_zero(model) == 0
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    for was, now in zip(moments, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(was, now.numpy())
    found = smaller.evaluate(*data, verbose=0, return_dict=True)
    assert sorted(found) == ["accuracy", "loss"]
    assert smaller.loss == model.loss
    assert type(smaller.optimizer) is type(model.optimizer)


@pytest.mark.slow
def test_training_under_masks_is_training_with_the_pruned_weights_held_at_zero(
    library, data, make_classifier, kernels_of
):
    """A level by hand: steps of gradient descent, after each of which the mask is multiplied in."""
    x, y = data
    model = make_classifier(library, compiled=False)
    smaller = tfprune.prune(
        model, (x, y), sparsity=0.5, levels=1, epochs=3, batch_size=48, verbose=0,
        optimizer=library.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy",
    )  # fmt: skip
    names = ["hidden", "answer"]
    w, b = kernels_of(model), [model.get_layer(n).bias.numpy().astype(float) for n in names]
    kernels = [np.array(w[name], np.float64) for name in names]
    bound = np.sort(np.abs(np.concatenate([k.ravel() for k in kernels])))[24]
    masks = [np.abs(kernel) >= bound for kernel in kernels]
    kernels = [kernel * mask for kernel, mask in zip(kernels, masks, strict=True)]
    for _ in range(3):
        pre = x @ kernels[0] + b[0]
        act = np.maximum(pre, 0)
        logits = act @ kernels[1] + b[1]
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        slope = (p - np.eye(3)[y]) / len(x)
        back = (slope @ kernels[1].T) * (pre > 0)
        kernels[1] = (kernels[1] - 0.1 * act.T @ slope) * masks[1]
        kernels[0] = (kernels[0] - 0.1 * x.T @ back) * masks[0]
        b[1] = b[1] - 0.1 * slope.sum(0)
        b[0] = b[0] - 0.1 * back.sum(0)
    for name, kernel in zip(names, kernels, strict=True):
        np.testing.assert_allclose(kernels_of(smaller)[name], kernel, atol=2e-6)


@pytest.mark.slow
def test_progress_is_keras_own_with_a_line_for_each_level(library, data, capsys, make_classifier):
    tfprune.prune(make_classifier(library), data, sparsity=0.5, levels=2, epochs=1, verbose=2)
    said = capsys.readouterr().out
    assert "Level 1 of 2: 34 of 48 weights kept, sparsity 29.2%\n" in said
    assert "Level 2 of 2: 24 of 48 weights kept, sparsity 50.0%\n" in said
    assert said.count("accuracy: ") == 2
    tfprune.prune(make_classifier(library), data, sparsity=0.5, **QUICK)
    assert capsys.readouterr().out == ""
