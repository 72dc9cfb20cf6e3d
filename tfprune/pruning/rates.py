"""How much goes per level: one share for all layers, by kind, or by name. Imports no NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING

from tfprune.errors import InputError, nearest

if TYPE_CHECKING:
    from tfprune.pruning.tensors import PrunableTensor


@dataclass(frozen=True)
class Rates:
    """Share of the *surviving* weights that one level removes, each in [0, 1).

    `conv` holds for convolutions of all kinds, `dense` for dense layers, `output` for the output
    layer (None: as its kind; Frankle & Carbin 2019 take half the fully-connected rate). `layers`
    overrides by layer name, `exclude` names layers that are never pruned; both take shell patterns
    (`stage1_*`), and an exact name wins over a pattern, a later pattern over an earlier one.
    Raises InputError when a share is outside [0, 1).
    """

    conv: float = 0.2
    dense: float = 0.2
    output: float | None = None
    layers: Mapping[str, float] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", dict(self.layers))
        object.__setattr__(self, "exclude", tuple(self.exclude))
        shares = {"conv": self.conv, "dense": self.dense}
        if self.output is not None:
            shares["output"] = self.output
        shares |= {f"layer {name!r}": share for name, share in self.layers.items()}
        for where, share in shares.items():
            if not 0 <= share < 1:  # false for NaN too
                raise InputError(
                    f"pruning rate for {where}: expected a share of the surviving weights "
                    f"in [0, 1), got {share}."
                )

    @classmethod
    def uniform(cls, fraction: float) -> Rates:
        """Return the rates that remove the same share from every layer."""
        return cls(conv=fraction, dense=fraction)

    def resolve(self, tensors: Sequence[PrunableTensor]) -> dict[str, float]:
        """Return layer -> rate in model order; an excluded layer has rate 0.

        Raises InputError when `layers` or `exclude` names a layer that the model does not prune.
        """
        names = [tensor.name for tensor in tensors]
        chosen: dict[str, float] = {}
        for pattern in sorted(self.layers, key=lambda key: key in names):  # exact names last
            for name in _matches(pattern, names):
                chosen[name] = self.layers[pattern]
        for pattern in self.exclude:
            for name in _matches(pattern, names):
                chosen[name] = 0.0
        return {t.name: chosen.get(t.name, self._by_kind(t)) for t in tensors}

    def _by_kind(self, tensor: PrunableTensor) -> float:
        if tensor.is_output and self.output is not None:
            return self.output
        return self.dense if tensor.kind == "dense" else self.conv


def removal_count(n: int, fraction: float) -> int:
    """Return floor(fraction * n), with the fraction read as the decimal that it prints as.

    In binary floating point 0.29 * 100 is 28.999999999999996; here it is 29.
    """
    return int(Fraction(repr(float(fraction))) * n)


def _matches(pattern: str, names: Sequence[str]) -> list[str]:
    if pattern in names:
        return [pattern]
    found = [name for name in names if fnmatchcase(name, pattern)]
    if found:
        return found
    close = nearest(pattern, names)
    hint = f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else "."
    listed = f" Prunable layers: {', '.join(names)}." if len(names) <= 40 else ""
    raise InputError(f"model has no prunable layer {pattern!r}{hint}{listed}")
