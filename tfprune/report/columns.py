"""Every fixed column of a run's tables, declared once: what it is and in what unit."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a table: its name, the unit and one or two sentences."""

    name: str
    unit: str
    sentence: str


_SEED = Column("seed", "", "Which replicate: the seed of its initialisation.")
_LEVEL = Column("level", "", "Number of prunings so far; 0 is the dense network.")
_SPARSITY = Column("sparsity", "share of prunable weights",
                   "Weights that are zero, of the kernels that are pruned; biases and batch norm "
                   "are not counted.")  # fmt: skip
_VALIDATION = Column("accuracy_validation", "share of images",
                     "Validation images classified correctly; empty where none are held "
                     "out.")  # fmt: skip
_TEST = Column("accuracy_test", "share of images", "Test images classified correctly.")
_TEST_LOSS = Column("loss_test", "nats", "Mean cross-entropy over the test images.")
_LAYER = Column("layer", "", "The layer's name.")
_MEASURE = Column("measure", "", "As `tfprune measures` lists it.")


def _both(name: str, unit: str, sentence: str) -> tuple[Column, Column]:
    """Return the column of the dense layer (a) and that of the level's (b)."""
    return tuple(  # type: ignore[return-value]
        Column(f"{name}_{side}", unit, f"{sentence} {whose}")
        for side, whose in (("a", "Of the dense network."), ("b", "Of the level's network."))
    )


_RANKS = _both("rank", "directions", "Independent directions that enter the measure.")
_SHARE = Column("dense_share", "share",
                "CCA family: similarity times min(rank_a, rank_b) / rank_a (of CCA and SVCCA the "
                "sum of correlations over rank_a), how much of the dense layer's directions is "
                "left; the answer speaks of this one.")  # fmt: skip

LEVELS: tuple[Column, ...] = (
    _SEED, _LEVEL, _SPARSITY,
    Column("n_weights", "weights", "Prunable weights of the network."),
    Column("n_kept", "weights", "Those that are left; sparsity is 1 - n_kept / n_weights."),
    _VALIDATION, _TEST,
    Column("loss_validation", "nats",
           "Mean cross-entropy over the validation images; empty where none are held out."),
    _TEST_LOSS,
    Column("flips", "share of images",
           "Test images that the level's network classifies differently from its seed's dense "
           "network, correctly or not."),
)  # fmt: skip

SIMILARITY: tuple[Column, ...] = (
    _SEED, _LEVEL,
    Column("layer_index", "", "The layer's place in the network, 0 next to the input."),
    _LAYER, _MEASURE,
    Column("similarity", "the measure's own",
           "The measure's number for the dense network's layer and the level's, on the probe set."),
    Column("low", "the measure's own",
           "Lower end of the 95% interval over images; empty at level 0, with `--bootstrap 0`, and "
           "where `warnings` says why there is none."),
    Column("high", "the measure's own", "Its upper end."),
    Column("null", "the measure's own",
           "What unrelated layers of these sizes would show: the mean over random pairings of "
           "images, or a closed form; empty at level 0, where the dense network is compared with "
           "itself."),
    Column("n_samples", "data points", "Rows that were compared: pixels in layout `pixels`."),
    Column("n_images", "images", "Images of the probe set on which the layer was compared."),
    Column("width", "channels", "Channels of the layer."),
    *_RANKS,
    Column("live", "share", "CCA family: the sum of correlations over min(rank_a, rank_b)."),
    Column("nominal", "share", "CCA family: the sum of correlations over the smaller full width."),
    *_both("dead", "channels", "Channels that are 0 for every image of the probe set."),
    *_both("constant", "channels", "Channels of one other value for every image."),
    *_both("masked", "channels", "Channels that lost all incoming weights to pruning."),
    *_both("duplicate", "channels", "Channels that repeat an earlier one up to shift and scale."),
    Column("layout", "",
           "What a data point is: `pixels` (a position of a map), `flatten` or `mean` (an image)."),
    Column("against", "",
           "Side a: `dense`, the seed's own dense network; or for floors, at level 0, `seed` (that "
           "of another seed) or `same-init` (side b is then the dense network trained again in "
           "another order)."),
    Column("warnings", "", "Caveats about the number, separated by `; `."),
    _SHARE,
    Column("corrected", "the measure's own",
           "similarity - bias, around which the interval lies; empty without an interval."),
    Column("bias", "the measure's own",
           "How far few images raise the number, as estimated from parts of them."),
    Column("against_seed", "", "Whose dense network side a is, where it is another seed's."),
    Column("null_high", "the measure's own",
           "The random pairing that came nearest to related layers; empty for a closed form."),
    Column("null_p", "probability",
           "Probability that unrelated layers come as close as `similarity`: one-sided, of "
           "this layer alone; empty without random pairings."),
)  # fmt: skip

