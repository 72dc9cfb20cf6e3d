"""Every fact of a level that `levels.csv` can hold, declared once: what it is and whose it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tfprune.config.words import OUTPUTS
from tfprune.pruning.papers import BARRIER_PAPER
from tfprune.report.columns import TABLES, table_of
from tfprune.results import (
    ALSO_ACCURACY,
    ALSO_POTENTIAL,
    ALSO_WORSE,
    OUTPUT_FLOOR,
    OUTPUT_SIMILARITY,
)
from tfprune.results.descriptions import QUANTITIES


@dataclass(frozen=True)
class Fact:
    """One column of facts: its name, a label, the unit, one sentence, a formula and a source.

    `images` are those on which it is measured.
    """

    name: str
    label: str
    unit: str
    sentence: str
    formula: str
    source: str
    images: str = "none: read off the weights and masks"


_CONNECTIVITY = BARRIER_PAPER
_REPAIR = "Jordan et al. 2023, REPAIR"
_BARRIER = "max of E((1 - t) a + t b) over t = 0, 0.1, ..., 1, less (E(a) + E(b)) / 2"
_UNSEEN = (
    "the seed's validation images, which neither network was trained on; the test images where "
    "none are held out"
)
_IMAGES = {
    "dense": _UNSEEN,
    "previous": _UNSEEN,
    "seed": "the test images, since each seed holds out others and trains on nearly all of the "
    "other's; nothing is chosen by them",
}
_PAIRS = {
    "dense": "the dense network and the level's",
    "previous": "the networks of the level before and of this one",
    "seed": "this level's networks of the first seed and of this one",
}


def _barrier(kind: str, of: str, recalibrated: bool) -> Fact:
    tail = "_recalibrated" if recalibrated else ""
    statistics = (
        "with batch-norm statistics recomputed along the line" if recalibrated
        else "with batch-norm statistics on the line too"
    )  # fmt: skip
    return Fact(
        name=f"barrier_{kind}_{of}{tail}",
        label=f"{kind} barrier, {of}{', recalibrated' if recalibrated else ''}",
        unit="nats" if kind == "loss" else "share of images",
        sentence=(
            f"How far the {kind} rises on the straight line between {_PAIRS[of]}, {statistics}."
        ),
        formula=_BARRIER,
        source=_REPAIR if recalibrated else _CONNECTIVITY,
        images=_IMAGES[of],
    )


FACTS: tuple[Fact, ...] = (
    Fact("parameters", "parameters", "numbers", "All variables of the network, pruned or not.",
         "count of the entries of all variables", "plain count"),
    Fact("nonzero", "nonzero parameters", "numbers", "Variables' entries that are not zero.",
         "count of entries other than 0", "plain count"),
    Fact("flops_dense", "operations, dense", "operations per image",
         "Multiplications and additions of one image through the unpruned layers.",
         "2 x positions x kernel weights, summed over layers", "multiply and add counted apart"),
    Fact("flops_sparse", "operations, sparse", "operations per image",
         "The same for the weights that are left: what hardware that skips zeros would do.",
         "2 x positions x surviving kernel weights, summed over layers",
         "multiply and add counted apart"),
    Fact("gzip_bytes", "compressed size", "bytes",
         "The stripped network's variables, compressed by gzip at its fastest.",
         "length of gzip(variables, level 1)", "Han et al. 2016, Deep compression (in its spirit)"),
    Fact("dead_filters", "dead filters", "filters",
         "Prunable filters and neurons that pruning left without any incoming weight.",
         "count of output channels whose mask is 0 everywhere", "plain count"),
    Fact("effective_sparsity", "effective sparsity", "share of prunable weights",
         "Weights that are pruned or on no path from input to output.",
         "1 - weights on some path of survivors / prunable weights",
         "Vysogorets and Kempe 2023, Connectivity matters"),
    Fact("sign_agreement", "sign agreement", "share of survivors",
         "Surviving weights with the sign that they had in the state they were set back to.",
         "mean of [sign(w) = sign(w of the rewind state)] over survivors",
         "Zhou et al. 2019, Deconstructing lottery tickets"),
    Fact("jaccard", "mask overlap with earlier seeds", "share",
         "Weights that both masks keep, of those that either keeps; mean over the earlier seeds.",
         "|A and B| / |A or B|", "Jaccard 1901"),
    Fact("jaccard_chance", "mask overlap by chance", "share",
         "The same for two random masks that keep as many weights in every layer.",
         "expected |A and B| / expected |A or B|, by layer counts", "see pruning.overlap"),
    *(_barrier(kind, of, recalibrated) for of in _PAIRS for recalibrated in (False, True)
      for kind in ("loss", "error")),
    *(
        Fact(f"instability_{kind}{tail}", f"instability, {kind}{', recalibrated' if tail else ''}",
             "nats" if kind == "loss" else "share of images",
             f"How far the {kind} rises on the straight line between the level's network and one "
             "trained from the same rewind state in another order of the images"
             + (", with batch-norm statistics recomputed along the line." if tail else "."),
             _BARRIER, _REPAIR if tail else _CONNECTIVITY, _UNSEEN)
        for tail in ("", "_recalibrated") for kind in ("loss", "error")
    ),
    Fact("js_divergence", "divergence of probabilities", "nats",
         "How far the level's class probabilities are from the dense network's: 0 where they are "
         "equal, 0.69 at most. Unlike changed answers it sees a confidence that changed.",
         "mean over images of (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2",
         "Lin 1991, Divergence measures based on the Shannon entropy", "the test images"),
    Fact("kappa", "agreement beyond chance", "at most 1",
         "How often the level and the dense network agree, beyond what the frequencies of their "
         "predictions give; absent where both always predict the same class.",
         "(agreement - chance) / (1 - chance)",
         "Cohen 1960, A coefficient of agreement for nominal scales", "the test images"),
    Fact("forgotten", "forgotten images", "share of images",
         "Images that most pruned networks of the level classify differently from most dense ones; "
         "in the last seed's row, from three seeds on.",
         "images whose modal prediction over pruned networks is not that over dense ones / images",
         "Hooker et al. 2019, What do compressed deep neural networks forget? (PIEs)",
         "the test images"),
    Fact("forgotten_by_chance", "forgotten by chance", "share of images",
         "The same between two halves of the dense networks, which differ in nothing but the seed. "
         "Halves are smaller, so it tends to be too high; with three seeds they are single "
         "networks.",
         "mean over pairs of disjoint halves", "all pairs of halves up to 10 seeds",
         "the test images"),
    Fact("forgotten_p", "p of as many forgotten", "probability",
         "Probability that the predictions of dense and pruned networks differ as much if pruning "
         "changes nothing; with n seeds at least 2 / 2^n.",
         "exchanges of the two networks of seeds with at least the energy statistic / exchanges",
         "Szekely and Rizzo 2013, Energy statistics",
         "the test images"),
    Fact("accuracy_dense_forgotten", "dense accuracy, forgotten", "share of images",
         "Accuracy of the dense networks on the forgotten images; low if these are the hard ones.",
         "mean over seeds of images classified correctly / images",
         "Hooker et al. 2019, What do compressed deep neural networks forget?",
         "the forgotten test images"),
    Fact("accuracy_dense_others", "dense accuracy, others", "share of images",
         "The same on all other test images.",
         "mean over seeds of images classified correctly / images",
         "Hooker et al. 2019, What do compressed deep neural networks forget?",
         "the other test images"),
    Fact("balanced_accuracy", "balanced accuracy", "share of images",
         "Test accuracy where every class has the same weight; only where classes are uneven.",
         "mean over classes of the share of a class's images classified correctly",
         "Brodersen et al. 2010, The balanced accuracy and its posterior distribution",
         "the test images"),
    Fact("accuracy_top5", "top-5 accuracy", "share of images",
         "Test images whose class is among the network's first five answers; only with more than "
         "20 classes. Of equal outputs the class with the lower index comes first.",
         "images with rank of the label at most 5 / images",
         "Russakovsky et al. 2015, ImageNet large scale visual recognition challenge",
         "the test images"),
    Fact("balanced_chance", "balanced accuracy by chance", "share of images",
         "The balanced accuracy of always naming one class; only where classes are uneven.",
         "1 / classes that have test images", "plain count", "the test images"),
    Fact("retrained_accuracy", "accuracy, trained again", "share of images",
         "Test accuracy of the dense network trained again in another order (control same-init); "
         "of the dense level only. One that failed to train is no floor.",
         "images classified correctly / images", "plain count", "the test images"),
    Fact("retrained_balanced_accuracy", "balanced accuracy, trained again", "share of images",
         "The same where every class has the same weight; only where classes are uneven.",
         "mean over classes of the share of a class's images classified correctly",
         "Brodersen et al. 2010, The balanced accuracy and its posterior distribution",
         "the test images"),
    Fact("curvature_distance", "distance in curvature", "1 / activation^2",
         "How far the level's mean sectional curvature over depth lies from the dense network's "
         "(`--describe curvature`), over the layers that have a value in both; empty where one has "
         "it in only one of the two.",
         "root of the sum over layers of (level - dense)^2",
         "Yu et al. 2018 (the comparison), Kaufman and Azencot 2023 (the curvature)",
         "the probe set's first 20 images"),
    Fact("curvature_steps_distance", "distance in curvature, equal steps", "1 / activation^2",
         "The same with equal steps (`--describe curvature-steps`), which has a value for layers "
         "of many dimensions, too.",
         "root of the sum over layers of (level - dense)^2",
         "Yu et al. 2018 (the comparison), after Kaufman and Azencot 2023 (the curvature)",
         "the probe set's first 20 images"),
    Fact("majority_share", "largest class", "share of images",
         "Test images of the largest class: the accuracy of always naming it.",
         "images of the largest class / images", "plain count", "the test images"),
    Fact("test_images", "test images", "images",
         "Images on which accuracies are measured: what they can be told from depends on it.",
         "count", "plain count", "the test images"),
)  # fmt: skip

# of every further test set; in the name of a fact the set's own stands behind a slash
SHIFT_FACTS: tuple[Fact, ...] = (
    Fact(ALSO_ACCURACY, "accuracy on SET", "share of images",
         "Images of a further test set (`--also-test`) that are classified correctly.",
         "images classified correctly / images", "Liebenwein et al. 2021, Lost in pruning",
         "the further test set"),
    Fact(ALSO_WORSE, "p of no loss on SET", "probability",
         "How likely so many more mistakes than the dense network's are if neither is better.",
         "P(X >= lost), X ~ Binomial(lost + won, 1/2), over images that just one of them "
         "classifies correctly",
         "McNemar 1947, exact and one-sided", "the further test set, or the test images"),
    Fact(ALSO_POTENTIAL, "prune potential on SET", "share of prunable weights",
         "The largest sparsity so far at which p_worse is at least 0.05. Each level is tested by "
         "itself, at 5%.",
         "max of sparsity over levels with p_worse >= 0.05",
         "Liebenwein et al. 2021, Lost in pruning, with a test in place of a margin",
         "the further test set, or the test images"),
)  # fmt: skip

# of every measure (`--also-compare`); in the name of a fact the measure stands behind a slash
OUTPUT_FACTS: tuple[Fact, ...] = tuple(
    Fact(form.format(name), f"{label.format(name)} by MEASURE", "the measure's own", sentence,
         f"the measure of two (images x classes) matrices, the {name}", "see `tfprune measures`",
         "the test images")
    for name in OUTPUTS
    for form, label, sentence in (
        (OUTPUT_SIMILARITY, "similarity of {}",
         f"Similarity of the dense network's {name} and the level's, compared like a layer; "
         "not included in means over layers."),
        (OUTPUT_FLOOR, "similarity of {}, other seeds",
         f"The same for the {name} of two seeds' dense networks, mean over the earlier seeds: "
         "similarity without any common pruning; on the dense level's rows."),
    )
)  # fmt: skip

# what the part behind the slash is -> the facts that have one
_SLASHED = {"SET": SHIFT_FACTS, "MEASURE": OUTPUT_FACTS}
_BY_NAME = {fact.name: fact for fact in FACTS}


def fact_named(name: str) -> Fact:
    """Return a fact; one that is not declared (of a run of another version) names itself."""
    kind, _, of = name.partition("/")
    for what, facts in _SLASHED.items():
        for fact in facts:
            if fact.name == kind and of:
                return replace(fact, name=name, label=fact.label.replace(what, of))
    return _BY_NAME.get(name) or Fact(name, name.replace("_", " "), "", "", "", "")


def markdown() -> str:
    """Return the page on which every column and every fact is defined."""
    parts = [
        "# Columns and facts",
        "The contents of a run's tables. First the columns that every run's tables have, then the "
        "facts of a level: further columns of `levels.csv`, metrics `facts/...` in MLflow, and a "
        "table of the report.",
    ]
    parts += [f"## {name}\n\n{table_of(columns)}" for name, columns in TABLES.items()]
    parts += [
        "`levels.csv` ends with a column `sparsity/LAYER` for every layer that is pruned: the "
        "share of its weights that are zero.",
        "## Quantities of a layer",
        "What `--describe` asks for: rows of `descriptions.csv`, metrics `profile/QUANTITY` in "
        "MLflow (whose step is the layer's index), and charts of the report.",
        "\n".join(
            [
                "| quantity | `--describe` | unit | meaning | source |",
                "|---|---|---|---|---|",
                *(
                    f"| `{one.name}` | `{one.kind}` | {one.unit} | {one.sentence} | {one.paper} |"
                    for one in QUANTITIES
                ),
            ]
        ),
        "## Facts of a level",
        "Each is of one level of one seed; the report shows means over seeds.",
    ]
    parts += [
        f"### {fact.name}\n\n{fact.sentence}\n\n| | |\n|---|---|\n| called | {fact.label} |\n"
        f"| unit | {fact.unit} |\n| formula | {fact.formula.replace('|', chr(92) + '|')} |\n"
        f"| measured on | {fact.images} |\n| source | {fact.source} |"
        for fact in (
            *FACTS,
            *(
                replace(fact, name=f"{fact.name}/{what}")
                for what, facts in _SLASHED.items()
                for fact in facts
            ),
        )
    ]
    return "\n\n".join(parts) + "\n"
