"""The words that settings are written in, each list once: whoever acts on them reads it from here.

Where a word needs a sentence, it stands beside it. Names that packages may add (strategies,
measures, models, data sets) are registries in their own rooms instead.
"""

from __future__ import annotations

from typing import Literal, get_args

#: how images (n, height, width, channels) become a matrix; see `similarity.arrays.as_rows`
Layout = Literal["pixels", "mean", "flatten"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

#: see `data.images.normalization`
NORMALIZATIONS = ("standard", "scale", "symmetric", "none")

SCOPES = {
    "global": "all weights ranked together, one rate",
    "layer": "each layer ranked alone, at its own rate",
    "erk": "one rate overall, densities by Erdős-Rényi-Kernel (Evci et al. 2020)",
    "uniform": "one rate overall, every layer brought to the same density",
}

#: which weights a strategy ranks: those of the level's end, or those that training goes back to
Scored = Literal["trained", "rewound"]
SCORED: tuple[Scored, ...] = get_args(Scored)

#: siblings of a ticket at its sparsity, and of the dense network (same-init)
CONTROLS = ("random-mask", "shuffled-mask", "reinitialised", "sparse-scratch", "same-init")

PRECISIONS = {
    "float32": "every number in 32 bits",
    "bfloat16": "training steps compute in bfloat16, weights and all else stay in float32",
    "float16": "training steps compute in float16 with dynamic loss scaling, all else in float32",
}

#: forms in which a network leaves -> how the file's name ends
EXPORT_FORMATS = {
    "keras": ".keras", "keras3": ".keras", "tf_keras": ".keras", "h5": ".h5", "savedmodel": "",
    "tflite": ".tflite",
}  # fmt: skip

#: how a built-in network ends
HEADS = {
    "own": "as published",
    "average-pooling": "one map per class and its mean over the pixels (Lin et al. 2013), in place "
    "of all dense layers",
}

#: what a level's layers can be asked for, beside their similarity -> what that is
DESCRIPTIONS = {
    "dimension": "intrinsic dimension of each layer's activations",
    "curvature": "how much the surface of its activations bends around an image, by leaving out "
    "parts of the image (layers of up to nine dimensions)",
    "curvature-steps": "the same with equal steps in both directions (up to 20 dimensions)",
    "dissection": "which of its units detect a concept, and how well they separate classes",
}

#: what a level's network puts out that can be compared like a layer -> what that is
OUTPUTS = {
    "logits": "the inputs of the softmax (for a network that outputs probabilities, their "
    "logarithms)",
    "probabilities": "the probability of each class",
}

#: how images are brought to --image-size; see `data.load`
RESIZES = ("stretch", "crop")
