"""The whole loop against another in plain NumPy: no TensorFlow, no tfmot, nothing of tfprune's.

A convolution, a dense layer, momentum, weight decay, a warm-up: trained, pruned by magnitude over
all layers, rewound to step 3 with the optimizer's state, trained again; two levels.
"""

from __future__ import annotations

import sys
import types
from itertools import islice

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from tfprune.config import from_dict
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate

RATE, MOMENTUM, DECAY, BATCH, EPOCHS, REWIND, FRACTION = 0.05, 0.9, 2e-3, 200, 2, 3, 0.5


def network(shape, n_classes):
    import tf_keras

    image = tf_keras.Input(shape)
    x = tf_keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = tf_keras.layers.Flatten()(x)
    return tf_keras.Model(image, tf_keras.layers.Dense(n_classes, name="dense")(x))


def forward(w, x):
    patches = sliding_window_view(x, (3, 3), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    before = np.einsum("nhwijc,ijco->nhwo", patches, w["conv"]) + w["conv bias"]
    hidden = np.maximum(before, 0).reshape(len(x), -1)
    return patches, before, hidden, hidden @ w["dense"] + w["dense bias"]


def gradients(w, x, y):
    patches, before, hidden, logits = forward(w, x)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (p / p.sum(axis=1, keepdims=True) - np.eye(p.shape[1])[y]) / len(x)
    back = (error @ w["dense"].T).reshape(before.shape) * (before > 0)
    return {
        "conv": np.einsum("nhwijc,nhwo->ijco", patches, back) + DECAY * w["conv"],
        "conv bias": back.sum(axis=(0, 1, 2)),
        "dense": hidden.T @ error + DECAY * w["dense"],
        "dense bias": error.sum(axis=0),
    }


def train(w, v, masks, x, y, *, first=0, seed):
    """Yield weights and velocities after every step from `first` on; masks stay on."""
    per_epoch = -(-len(x) // BATCH)
    for step in range(first, EPOCHS * per_epoch):
        epoch, place = divmod(step, per_epoch)
        stream = np.random.SeedSequence(seed, spawn_key=(1, epoch))
        order = np.random.default_rng(stream).permutation(len(x))
        chosen = order[place * BATCH : (place + 1) * BATCH]
        found = gradients(w, x[chosen], y[chosen])
        v = {name: MOMENTUM * v[name] - RATE * found[name] for name in w}
        w = {name: (w[name] + v[name]) * masks.get(name, 1) for name in w}
        yield w, v


def levels(w, data, n_levels, *, seed):
    """Yield masks and trained weights of every level, the dense one first."""
    x, y = data
    masks = {name: np.ones(w[name].shape, bool) for name in ("conv", "dense")}
    v = {name: np.zeros_like(value) for name, value in w.items()}
    *_, rewound = islice(train(w, v, masks, x, y, seed=seed), REWIND)
    start, first, trained = (w, v), 0, w
    for level in range(n_levels + 1):
        if level:
            sizes = np.concatenate([np.abs(trained[m][masks[m]]) for m in masks])
            limit = np.sort(sizes)[round(FRACTION * len(sizes))]
            masks = {m: masks[m] & (np.abs(trained[m]) >= limit) for m in masks}
            start = ({name: value * masks.get(name, 1) for name, value in rewound[0].items()},
                     rewound[1])  # fmt: skip
            first = REWIND
        *_, (trained, _) = train(*start, masks, x, y, first=first, seed=seed)
        yield masks, trained


@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.slow), 5])
def test_a_run_is_that_of_sixty_lines_of_numpy(seed, monkeypatch):
    module = types.ModuleType("network_of_the_whole_loop")
    module.network = network
    monkeypatch.setitem(sys.modules, module.__name__, module)
    plan = make_plan(from_dict({
        "seed": seed,
        "model": {"name": f"{module.__name__}:network"},
        "training": {"epochs": f"{EPOCHS}ep", "batch_size": BATCH, "optimizer": "momentum",
                     "momentum": MOMENTUM, "learning_rate": RATE, "weight_decay": DECAY},
        "pruning": {"levels": 2, "fraction": FRACTION, "rewind_to": f"{REWIND}it"},
        "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
    }))  # fmt: skip
    replicate = Replicate(plan, seed=seed)
    names = ("conv", "conv bias", "dense", "dense bias")
    images = replicate.dataset.train.images.astype(np.float64)
    mean, std = images.mean(), images.std()
    test = (replicate.dataset.test.images - mean) / std
    start = zip(names, replicate.initial.variables, strict=True)
    w = {name: np.asarray(value, np.float64) for name, value in start}
    ours = levels(w, ((images - mean) / std, replicate.dataset.train.labels), 2, seed=seed)
    for level, (masks, trained), theirs in zip(range(3), ours, replicate.levels(), strict=True):
        for name, mask in masks.items():
            np.testing.assert_array_equal(theirs.masks[name], mask)
            assert level == 0 or 0 < mask.sum() < mask.size
        assert sum(int(mask.sum()) for mask in masks.values()) == 1476 // 2**level
        for name, variable in zip(names, replicate.network.variables, strict=True):
            np.testing.assert_allclose(variable.numpy(), trained[name], atol=2e-5)
        answers = forward(trained, test)[-1].argmax(axis=1)
        assert np.sum(answers != theirs.test.predictions) <= 1  # a tie within rounding
        accuracy = np.mean(answers == replicate.dataset.test.labels)
        assert theirs.test.accuracy == pytest.approx(accuracy, abs=1.5 / len(test))
        assert accuracy > 0.7
