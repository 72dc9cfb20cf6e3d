"""What a level is called before it is trained: the sparsity that its masks will have."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config import from_dict
from tfprune.experiment.plan import make_plan
from tfprune.experiment.projecting import rates_of
from tfprune.experiment.replicate import Replicate
from tfprune.pruning.kernels import full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext

HAND = {"conv1": 144, "conv2": 3456, "dense1": 2304, "logits": 240}  # the digits network


def planned(small, **pruning):
    return make_plan(from_dict({**small, "pruning": {"levels": 2, **pruning}}))


@pytest.mark.parametrize(
    "pruning",
    [
        {"fraction": 0.5, "scope": "layer", "conv_fraction": 0.1, "dense_fraction": 0.4},
        {"fraction": 0.5, "exclude": ["conv2"]},
        {"fraction": 0.25, "scope": "layer", "layer_fractions": {"dense1": 0.75}},
        {"fraction": 0.5, "scope": "layer", "output_fraction": 0.0},
        {"fraction": 0.5, "scope": "layer", "strategy": "filter-l1"},
    ],
)
def test_the_target_is_what_pruning_arrives_at(small, pruning):
    plan = planned(small, **pruning)
    rng = np.random.default_rng(0)
    context = PruningContext(
        tensors=plan.tensors,
        weights={t.name: rng.normal(size=t.shape) for t in plan.tensors},
        masks=full_masks(plan.tensors),
    )
    masks = context.masks
    for level in (1, 2):
        masks = prune(
            PruningContext(tensors=plan.tensors, weights=context.weights, masks=masks),
            strategy=plan.strategy, scope=plan.config.pruning.scope,
            rates=rates_of(plan.config.pruning),
        )  # fmt: skip
        kept = sum(int(mask.sum()) for mask in masks.values())
        assert plan.sparsity_at(level) == pytest.approx(1 - kept / sum(HAND.values()))
    assert plan.sparsity_at(0) == 0


def test_rates_by_kind_of_layer_are_counted_by_hand(small):
    plan = planned(small, fraction=0.5, scope="layer", conv_fraction=0.1, dense_fraction=0.4)
    kept = (144 - 14) + (3456 - 345) + (2304 - 921) + (240 - 96)
    assert plan.sparsity_at(1) == pytest.approx(1 - kept / 6144)
    assert plan.sparsity_at(1) != pytest.approx(0.5, abs=0.1)


def test_filters_ranked_over_all_layers_have_no_target(small):
    plan = planned(small, fraction=0.5, strategy="filter-l1", scope="global")
    assert plan.sparsity_at(1) is None


@pytest.mark.parametrize(
    ("scored", "declared", "early"),
    [("auto", "trained", False), ("auto", "rewound", True), ("trained", "rewound", False),
     ("rewound", "trained", True)],
)  # fmt: skip
def test_a_strategy_says_itself_which_state_it_scores(monkeypatch, scored, declared, early):
    """The configuration decides; at `auto` the strategy does, a plugin's as well as ours."""
    seen = {}
    monkeypatch.setattr(
        "tfprune.training.hooks.make_context", lambda trainer, **given: seen.update(given)
    )
    strategy = SimpleNamespace(name="theirs", needs=frozenset(), scored=declared)
    pruning = SimpleNamespace(scored=scored)
    plan = SimpleNamespace(strategy=strategy, config=SimpleNamespace(pruning=pruning))
    replicate = SimpleNamespace(
        plan=plan, _rewind="theta_k", trainer=None, masks={}, level=1, seed=0, initial="theta_0",
        kernels_of=lambda state: {},
    )  # fmt: skip
    Replicate._context(replicate)
    assert seen["state"] == ("theta_k" if early else None)
