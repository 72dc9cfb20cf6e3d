"""What a run found, told: tables, an answer in words, charts, a page and figures for papers.

This module imports nothing, so that the shell's completion answers at once.
"""

#: kind of figure -> what it shows; those that end in '-' exist once for every measure
FIGURES = {
    "accuracy": "test and validation accuracy over sparsity",
    "depth-": "similarity with the dense network over depth, a line per level",
    "heatmap-": "similarity with the dense network, layer by level",
    "layer-sparsity": "sparsity of every layer, layer by level",
    "controls-accuracy": "accuracy of the ticket beside its controls",
    "curves-accuracy": "accuracy over the epochs of every level",
    "curves-loss": "loss over the epochs of every level",
}

#: formats of figures
FORMATS = ("png", "pdf", "svg")