CONTROLS: tuple[Column, ...] = (
    Column("control", "", "Which sibling of the ticket, at the ticket's sparsity."),
    _SEED, _LEVEL, _SPARSITY, _VALIDATION, _TEST, _TEST_LOSS, _MEASURE, _LAYER,
    Column("similarity", "the measure's own", "The control's layer with the dense network's."),
    Column("layer_sparsity", "share of the layer's prunable weights",
           "Weights of the layer that the control set to zero; empty where it has none to prune."),
    _SHARE, *_RANKS,
)  # fmt: skip

MASK_OVERLAP: tuple[Column, ...] = (
    Column("seed_a", "", "The earlier of the two replicates."),
    Column("seed_b", "", "The later one."),
    _LEVEL,
    Column("jaccard", "share",
           "Weights that both masks keep, of those that either keeps. `jaccard/LAYER` is that of "
           "one layer."),
    Column("chance", "share",
           "The same for random masks with as many weights in every layer; `chance/LAYER` of one."),
)  # fmt: skip

CLASSES: tuple[Column, ...] = (
    _SEED, _LEVEL,
    Column("class", "", "The class's index."),
    Column("name", "", "Its name."),
    Column("n_images", "images", "Test images of the class."),
    Column("accuracy_dense", "share of images", "Those that the seed's dense network classifies "
                                                "correctly."),
    Column("accuracy_test", "share of images", "Those that the level's network classifies "
                                               "correctly."),
    Column("change", "share of images", "`accuracy_test` less `accuracy_dense`."),
    Column("low", "share of images",
           "Lower end of the change's 95% interval over images (Newcombe 1998, method 10)."),
    Column("high", "share of images", "Its upper end."),
    Column("p_holm", "probability",
           "McNemar's exact test of no change, two-sided, with Holm's correction over the classes "
           "of the level."),
)  # fmt: skip

FORGOTTEN: tuple[Column, ...] = (
    _LEVEL,
    Column("index", "", "The image's place in the test set."),
    Column("label", "", "Its class."),
    Column("dense", "", "The prediction of most seeds' dense networks; on ties, the lowest class."),
    Column("pruned", "", "The prediction of most seeds' networks of this level."),
    Column("dense_share", "share of seeds", "Dense networks that predict `dense`."),
    Column("pruned_share", "share of seeds", "Pruned networks that predict `pruned`."),
    Column("label_name", "", "The name of the class `label`."),
    Column("dense_name", "", "The name of the class `dense`."),
    Column("pruned_name", "", "The name of the class `pruned`."),
)  # fmt: skip

DESCRIPTIONS: tuple[Column, ...] = (
    _SEED, _LEVEL,
    Column("layer_index", "", "The layer's place in the network, 0 next to the input."),
    _LAYER,
    Column("quantity", "", "What was found out about the layer: see the quantities below."),
    Column("value", "the quantity's own", "Its value; empty where `warnings` says why."),
    Column("low", "the quantity's own",
           "Lower end of the 95% interval over images; empty for quantities without one."),
    Column("high", "the quantity's own", "Its upper end."),
    Column("n_images", "images", "Images of the probe set on which the layer was read."),
    Column("warnings", "", "Caveats about the number."),
    Column("floor", "the quantity's own",
           "Of `class-auc` and `class-selectivity`: the same with the images' classes permuted, "
           "mean over 19 permutations. Of `curvature-steps-...`: the same of the fit's "
           "residuals under random signs, mean over images. Empty for others."),
)  # fmt: skip

