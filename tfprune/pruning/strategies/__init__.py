"""The strategies by name; each is a function that returns a `Strategy`.

Listing them imports no NumPy. A package adds its own through the entry point group
`tfprune.strategies`: name = "module:function".
"""

from __future__ import annotations

from tfprune.registry import Registry

STRATEGIES = Registry("strategy", group="tfprune.strategies")

#: by the file in which the function of that name (with _ for -) stands
_SUMMARIES = {
    "weights": {
        "magnitude": "keep the largest |w| (Han et al. 2015)",
        "random": "keep random weights: the baseline",
        "magnitude-increase": "keep what grew most since initialisation (Zhou et al. 2019)",
        "large-final": "magnitude, under its name in Zhou et al. 2019",
        "large-init": "keep what was largest at initialisation (Zhou et al. 2019)",
        "movement": "keep what training moved away from zero (Sanh et al. 2020)",
    },
    "gradients": {
        "snip": "keep the largest |w * gradient| (Lee et al. 2019)",
        "grasp": "keep what preserves the gradient flow (Wang et al. 2020)",
        "synflow": "keep what carries the synaptic flow; needs no data (Tanaka et al. 2020)",
        "taylor": "keep the largest (w * gradient)^2 (Molchanov et al. 2019)",
    },
    "filters": {
        "filter-l1": "whole filters by L1 norm (Li et al. 2017)",
        "filter-l2": "whole filters by L2 norm (He et al. 2018)",
        "filter-taylor": "whole filters by joint Taylor importance (Molchanov et al. 2019)",
        "filter-activation": "whole filters by mean absolute activation (Molchanov et al. 2017)",
        "bn-scale": "whole filters by batch-norm scale (Liu et al. 2017)",
    },
    "patterns": {
        "n-m": "at most n of every m consecutive inputs, 2:4 by default (Mishra et al. 2021)",
        "block": "blocks of weights by mean |w|, 1x4 by default (Narang et al. 2017)",
    },
}

for _file, _strategies in _SUMMARIES.items():
    for _name, _summary in _strategies.items():
        STRATEGIES.add(_name, f"{__name__}.{_file}:{_name.replace('-', '_')}", _summary)
