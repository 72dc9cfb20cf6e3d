"""The strategies by name; each is a function in its own file that returns a `Strategy`.

Listing them imports no NumPy. A package adds its own through the entry point group
`tfprune.strategies`: name = "module:function".
"""

from __future__ import annotations

from tfprune.registry import Registry

STRATEGIES = Registry("strategy", group="tfprune.strategies")

_HERE = "tfprune.pruning.strategies"


def _add(name: str, target: str, summary: str) -> None:
    STRATEGIES.add(name, f"{_HERE}.{target}", summary)


_add("magnitude", "magnitude:magnitude", "keep the largest |w| (Han et al. 2015)")
_add("random", "random:random", "keep weights at random: the strategy to beat")
_add(
    "magnitude-increase",
    "magnitude_increase:magnitude_increase",
    "keep what grew since initialisation (Zhou et al. 2019)",
)
_add("large-final", "large_final:large_final", "magnitude by its name in Zhou et al. 2019")
_add(
    "large-init",
    "large_init:large_init",
    "keep what was large at initialisation (Zhou et al. 2019)",
)
_add("movement", "movement:movement", "keep what training moved away from zero (Sanh et al. 2020)")
_add("snip", "snip:snip", "keep the largest |w * gradient| (Lee et al. 2019)")
_add("grasp", "grasp:grasp", "keep what carries the gradient flow (Wang et al. 2020)")
_add(
    "synflow",
    "synflow:synflow",
    "keep what carries synaptic flow, no data needed (Tanaka et al. 2020)",
)
_add("taylor", "taylor:taylor", "keep the largest (w * gradient)^2 (Molchanov et al. 2019)")
_add("filter-l1", "filter_l1:filter_l1", "whole filters by L1 norm (Li et al. 2017)")
_add("filter-l2", "filter_l2:filter_l2", "whole filters by L2 norm (He et al. 2018)")
_add(
    "filter-taylor",
    "filter_taylor:filter_taylor",
    "whole filters by joint Taylor importance (Molchanov et al. 2019)",
)
_add(
    "filter-activation",
    "filter_activation:filter_activation",
    "whole filters by mean absolute activation (Molchanov et al. 2017)",
)
_add("bn-scale", "bn_scale:bn_scale", "whole filters by batch-norm scale (Liu et al. 2017)")
_add(
    "n-m", "n_m:n_m", "at most n of every m consecutive inputs, 2:4 by default (Mishra et al. 2021)"
)
_add("block", "block:block", "blocks of weights by mean |w|, 1x4 by default (Narang et al. 2017)")
