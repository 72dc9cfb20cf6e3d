"""The names of the similarity measures; imports no numpy, so `tfprune --help` stays instant."""

from __future__ import annotations

from tfprune.registry import Registry

MEASURES = Registry("measure", group="tfprune.measures")

_HERE = "tfprune.similarity.measures"

for _name, _module, _summary in (
    ("cca", "cca", "mean canonical correlation over the live directions"),
    (
        "svcca",
        "svcca",
        "mean canonical correlation of the directions that hold 99% of the variance",
    ),
    ("pwcca", "pwcca", "canonical correlations weighted by how much of x each one carries"),
    ("pwcca-symmetric", "pwcca_symmetric", "mean of the two one-sided PWCCAs"),
    ("cka", "cka", "linear centred kernel alignment"),
    (
        "cka-debiased",
        "cka_debiased",
        "linear CKA with the unbiased HSIC; about 0 for independent data",
    ),
    ("cka-rbf", "cka_rbf", "CKA with a Gaussian kernel, on a bounded sample of data points"),
    (
        "cka-minibatch",
        "cka_minibatch",
        "linear CKA from the unbiased HSIC averaged over minibatches",
    ),
    ("procrustes", "procrustes", "similarity after the best rotation, from 0 to 1"),
    (
        "procrustes-distance",
        "procrustes_distance",
        "angle that the best rotation leaves, in radians",
    ),
    ("linear-regression", "linear_regression", "share of x's variance that is linear in y (R2)"),
    ("rsa", "rsa", "rank correlation of the two dissimilarity matrices, on a bounded sample"),
    ("maximum-match", "maximum_match", "share of neurons in the maximum match of Wang et al."),
    (
        "simple-match",
        "simple_match",
        "how small the simple matches of Wang et al. are: 1 when neuron for neuron",
    ),
):
    MEASURES.add(_name, f"{_HERE}.{_module}:MEASURE", _summary)

MEASURES.alias("nbs", "procrustes")
