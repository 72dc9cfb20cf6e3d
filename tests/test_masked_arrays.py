"""A masked array is refused wherever numbers come in, in the same words."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune import similarity
from tfprune.data.dataset import Examples, Source, check_source
from tfprune.errors import InputError
from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.strategy import PruningContext

WORDS = (
    " is a masked array (1 of 60 values masked), and its mask would be ignored. Leave out the "
    "rows that hold masked values, or fill them with .filled(value)."
)


def masked(shape=(20, 3)):
    values = np.ma.masked_array(np.random.default_rng(0).normal(size=shape))
    values.mask = np.arange(values.size).reshape(shape) == 0
    return values


@pytest.mark.parametrize("function", ["mean_cca", "svcca", "pwcca", "linear_cka"])
def test_similarity_functions(function):
    measure, plain = getattr(similarity, function), masked().filled(0.0)
    for name, pair in {"x": (masked(), plain), "y": (plain, masked())}.items():
        with pytest.raises(InputError) as caught:
            measure(*pair)
        assert str(caught.value) == f"{function}: {name}{WORDS}"
    assert 0 <= measure(plain, plain) <= 1 + 1e-12


def test_a_mask_without_a_masked_value_is_refused_too():
    values = np.ma.masked_array(np.ones((20, 3)))
    with pytest.raises(InputError, match=r"is a masked array \(0 of 60 values masked\)"):
        similarity.linear_cka(values, values)


def test_a_comparison_of_layers():
    comparison = similarity.Comparison(pairs=[("a", "a")], measures=["cka"], layout="mean")
    with pytest.raises(InputError) as caught:
        comparison.update({"a": masked()}, {"a": masked()})
    assert str(caught.value) == f"layer 'a'{WORDS}"


@pytest.mark.parametrize("what", ["weights", "masks"])
def test_pruning(what):
    tensor = PrunableTensor(name="d", kind="dense", shape=(20, 3), is_output=False)
    arrays = {"weights": {"d": np.ones((20, 3))}, "masks": {"d": np.ones((20, 3), bool)}}
    arrays[what] = {"d": np.ma.masked_array(arrays[what]["d"], np.arange(60).reshape(20, 3) == 0)}
    with pytest.raises(InputError) as caught:
        PruningContext(tensors=(tensor,), **arrays)
    assert str(caught.value) == f"{what} of 'd'{WORDS}"


def test_data_sets():
    images = masked((15, 2, 2, 1))
    good = Examples(images.filled(0.0), np.arange(15) % 2, np.arange(15))
    bad = Examples(images, np.arange(15) % 2, np.arange(15))
    with pytest.raises(InputError) as caught:
        check_source("mine", Source(good, bad, ("a", "b"), {}))
    assert str(caught.value) == f"the images of the test split of 'mine'{WORDS}"
