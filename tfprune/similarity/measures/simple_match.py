"""How fine the matches between two layers' neurons are (Wang et al. 2018)."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair
from tfprune.similarity.subspaces import Neurons, minimum_match, places


def fineness(pair: Pair, *, epsilon: float, neurons: int) -> float:
    """Return the mean over x's live neurons of 2 / (size of a simple match with it), in [0, 1].

    1 when each neuron has a counterpart of its own; small when neurons match only as members of
    large groups; a neuron in no match counts 0. Of more than `neurons`, so many are looked at, each
    costing O(d) maximum matches: evenly spread in an order that depends on how neurons stand to
    one another, not on how channels are numbered.
    """
    pair.check_live()
    cosines = Neurons.of(pair)
    n_neurons = len(cosines.xx)
    ordered = np.argsort(np.round(places(cosines)[0], 7), kind="stable")
    spread = np.linspace(0, n_neurons - 1, min(neurons, n_neurons)).astype(int)
    chosen = ordered[np.unique(spread)]
    shares = []
    for neuron in chosen:
        kept_x, kept_y = minimum_match(cosines, epsilon, int(neuron))
        size = int(kept_x.sum() + kept_y.sum())
        shares.append(2.0 / size if size else 0.0)
    return float(np.mean(shares))


MEASURE = Measure(
    name="simple-match",
    summary="how small the simple matches of Wang et al. are: 1 when neuron for neuron",
    compute=fineness,
    value_range=(0.0, 1.0),
    paper="Wang et al. 2018, Algorithm 2",
    definition="mean over side a's live neurons of 2 / size of a simple match that holds it, 0 "
    "where there is none, activations not centred",
    is_symmetric=False,
    invariances=frozenset({"scaling", "permutation"}),
    samples="n > max(d1, d2)",
    is_basis_free=False,
    is_costly=True,
    options={"epsilon": 0.25, "neurons": 16},
)
