"""One replicate: train the dense network, then prune, rewind and train level after level."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError, RunError
from tfprune.experiment.checkpoint import Position
from tfprune.experiment.events import EpochFinished, LevelStarted, TrainedLevel
from tfprune.experiment.plan import Plan
from tfprune.experiment.projecting import rates_of
from tfprune.experiment.workbench import assign_all, open_seed, order_seed
from tfprune.pruning.checks import (
    check_as_projected,
    check_counts,
    check_monotone,
    check_pruned_are_zero,
    check_survivors_equal,
    check_untouched,
    digest,
)
from tfprune.pruning.kernels import count_kept, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext
from tfprune.results import EpochResult

if TYPE_CHECKING:
    from tfprune.training.optimizer import Pull
    from tfprune.training.state import TrainingState
    from tfprune.training.trainer import EpochReport


class Replicate:
    """The network of one seed with its trainer, and the levels that come out of it.

    Given a `position` of another Replicate it goes on from there, bit for bit. `on_steps` is
    called with the number of optimizer steps taken since it was last called.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        seed: int,
        position: Position | None = None,
        on_steps: Callable[[int], None] = lambda n_steps: None,
    ) -> None:
        from tfprune.models.copying import plain_copy
        from tfprune.training.evaluation import both_probabilities

        bench = open_seed(plan, seed)
        self.plan = plan
        self.seed = seed
        self.on_steps = on_steps
        self.dataset, self.normalization = bench.dataset, bench.normalization
        self.prunable, self.network = bench.prunable, bench.network
        self.trainer, self._pull = bench.trainer, bench.pull
        self._ticket_masks = bench.ticket_masks
        self.dense = plain_copy(self.network)  # takes the dense weights once they are trained
        self.dense_predictions: np.ndarray | None = None
        self.dense_answers: dict[str, np.ndarray] = {}  # on further test sets, see `shift`
        self.reader, self.dense_reader = bench.reader(self.network), bench.reader(self.dense)
        self.both = both_probabilities(self.dense, self.network, self.trainer.outputs)
        self.level = 0
        self.masks: Mapping[str, np.ndarray] = full_masks(self.prunable.tensors)
        self.initial = self.trainer.state()
        self._rewind: TrainingState | None = None
        self._fingerprint: str | None = None
        self._under_way = position is not None
        if position is not None:
            self._go_to(position)

    def _go_to(self, position: Position) -> None:
        self.level = position.level
        self.masks = position.masks
        self.initial, self._rewind = position.initial, position.rewind
        self.dense_predictions = position.dense_predictions
        if position.dense is not None:
            self._remember_dense(position.dense)
        self.prunable.set_masks(position.masks)
        self.trainer.restore(position.state)
        self.hold_level()
        self.trainer.set_movement(position.movement)

    def position(self) -> Position:
        return Position(
            seed=self.seed,
            level=self.level,
            state=self.trainer.state(),
            masks=self.masks,
            initial=self.initial,
            rewind=self._rewind,
            dense=self.dense_values if self._fingerprint else None,
            dense_predictions=self.dense_predictions,
            movement=self.trainer.movement(),
        )

    def levels(self) -> Iterator[TrainedLevel]:
        """Yield every level from where the replicate stands, dense first; see `events`."""
        return (event for event in self.events() if isinstance(event, TrainedLevel))

    def events(self) -> Iterator[LevelStarted | EpochFinished | TrainedLevel]:
        """Yield what happens from where the replicate stands: levels, dense first, and epochs.

        Raises InvariantError when a promise is broken.
        """
        for level in range(self.level, self.plan.config.pruning.levels + 1):
            self.level = level
            yield LevelStarted(self.seed, level)
            self.hold_level()
            if level > 0 and not self._under_way:
                self._prune()
                self._go_back()
            self._under_way = False
            self.hold_level()
            yield from self._train_level()
            self._check()
            yield self._trained()

    def hold_level(self) -> None:
        """Set what the trainer trains by to what it is at the present level: order and rate.

        A function of the plan, the seed and the level alone, so that no checkpoint holds it.
        """
        config = self.plan.config
        self.trainer.order_by(order_seed(config, seed=self.seed, level=self.level))
        fine_tuned = self.level > 0 and self.plan.rewind_step is None
        rate = config.pruning.fine_tune_rate
        final = float(self.trainer.rates[-1]) if rate is None else rate
        self.trainer.hold_rate(final if fine_tuned else None)

    def _prune(self) -> None:
        """Compute the level's masks, and lay them on."""
        if self._ticket_masks is not None:
            self.masks = self._ticket_masks
            self.prunable.set_masks(self.masks)
            return
        pruning = self.plan.config.pruning
        if self._pull is not None:
            draw_toward_sparsity(self, self._pull)
        try:
            masks = prune(
                self._context(),
                strategy=self.plan.strategy,
                scope=pruning.scope,
                rates=rates_of(pruning),
            )
        except InputError as error:  # a layer would be emptied: known only now
            raise RunError(
                f"level {self.level} can't be pruned: {error} The levels before it are kept."
            ) from error
        check_monotone(self.masks, masks)
        check_as_projected(masks, self.plan.projection, level=self.level)
        self.masks = masks
        self.prunable.set_masks(masks)

    def _context(self) -> PruningContext:
        """What the strategy may look at: the trained state, or the one that is gone back to."""
        from tfprune.training.hooks import make_context

        assert self._rewind is not None
        pruning = self.plan.config.pruning
        early = pruning.scored == "rewound" or (
            pruning.scored == "auto" and self.plan.strategy.scored == "rewound"
        )
        return make_context(
            self.trainer,
            needs=self.plan.strategy.needs,
            masks=self.masks,
            level=self.level,
            seed=self.seed,
            state=self._rewind if early else None,
            initial=self.kernels_of(self.initial),
            rewind=self.kernels_of(self._rewind),
        )

    def _go_back(self) -> None:
        """Set weights, optimizer and schedule back as the configuration says."""
        assert self._rewind is not None
        if self.plan.rewind_step is None:
            self.trainer.restart_optimizer(self.initial)
        elif self.plan.config.pruning.rewind == "learning-rate":
            self.trainer.restart_optimizer(self._rewind)
        else:
            self.trainer.restore(self._rewind)
            check_survivors_equal(
                self.prunable.weights(), self.kernels_of(self._rewind), self.masks
            )

    def _train_level(self) -> Iterator[EpochFinished]:
        """Train to the level's end; on the way of level 0, keep the state to go back to.

        A network that comes trained is its own level 0 as it is.
        """
        if self._rewind is None:
            yield from self._train(until=self.plan.rewind_step or 0)
            self._rewind = self.trainer.state()
        if self.level > 0 or self.plan.start != "trained":
            yield from self._train(until=self.plan.n_steps)
        if self.level == 0:
            self._remember_dense([variable.numpy() for variable in self.network.variables])

    def _train(self, until: int) -> Iterator[EpochFinished]:
        """Train to the step `until`, an epoch at a time: what goes on in between may be kept."""
        per_epoch = self.plan.steps_per_epoch
        reports: list[EpochReport] = []
        while True:
            epoch_end = (self.trainer.step // per_epoch + 1) * per_epoch
            self.trainer.train(
                until=min(until, epoch_end), on_epoch=reports.append, on_steps=self.on_steps
            )
            for report in reports:
                result = EpochResult(self.seed, self.level, **dataclasses.asdict(report))
                yield EpochFinished(result, self.position)
            reports.clear()
            if epoch_end >= until:
                return

    def _remember_dense(self, values: Sequence[np.ndarray]) -> None:
        assign_all(self.dense.variables, values)
        self._fingerprint = digest(self._dense_arrays())

    def _check(self) -> None:
        """Hold the level to what is promised of it."""
        check_counts(self.prunable.masks(), count_kept(self.masks))
        check_pruned_are_zero(self.prunable.weights(), self.masks)
        assert self._fingerprint is not None
        check_untouched(self._dense_arrays(), self._fingerprint)

    @property
    def start_state(self) -> TrainingState:
        """The state that a level is set back to: theta_0 or theta_k (theta_0 for fine-tuning)."""
        if self.plan.rewind_step is None or self._rewind is None:
            return self.initial
        return self._rewind

    @property
    def dense_values(self) -> list[np.ndarray]:
        """Values of the dense network's variables, in the order of `network.variables`."""
        return [variable.numpy() for variable in self.dense.variables]

    def kernels_of(self, state: TrainingState) -> dict[str, np.ndarray]:
        """Return the prunable kernels within a state, by layer name."""
        pairs = zip(self.network.variables, state.variables, strict=True)
        values = {id(variable): value for variable, value in pairs}
        return {name: values[id(v)] for name, v in self.prunable.kernels().items()}

    def _dense_arrays(self) -> dict[str, np.ndarray]:
        return {f"{i:05d}": v.numpy() for i, v in enumerate(self.dense.variables)}

    def _trained(self) -> TrainedLevel:
        validation = self.dataset.validation
        test = self.trainer.evaluate(self.dataset.test)
        if self.level == 0:
            self.dense_predictions = test.predictions
        assert self.dense_predictions is not None
        return TrainedLevel(
            seed=self.seed,
            level=self.level,
            masks=self.masks,
            network=self.network,
            dense=self.dense,
            reader=self.reader,
            dense_reader=self.dense_reader,
            dataset=self.dataset,
            normalization=self.normalization,
            start=self.start_state,
            dense_predictions=self.dense_predictions,
            test=test,
            validation=self.trainer.evaluate(validation) if len(validation) else None,
        )


Kernels = dict[str, np.ndarray]


def draw_toward_sparsity(replicate: Replicate, pull: Pull) -> None:
    """Train the present level's network once more, with the augmented Lagrangian of ADMM.

    Minimises L(W) + rho/2 ||W - Z + U||^2 over W by training; at the end of every epoch Z becomes
    the projection of W + U onto what the coming level may keep (the strategy's choice of the
    largest scores, the rest 0), and U grows by W - Z (Zhang et al. 2018, eqs. 7 to 9, in scaled
    form). The optimizer starts afresh. The level is then pruned from the W that is left.
    """
    trainer, prunable = replicate.trainer, replicate.prunable
    trainer.restart_optimizer(replicate.initial)
    trainer.hold_rate(None)
    dual = {name: np.zeros_like(weights) for name, weights in prunable.weights().items()}

    def update() -> None:
        weights = prunable.weights()
        sparse = _project(replicate, {name: weights[name] + dual[name] for name in weights})
        for name in dual:
            dual[name] += weights[name] - sparse[name]
        pull.set({name: sparse[name] - dual[name] for name in dual})

    weights = prunable.weights()
    pull.set(_project(replicate, weights))
    trainer.train(on_epoch=lambda report: update(), on_steps=replicate.on_steps)
    pull.set(None)


def _project(replicate: Replicate, values: Mapping[str, np.ndarray]) -> Kernels:
    """Return the values with those set to 0 that the coming level's pruning would remove."""
    pruning = replicate.plan.config.pruning
    context = PruningContext(
        tensors=replicate.prunable.tensors,
        weights=values,
        masks=replicate.masks,
        seed=replicate.seed,
        level=replicate.level,
    )
    masks = prune(
        context, strategy=replicate.plan.strategy, scope=pruning.scope, rates=rates_of(pruning)
    )
    return {name: np.where(masks[name], values[name], 0) for name in values}
