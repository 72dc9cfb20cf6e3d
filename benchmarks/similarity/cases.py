"""The inputs: correlated columns, power-law spectrum, 5% dead channels, as files of float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

DEAD = 0.05


@dataclass(frozen=True)
class Case:
    """`layers` pairs of (n_images * positions, width) float32 matrices on disk."""

    name: str
    title: str
    n_images: int
    positions: int
    width: int
    layers: int = 1
    streamed: bool = False

    @property
    def n_rows(self) -> int:
        """Return the number of data points."""
        return self.n_images * self.positions

    def scaled(self, factor: float) -> Case:
        """Return a smaller case for a quick look."""
        n = max(int(self.n_images * factor), 64)
        return Case(
            self.name, self.title, n, self.positions, self.width, self.layers, self.streamed
        )


CASES = {
    case.name: case
    for case in (
        Case("a", "n=10,000 d=512", 10_000, 1, 512),
        Case("b", "2,000 images x 16x16 x 64", 2_000, 256, 64),
        Case("c", "10,000 images x 32x32 x 64, from files", 10_000, 1024, 64, streamed=True),
        Case("d", "n=10,000 d=2048", 10_000, 1, 2048),
        Case("e", "12 x 12 layers, n=5,000 d=256", 5_000, 1, 256, layers=12),
    )
}


def write_inputs(case: Case, folder: Path) -> None:
    """Write layer files a0.npy, b0.npy, ... of the case unless they are there."""
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, case.width + 1) ** -0.75
    for layer in range(case.layers):
        mixes = [np.linalg.qr(rng.normal(size=(case.width,) * 2))[0] for _ in range(2)]
        dead = [rng.random(case.width) < DEAD for _ in range(2)]
        seeds = rng.integers(2**32, size=1)
        paths = [folder / f"{side}{layer}.npy" for side in "ab"]
        if all(path.exists() for path in paths):
            continue
        shape = (case.n_rows, case.width)
        files = [np.lib.format.open_memmap(path, "w+", np.float32, shape) for path in paths]
        draw = np.random.default_rng(seeds)
        for start in range(0, case.n_rows, 1 << 16):
            n = min(1 << 16, case.n_rows - start)
            one, other = draw.standard_normal((2, n, case.width), dtype=np.float32)
            latent = (one, 0.8 * one + 0.6 * other)
            for file, part, mix, off in zip(files, latent, mixes, dead, strict=True):
                rows = (part * spectrum) @ mix + 0.5
                rows[:, off] = 0.0
                file[start : start + n] = rows
        for file in files:
            file.flush()
