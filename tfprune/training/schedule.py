"""The learning rate of every step of a level, as one table."""

from __future__ import annotations

import numpy as np

from tfprune.config import TrainingConfig


def learning_rates(training: TrainingConfig, *, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate of every step, (n_steps,) float32.

    constant: the rate itself. step: the rate times `decay_factor` for every `decay_at` reached.
    cosine: rate * (1 + cos(pi * t / n_steps)) / 2 (Loshchilov & Hutter 2017, eq. 5, one cycle).
    During a warm-up of w steps, step t trains at (t + 1) / w of its rate.
    """
    n_steps = training.epochs.steps(steps_per_epoch)
    step = np.arange(n_steps)
    if training.schedule == "cosine":
        factor = (1 + np.cos(np.pi * step / n_steps)) / 2
    else:  # without decay points the step schedule is the constant one
        reached = [step >= moment.steps(steps_per_epoch) for moment in training.decay_at]
        factor = training.decay_factor ** np.sum(reached, axis=0, initial=0) * np.ones(n_steps)
    warmup = training.warmup.steps(steps_per_epoch)
    if warmup:
        factor = factor * np.minimum(1.0, (step + 1) / warmup)
    return (training.learning_rate * factor).astype(np.float32)
