"""ADMM pruning against a slow transcription of Zhang et al. 2018."""

from __future__ import annotations

import numpy as np

from tfprune.config import from_dict
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate, draw_toward_sparsity

RHO = 0.3


def project(values, n_kept):
    """The closest arrays with `n_kept` values that are not 0: the largest stay."""
    ranked = sorted(
        ((abs(v), name, i) for name, a in values.items() for i, v in enumerate(a.ravel())),
        key=lambda item: item[0],
    )
    result = {name: np.zeros(a.size, a.dtype) for name, a in values.items()}
    for _, name, i in ranked[len(ranked) - n_kept :]:
        result[name][i] = values[name].ravel()[i]
    return {name: a.reshape(values[name].shape) for name, a in result.items()}


def test_targets_follow_the_three_steps_of_the_method(small):
    """Training is replaced by random moves: W is whatever it leaves, Z and U follow from it."""
    import tensorflow as tf

    config = from_dict({**small, "pruning": {"levels": 1, "fraction": 0.5, "admm": RHO}})
    replicate = Replicate(make_plan(config), seed=0)
    kernels, pull = replicate.prunable.kernels(), replicate._pull
    replicate._rewind = replicate.initial
    replicate.level = 1
    rng = np.random.default_rng(0)
    rows = {name: tf.Variable(tf.zeros_like(kernel)) for name, kernel in kernels.items()}
    weights, pulls = [replicate.prunable.weights()], []

    def read_targets():
        """The gradient rho (W - Z + U) at a W of zeros gives Z - U."""
        found = {}
        for name, kernel in kernels.items():
            before = kernel.numpy()
            kernel.assign(tf.zeros_like(kernel))
            found[name] = -pull.gradient(kernel).numpy() / RHO
            kernel.assign(before)
        return found

    def move(*, on_epoch, on_steps):
        for _ in range(3):
            pulls.append(read_targets())
            for kernel in kernels.values():
                kernel.assign_add(rng.normal(0, 0.05, kernel.shape))
            weights.append(replicate.prunable.weights())
            on_epoch(None)
        pulls.append(read_targets())

    replicate.trainer.train = move
    draw_toward_sparsity(replicate, pull)

    n_kept = 6144 // 2
    sparse = project(weights[0], n_kept)
    dual = {name: np.zeros_like(w) for name, w in sparse.items()}
    for step in range(4):
        if step:  # Z = projection of W + U (eq. 8), U = U + W - Z (eq. 9)
            moved = weights[step]
            sparse = project({name: moved[name] + dual[name] for name in moved}, n_kept)
            dual = {name: dual[name] + moved[name] - sparse[name] for name in moved}
        for name, target in pulls[step].items():
            np.testing.assert_allclose(target, sparse[name] - dual[name], atol=1e-5)
    assert all(np.abs(pull.gradient(kernel).numpy()).max() == 0 for kernel in kernels.values())
    assert pull.gradient(rows["conv1"]) == 0  # no prunable kernel, no pull
