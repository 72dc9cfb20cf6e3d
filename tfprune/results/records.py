"""What an experiment finds: one record per level, per compared layer, and so on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DENSE = "dense"  # the network a level is compared with: its own dense network
SEED_FLOOR = "seed"  # ... or, for a floor, the dense network of another seed
SAME_INIT = "same-init"  # ... or of this seed, trained again from its start in another order

# facts of a level on each of the further test sets: what stands before the slash and the set's name
ALSO_ACCURACY, ALSO_WORSE, ALSO_POTENTIAL = "accuracy_on", "p_worse", "prune_potential"

# facts of what a level's network puts out: before the slash and the measure's name, of two seeds'
# dense networks the second; {} stands for one of `config.words.OUTPUTS`
OUTPUT_SIMILARITY, OUTPUT_FLOOR = "similarity_{}", "floor_{}"

#: facts of a level that count something; their records hold floats, their tables whole numbers
COUNTS = frozenset(
    ("parameters", "nonzero", "flops_dense", "flops_sparse", "gzip_bytes", "dead_filters",
     "test_images")
)  # fmt: skip


@dataclass(frozen=True)
class LevelResult:
    """One level of one replicate. Accuracies and sparsities lie in [0, 1], losses are means."""

    seed: int
    level: int
    sparsity: float
    n_weights: int
    n_kept: int
    accuracy_validation: float | None
    accuracy_test: float
    loss_validation: float | None
    loss_test: float
    flips: float  # share of test examples answered differently than by the dense network
    facts: Mapping[str, float] = field(default_factory=dict)  # see experiment.facts
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlResult:
    """One control of one level: a sibling of the ticket at the same sparsity.

    In every layer too, but for random-mask. `similarity` maps measure -> layer -> similarity with
    the dense network; `dense_share` (of the CCA family), `rank_a` and `rank_b` do so of what
    `SimilarityResult` has by these names, and are empty in runs of before they were kept.
    `layer_sparsity` is empty in runs whose random masks were drawn within layers.
    """

    control: str
    seed: int
    level: int
    sparsity: float
    accuracy_validation: float | None
    accuracy_test: float
    loss_test: float
    similarity: Mapping[str, Mapping[str, float]]
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)
    dense_share: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rank_a: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rank_b: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class OverlapResult:
    """The masks of two seeds at one level: Jaccard overlap of the surviving weights, in [0, 1].

    `seed_a` came before `seed_b`. `chance` is what two random masks of the same per-layer counts
    come to (see pruning.overlap). `layer_jaccard`, `layer_chance`: the same of each layer alone;
    NaN where both keep nothing of it.
    """

    seed_a: int
    seed_b: int
    level: int
    jaccard: float
    chance: float
    layer_jaccard: Mapping[str, float] = field(default_factory=dict)
    layer_chance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassResult:
    """One pruned level's test answers class by class, beside its seed's dense network.

    Each field but the first two has an entry per class, in the order of the labels: the test
    images of the class, those that the dense network gets right, those of them that the level
    gets wrong (`lost`), and those that only the level gets right (`won`).
    """

    seed: int
    level: int
    images: Sequence[int]
    right: Sequence[int]
    lost: Sequence[int]
    won: Sequence[int]


@dataclass(frozen=True)
class ForgottenImage:
    """A test image that most networks of a pruned level classify differently from most dense ones.

    `index` is its place in the test set; `label`, `dense` and `pruned` are class indices: the right
    one, and the answer of most networks; the shares say how many of them give it.
    """

    level: int
    index: int
    label: int
    dense: int
    pruned: int
    dense_share: float
    pruned_share: float


@dataclass(frozen=True)
class EpochResult:
    """One epoch of one level: mean losses per example, accuracies in [0, 1]."""

    seed: int
    level: int
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float


@dataclass(frozen=True)
class SimilarityResult:
    """One hidden layer of one level against the dense network, by one measure.

    `against` is 'dense' or, for a floor at level 0, 'seed' (the dense network of `against_seed`,
    an earlier one) or 'same-init' (the dense network trained again from the same initialisation in
    another order of the images, as side b). Side a is the dense network, side b the level's. `low`
    and `high` bound the interval over images; `null` is what unrelated representations of this
    size would show, `null_high` the most of those tried, and `null_p` how probable it is that they
    come as near. Channels are counted once: `dead` are 0 for every input of the probe set,
    `constant` another value, `masked` lost all incoming weights to pruning; `duplicate` channels
    repeat another up to shift and scale.

    `similarity` is the measure's own value: of the CCA family the mean over the directions that
    are left. `dense_share`, of the CCA family, is similarity * min(rank_a, rank_b) / rank_a, in
    [0, 1] (of CCA and SVCCA that is sum(rho) / rank_a): how much of the dense layer's directions
    is left, which is what the answer, the tables of levels and the figures show. `corrected` is
    the similarity less its estimated `bias`; empty where there is no interval.
    """

    seed: int
    level: int
    layer_index: int
    layer: str
    measure: str
    similarity: float
    low: float | None
    high: float | None
    null: float | None
    n_samples: int
    n_images: int
    width: int
    rank_a: int
    rank_b: int
    live: float | None
    nominal: float | None
    dead_a: int
    dead_b: int
    constant_a: int
    constant_b: int
    masked_a: int
    masked_b: int
    duplicate_a: int
    duplicate_b: int
    layout: str
    against: str
    warnings: str
    dense_share: float | None = None
    corrected: float | None = None
    bias: float | None = None
    against_seed: int | None = None
    null_high: float | None = None
    null_p: float | None = None

    @property
    def share(self) -> float | None:
        """The share of the dense layer's directions that is left, in [0, 1].

        What the answer, the tables of levels and the figures show of the CCA family; 0 where
        nothing is left of the layer, None for other measures and where it isn't known.
        """
        if self.dense_share is None or math.isfinite(self.similarity):
            # not dense_share itself, which earlier versions took of PWCCA without its weights
            return None if self.dense_share is None else self.similarity * self.share_factor
        return 0.0 if self.dense_share == 0 else math.nan

    @property
    def share_factor(self) -> float:
        """What makes a mean over the directions left a share of the dense layer's."""
        return min(self.rank_a, self.rank_b) / self.rank_a
