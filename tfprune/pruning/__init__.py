"""Which weights go: masks in NumPy, the strategies that choose them, their checks and facts.

Nothing here imports TensorFlow or MLflow. The files:

- `kernels`: the prunable kernels, and the units (weights, filters, blocks) that they fall into
- `amounts`, `projection`: how much goes and where (rates, scopes), and what that will leave
- `strategy`, `strategies/`: what a strategy may look at, and what each unit is worth to it
- `masks`: `prune`, the one function that turns these into masks
- `controls`: masks to set beside a ticket's; `checks`: promises that are kept after every level
- `facts`, `paths`: what is said of masks, and which weights lie on a path through the network
- `mask_files`: masks on disk

Import from the modules; this package stays empty so that a list of the strategies costs nothing.
"""
