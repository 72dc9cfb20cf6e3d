"""The geometry of one layer's activations: intrinsic dimension and curvature, in NumPy."""

from tfprune.geometry.dimension import Dimension, levina_bickel, two_nn
from tfprune.geometry.images import image_neighbours, left_out
from tfprune.geometry.steps import Stepped, step_sizes, stepped_curvature, stepped_neighbours
from tfprune.geometry.surface import Curvature, curvature

__all__ = [
    "Curvature",
    "Dimension",
    "Stepped",
    "curvature",
    "image_neighbours",
    "left_out",
    "levina_bickel",
    "step_sizes",
    "stepped_curvature",
    "stepped_neighbours",
    "two_nn",
]
