"""What a run found, told: tables, an answer in words, charts, a page and figures for papers.

This module imports nothing, so that the shell's completion answers at once.
"""

#: kind of figure -> what it shows; those that end in '-' exist once for every measure
FIGURES = {
    "accuracy": "test and validation accuracy over sparsity",
    "depth-": "similarity with the dense network over depth, a line per level",
    "heatmap-": "similarity with the dense network, layer by level",
    "layer-sparsity": "sparsity of every layer, layer by level",
    "dimension-twonn": "intrinsic dimension over depth by TwoNN (`--describe dimension`)",
    "dimension-mle": "intrinsic dimension over depth by maximum likelihood (the same)",
    "curvature-mapc": "mean absolute curvature over depth (`--describe curvature`)",
    "curvature-rms": "root mean square curvature over depth (the same)",
    "curvature-sectional": "mean sectional curvature over depth (the same)",
    "curvature-scalar": "scalar curvature over depth (the same)",
    "curvature-steps-mapc": "mean absolute curvature over depth (`--describe curvature-steps`)",
    "curvature-steps-rms": "root mean square curvature over depth (the same)",
    "curvature-steps-sectional": "mean sectional curvature over depth (the same)",
    "curvature-steps-scalar": "scalar curvature over depth (the same)",
    "detectors": "detectors over depth (`--describe dissection`)",
    "detectors-unique": "unique detectors over depth (the same)",
    "detectors-above-floor": "detectors beyond chance over depth (the same)",
    "detectors-kept": "the dense network's detectors that are kept, over depth (the same)",
    "detectors-died": "the dense network's detectors that died, over depth (the same)",
    "class-auc": "how well units tell a class, over depth (the same)",
    "class-selectivity": "class selectivity of units over depth (the same)",
    "controls-accuracy": "accuracy of the ticket and its controls",
    "curves-accuracy": "accuracy over the epochs of every level",
    "curves-loss": "loss over the epochs of every level",
}

#: formats of figures
FORMATS = ("png", "pdf", "svg")
