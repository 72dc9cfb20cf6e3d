"""Grids of runs on Dask: many seeds, models, data sets and strategies."""