UNITS: tuple[Column, ...] = (
    _SEED, _LEVEL,
    Column("layer_index", "", "The layer's place in the network, 0 next to the input."),
    _LAYER,
    Column("unit", "", "The unit's place in the layer, the same at all levels."),
    Column("concept", "", "The concept with which it overlaps most; empty if with none."),
    Column("category", "", "The category that the concept is one of."),
    Column("iou", "share of pixels",
           "Pixels in both over pixels in either, of where the unit is active and where the "
           "concept is seen, over the images that carry the category."),
    Column("floor", "share of pixels",
           "The same with the images' masks permuted, mean over permutations."),
    Column("floor_best", "share of pixels",
           "The largest overlap of the unit with any concept in any permutation."),
    Column("detector", "",
           "`True` where the unit is a detector: `iou` above 0.04, and not constant."),
    Column("fate", "",
           "What became of the unit since the dense network: `kept`, `changed`, `lost`, `died`, "
           "`new` or `none`."),
    Column("dead", "", "`True` where the unit gives the same number everywhere on all images."),
    Column("active", "share of positions",
           "Positions of the unit's maps above its threshold: 0.005 or a little less, and 0 where "
           "its largest value fills more, as of a saturated unit."),
)  # fmt: skip

_OF_LEVELS = {column.name: column for column in SIMILARITY}

#: `tfprune compare` writes what a score knows of any two layers
COMPARE: tuple[Column, ...] = (
    Column("layer_index_a", "", "The place of A's layer in A, 0 next to the input."),
    Column("layer_a", "", "Its name."),
    Column("layer_index_b", "", "The place of B's layer in B."),
    Column("layer_b", "", "Its name."),
    _MEASURE,
    Column("similarity", "the measure's own", "The measure's number for the two layers."),
    Column("low", "the measure's own", "Empty: `tfprune compare` takes no intervals."),
    Column("high", "the measure's own", "Empty, as `low`."),
    Column("null", "the measure's own",
           "What unrelated layers of these sizes would show: the mean over random pairings of "
           "images, or a closed form."),
    Column("null_high", "the measure's own",
           "The random pairing that came nearest to related layers; empty for a closed form."),
    Column("null_method", "", "How the null was found."),
    *(_OF_LEVELS[name] for name in ("n_samples", "n_images")),
    Column("rank", "directions", "The smaller of rank_a and rank_b."),
    *(Column(f"rank_{side}", "directions",
             f"Independent directions of {side.upper()}'s layer that enter the measure.")
      for side in "ab"),
    *(Column(f"width_{side}", "channels", f"Channels of {side.upper()}'s layer.") for side in "ab"),
    *(_OF_LEVELS[name] for name in ("live", "nominal")),
    *(column._replace(sentence=column.sentence.replace("the dense network", "A")
                      .replace("the level's network", "B"))
      for column in SIMILARITY
      if column.name[:-2] in ("dead", "constant", "masked", "duplicate")),
    _OF_LEVELS["layout"],
    Column("dtype", "", "The precision of the activations."),
    Column("definition", "", "The measure's formula in words, with its options."),
    _OF_LEVELS["warnings"],
    Column("share_a", "share",
           "CCA family: similarity times min(rank_a, rank_b) / rank_a, how much of the directions "
           "of A's layer is found in B's."),
    Column("corrected", "the measure's own", "Empty, as `low`."),
    Column("bias", "the measure's own", "Empty, as `low`."),
    Column("null_p", "probability",
           "Probability that unrelated layers come as close as `similarity`: one-sided, of "
           "this pair alone; empty without random pairings."),
)  # fmt: skip

#: `tfprune compare --describe` writes it for both networks
COMPARE_DESCRIPTIONS: tuple[Column, ...] = (
    Column("network", "", "A or B, by its title."),
    *(column for column in DESCRIPTIONS if column.name not in ("seed", "level")),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "levels.csv": LEVELS,
    "similarity.csv": SIMILARITY,
    "controls.csv": CONTROLS,
    "mask-overlap.csv": MASK_OVERLAP,
    "classes.csv": CLASSES,
    "forgotten.csv": FORGOTTEN,
    "descriptions.csv": DESCRIPTIONS,
    "units.csv": UNITS,
    "similarity.csv of tfprune compare": COMPARE,
    "descriptions.csv of tfprune compare": COMPARE_DESCRIPTIONS,
}


def table_of(columns: tuple[Column, ...]) -> str:
    """Return the Markdown table of columns."""
    rows = [f"| `{name}` | {unit} | {sentence} |" for name, unit, sentence in columns]
    return "\n".join(["| column | unit | meaning |", "|---|---|---|", *rows])
