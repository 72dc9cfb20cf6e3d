"""What an experiment would do, before any of it is done: counts exact, time estimated."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tfprune.config import RunConfig
from tfprune.experiment.plan import Plan
from tfprune.experiment.workbench import open_seed

TIMED_STEPS = 8


@dataclass(frozen=True, eq=False)
class DryRun:
    """A checked plan with the time that its training would take.

    `first_step` holds the tracing of the training function, once for all levels; `per_step` is
    the mean of a few further steps. Evaluation, comparison and logging come on top.
    """

    plan: Plan
    first_step: float  # seconds
    per_step: float  # seconds
    n_traces: int

    @property
    def training_seconds(self) -> float:
        """Estimated seconds of training, for all levels, replicates and controls."""
        return self.config.replicates * self.first_step + self.plan.total_steps * self.per_step

    @property
    def config(self) -> RunConfig:
        """The configuration looked at."""
        return self.plan.config


def timed(plan: Plan) -> DryRun:
    """Return a plan with its time, after a few steps of the first seed's training.

    Nothing is written.
    """
    trainer = open_seed(plan, plan.config.seed).trainer
    started = time.perf_counter()
    trainer.train(until=1)
    first = time.perf_counter() - started
    last = min(1 + TIMED_STEPS, plan.n_steps)
    started = time.perf_counter()
    trainer.train(until=last)
    per_step = (time.perf_counter() - started) / max(last - 1, 1)
    return DryRun(plan, first_step=first, per_step=per_step, n_traces=trainer.n_traces)
