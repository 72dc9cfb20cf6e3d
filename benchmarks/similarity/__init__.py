"""Ours beside what others use, one subprocess each: `python -m benchmarks.similarity`."""
