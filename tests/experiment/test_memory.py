"""How --memory is shared, and what is said where it can't be kept to."""

from __future__ import annotations

import re

from tfprune.activations.layers import HiddenLayer
from tfprune.config import ComparisonConfig
from tfprune.experiment.memory import note_on_memory


def notes(*shapes, n=500, **settings):
    hidden = [HiddenLayer(k, f"layer{k}", shape) for k, shape in enumerate(shapes)]
    return note_on_memory(ComparisonConfig(**settings), hidden, {one.name: n for one in hidden})


def test_usual_networks_fit_the_default():
    vgg = [(32, 32, 64)] * 2 + [(16, 16, 128)] * 2 + [(8, 8, 256)] * 4 + [(4, 4, 512)] * 8
    assert notes(*vgg, n=10_000) == ()


def test_layers_whose_moments_alone_take_more_are_named_with_the_least_that_is_kept_to():
    (note,) = notes((8, 8, 64), (7, 7, 2048), memory=0.5)
    assert note == (
        "--memory 0.5 can't be kept to: comparing the layers takes up to 1.8 GiB, for their "
        "moments alone (the widest is 'layer1', of 2,048 columns). They are compared all the "
        "same; --memory 1.8 is the least that is kept to."
    )
    enough = re.search(r"--memory (\S+) is the least", note)
    assert notes((8, 8, 64), (7, 7, 2048), memory=float(enough[1])) == ()


def test_a_flattened_layer_counts_by_its_images_where_measures_allow_it():
    """Gram coordinates are as many as images; matches need the features themselves."""
    assert notes((32, 32, 16), layout="flatten", measures=("cka",), memory=1) == ()
    (note,) = notes((32, 32, 16), layout="flatten", measures=("maximum-match",), memory=1)
    assert "of 16,384 columns" in note
