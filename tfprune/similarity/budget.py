"""How a bound on memory is shared out between rows, moments and the work on a pair of layers.

While batches come in, a comparison holds rows, or the moments of every block and of the random
pairings; when it is scored, the work on a pair comes on top. Everything is counted in matrices as
wide as the layers; `python -m benchmarks.memory` prints what is measured beside the bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfprune.similarity.blocks import AT_A_TIME
from tfprune.similarity.parallel import NARROW, PARTS, chunk_rows
from tfprune.similarity.streaming import Key, KeyPair

#: (d, d) matrices of float64 that are held for a pair of layers d wide while it is scored, and
#: beside them so many times the numbers of blocks that are worked on at a time
WORK, OF_BLOCKS = 42, 12

#: (d, d) matrices that a thread beside takes which helps with one pair, and for how many such
#: threads room is left where blocks of images are enough without it
HELP, HELPERS, ENOUGH_BLOCKS = 20, 8, 25

#: bytes that a comparison may always take for its blocks, however small the bound
LEAST_FOR_BLOCKS = 64 * 2**20

#: share of what is left for rows and blocks that kept rows may take
FOR_ROWS = 0.4

_FLOAT, _MOST_BLOCKS = 8, 50


@dataclass(frozen=True)
class Budget:
    """Bytes that a comparison of these layers takes, and how many of each kind fit `memory`.

    `pairings` are those of the null whose cross-moments are held for every pair at once.
    """

    pairs: Sequence[KeyPair]
    widths: Mapping[Key, int]
    pairings: int
    memory: int

    @property
    def block(self) -> int:
        """Return the bytes of one block's moments, of all layers and pairs."""
        keys = {key for pair in self.pairs for key in pair}
        return _FLOAT * sum((self.widths[k] + 2) ** 2 for k in keys) + self._cross

    @property
    def _cross(self) -> int:
        return _FLOAT * sum((self.widths[a] + 2) * (self.widths[b] + 2) for a, b in self.pairs)

    @property
    def work(self) -> int:
        """Return the bytes that work on the widest pair takes, in one thread."""
        return _FLOAT * (WORK * self._widest + OF_BLOCKS * self._at_a_time)

    @property
    def help(self) -> int:
        """Return the bytes that a thread takes which helps with the widest pair."""
        return _FLOAT * max(HELP * self._widest, OF_BLOCKS * self._at_a_time)

    @property
    def _widest(self) -> int:
        return int(max(self.widths[k] + 2 for pair in self.pairs for k in pair) ** 2)

    @property
    def _at_a_time(self) -> int:
        return min(AT_A_TIME, _MOST_BLOCKS * self._widest)

    @property
    def scratch(self) -> int:
        """Return the bytes in which chunks of rows are multiplied while batches come in."""
        joint = max(sum(self.widths[k] + 2 for k in pair) for pair in self.pairs)
        return _FLOAT * joint * (chunk_rows(joint) + joint) * (1 if joint >= NARROW else PARTS)

    @property
    def fixed(self) -> int:
        """Return the bytes that are needed beside rows and blocks."""
        return self.pairings * self._cross + max(self.work, self.scratch)

    @property
    def least(self) -> int:
        """Return the smallest bound that holds."""
        return self.fixed + max(self.block, LEAST_FOR_BLOCKS)

    @property
    def wanted(self) -> int:
        """Return the bound at which there is room for all blocks and for threads that help."""
        return self.fixed + _MOST_BLOCKS * self.block + HELPERS * self.help

    @property
    def rows(self) -> int:
        """Return how many bytes of rows may be kept; beyond them only moments are.

        None at a bound of 0; else never fewer than what random pairings of moments would take.
        """
        free = self.memory - self.block - max(self.work, self.scratch)
        return max(int(FOR_ROWS * free), self.pairings * self._cross) if self.memory else 0

    def blocks(self, wanted: int, held: int) -> int:
        """Return in how many blocks moments are summed beside `held` bytes of rows: 1 to `wanted`.

        A small bound still leaves `LEAST_FOR_BLOCKS` for blocks. Beyond `ENOUGH_BLOCKS` there are
        as many as leave room for threads that help, however many cores there are.
        """
        free = max(self.memory - self.fixed - held, LEAST_FOR_BLOCKS)
        beside_help = (free - HELPERS * self.help) // self.block
        fit = max(beside_help, min(ENOUGH_BLOCKS, free // self.block))
        return max(1, min(wanted, fit))

    def at_a_time(self, held: int, each: int = 0) -> int:
        """Return how many pairs may be worked on at a time beside `held` bytes, at least 1.

        `each` are bytes that every one of them takes beside `work`.
        """
        return max(1, (self.memory - held) // (self.work + each))

    def helpers(self, held: int, pairs: int, each: int = 0) -> int:
        """Return how many threads may help beside those that work on `pairs` pairs, 0 or more."""
        free = self.memory - held - pairs * (self.work + each)
        return int(max(0, free // self.help))
