"""A network small enough to differentiate by hand: y = x W1 W2 under squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.strategy import PruningContext


@dataclass(frozen=True)
class TwoLayers:
    x: np.ndarray
    target: np.ndarray
    weights: dict[str, np.ndarray]

    tensors = (
        PrunableTensor("hidden", "dense", (4, 6)),
        PrunableTensor("logits", "dense", (6, 3), is_output=True),
    )

    def effective(self, masks):
        return self.weights["hidden"] * masks["hidden"], self.weights["logits"] * masks["logits"]

    def loss(self, masks):
        """0.5 * mean squared error; `masks` may be real-valued, as SNIP's indicators are."""
        w1, w2 = self.effective(masks)
        return 0.5 * np.square(self.x @ w1 @ w2 - self.target).sum() / len(self.x)

    def gradients(self, masks):
        w1, w2 = self.effective(masks)
        residual = (self.x @ w1 @ w2 - self.target) / len(self.x)
        return {"hidden": self.x.T @ residual @ w2.T, "logits": (self.x @ w1).T @ residual}

    def hessian_gradient(self, masks):
        """The derivative of `gradients` along the gradient, by the product rule."""
        w1, w2 = self.effective(masks)
        g1, g2 = self.gradients(masks).values()
        residual = (self.x @ w1 @ w2 - self.target) / len(self.x)
        change = self.x @ (g1 @ w2 + w1 @ g2) / len(self.x)
        return {
            "hidden": self.x.T @ (change @ w2.T + residual @ g2.T),
            "logits": (self.x @ w1).T @ change + (self.x @ g1).T @ residual,
        }

    def synflow(self, masks):
        """|w| times the flow that arrives times the flow that leaves, R = 1' |W1| |W2| 1."""
        w1, w2 = (np.abs(w) for w in self.effective(masks))
        return {
            "hidden": w1 * w2.sum(axis=1),
            "logits": w2 * w1.sum(axis=0)[:, None],
        }

    def context(self, **fields):
        values = {
            "tensors": self.tensors,
            "weights": self.weights,
            "masks": full_masks(self.tensors),
            "gradients": self.gradients,
            "hessian_gradient": self.hessian_gradient,
            "synflow": self.synflow,
        }
        return PruningContext(**(values | fields))


@pytest.fixture
def two_layers():
    rng = np.random.default_rng(7)
    return TwoLayers(
        x=rng.normal(size=(20, 4)),
        target=rng.normal(size=(20, 3)),
        weights={"hidden": rng.normal(size=(4, 6)), "logits": rng.normal(size=(6, 3))},
    )


MIXED = (
    PrunableTensor("conv", "conv", (3, 3, 5, 8)),
    PrunableTensor("depthwise", "depthwise", (3, 3, 8, 2)),
    PrunableTensor("dense", "dense", (16, 10)),
    PrunableTensor("logits", "dense", (10, 4), is_output=True),
)


@pytest.fixture
def mixed():
    """A context of every kind of tensor in which every optional field is filled."""
    rng = np.random.default_rng(3)

    def draw(*_masks):
        fresh = np.random.default_rng(11)
        return {t.name: fresh.normal(size=t.shape) for t in MIXED}

    def per_filter():
        fresh = np.random.default_rng(12)
        return {t.name: fresh.random(t.n_filters) for t in MIXED}

    return PruningContext(
        tensors=MIXED,
        weights={t.name: rng.normal(size=t.shape).astype(np.float32) for t in MIXED},
        masks=full_masks(MIXED),
        seed=5,
        level=1,
        initial={t.name: rng.normal(size=t.shape).astype(np.float32) for t in MIXED},
        rewind={t.name: rng.normal(size=t.shape).astype(np.float32) for t in MIXED},
        gradients=draw,
        hessian_gradient=draw,
        synflow=lambda masks: {n: np.abs(g) * masks[n] for n, g in draw().items()},
        activations=per_filter,
        accumulated_movement=draw(),
        norm_scales=per_filter(),
    )
