"""Which weights go: masks in NumPy, the strategies that choose them, their checks and facts.

Nothing here imports TensorFlow or MLflow. The rooms:

- `tensors`: the prunable kernels and what a strategy may look at (`PruningContext`)
- `rates`, `budgets`: how much goes, and where (per layer, global, uniform, ERK)
- `strategy`, `strategies/`: what each weight, filter or block is worth
- `masks`: `prune`, the one function that turns these into masks
- `checks`, `facts`, `paths`, `overlap`, `controls`, `projection`, `structured`, `mask_files`: what
  surrounds a mask

Import from the modules; this package stays empty so that a list of the strategies costs nothing.
"""
