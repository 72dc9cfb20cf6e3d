"""Which order of the images a network is trained in: the noise of training, apart from its start.

An order seed decides the order of the images in every epoch, their augmentation and what random
layers drop: all that Frankle et al. (2020) call SGD noise. It decides neither initialisation nor
what is held out for validation; the replicate's seed does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfprune.config import RunConfig

_LEVEL, _SAME_INIT, _SECOND_CHILD = 1, 2, 3  # one stream of seeds for each purpose


def order_seed(config: RunConfig, *, seed: int, level: int) -> int:
    """Return the order seed of a level of the replicate `seed`; the controls of a level share it.

    Level 0 has the replicate's own, and with `data_order` 'same' so has every other level. With
    'level' each level has another: the default of OpenLTH, where a pruned network then differs
    from the dense one by the noise of training too.
    """
    own = _own(config, seed)
    return own if level == 0 or config.training.data_order == "same" else _drawn(own, _LEVEL, level)


def same_init_order(config: RunConfig, *, seed: int) -> int:
    """Return the order seed of the dense network's second training, the control same-init."""
    return _drawn(_own(config, seed), _SAME_INIT)


def second_child_order(config: RunConfig, *, seed: int, level: int) -> int:
    """Return the order seed of the second child that a level's instability is taken of.

    The first child is the level's own network, trained in the order that `order_seed` says.
    """
    return _drawn(_own(config, seed), _SECOND_CHILD, level)


def _own(config: RunConfig, seed: int) -> int:
    given = config.training.data_order_seed
    return seed if given is None else given + seed - config.seed


def _drawn(own: int, *purpose: int) -> int:
    """Return a seed in [2^31, 2^32), beyond all that a user can give."""
    sequence = np.random.SeedSequence(own, spawn_key=purpose)
    return int(sequence.generate_state(1)[0] | np.uint32(2**31))
