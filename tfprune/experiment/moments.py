"""Moments of training: where survivors are set back to, and what would lie past its end."""

from __future__ import annotations

from tfprune.config import ConfigError, Duration, RunConfig, TrainingConfig

_LEAST_SHARE = 1e-2  # of the first rate: the last one, at which levels are fine-tuned


def check_moments(config: RunConfig) -> None:
    """Refuse what is past the end of training where that is known without the data."""
    epochs, text = config.training.epochs, config.pruning.rewind_to
    if text in ("init", "final"):
        return
    moment = Duration.parse(text)
    if moment.unit == epochs.unit and moment.count >= epochs.count:
        raise ConfigError(
            "pruning.rewind_to",
            f"{text} is past the end of training ({epochs}); nothing would be trained after it. "
            "Give an earlier step, or final to fine-tune.",
        )


def check_schedule(training: TrainingConfig, *, steps_per_epoch: int, n_steps: int) -> None:
    """Raise ConfigError for a decay or warm-up that training ends before."""
    for moment in training.decay_at:
        if moment.steps(steps_per_epoch) >= n_steps:
            raise ConfigError(
                "training.decay_at",
                f"{moment} is past the end of training ({n_steps} steps, {steps_per_epoch} to the "
                "epoch); the rate would never fall there. Give an earlier step, or train longer "
                "with --epochs.",
            )
    if training.warmup.steps(steps_per_epoch) > n_steps:
        raise ConfigError(
            "training.warmup",
            f"{training.warmup} is past the end of training ({n_steps} steps, {steps_per_epoch} to "
            "the epoch); the learning rate would never be reached. Give a shorter warm-up, or "
            "train longer with --epochs.",
        )


def rewind_step(config: RunConfig, *, steps_per_epoch: int, n_steps: int) -> int | None:
    """Return the optimizer step that survivors are set back to; None for fine-tuning.

    Raises ConfigError when it lies past the end of training.
    """
    text = config.pruning.rewind_to
    if text == "final":
        return None
    step = 0 if text == "init" else Duration.parse(text).steps(steps_per_epoch)
    if step >= n_steps:
        raise ConfigError(
            "pruning.rewind_to",
            f"{text} is past the end of training ({n_steps} steps); nothing would be trained "
            "after it. Give an earlier step, or final to fine-tune.",
        )
    return step


def check_fine_tuning(config: RunConfig, *, steps_per_epoch: int) -> None:
    """Refuse to fine-tune at a rate that trains nothing; see `PruningConfig.fine_tune_rate`.

    Raises ConfigError when none is given and the schedule's last is less than a hundredth of
    its `learning_rate` (two decays of a step schedule by 0.1 are just a hundredth, the rate at
    which Renda et al. 2020 fine-tune).
    """
    from tfprune.training.optimizer import learning_rates

    first = config.training.learning_rate
    last = float(learning_rates(config.training, steps_per_epoch=steps_per_epoch)[-1])
    if config.pruning.fine_tune_rate is None and last < first * _LEAST_SHARE * (1 - 1e-5):
        raise ConfigError(
            "pruning.fine_tune_rate",
            "--rewind-to final trains every level at the schedule's last rate, which is "
            f"{last:.2g} here, less than {_LEAST_SHARE:g} of {first:g}: nothing would be learned. "
            "Give --fine-tune-rate RATE, or --schedule step or constant.",
        )
