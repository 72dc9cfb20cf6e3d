"""Examples as a program has them, in a form that `fit` and `evaluate` of both Keras take.

Inputs and targets are of any shape here, numbers to predict or several labels each: what they
mean, the model and its loss know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from tfprune.data.arrays import is_tf_dataset
from tfprune.errors import InputError, RunError, check_unmasked, reason

_CHUNK = 1 << 24  # numbers that are looked at together
_FORMS = (
    "arrays (x, y) or (x, y, sample_weight), a tf.data.Dataset of such, or an object with __len__ "
    "and __getitem__"
)


class Prepares(Protocol):
    """Whatever brings inputs into the form in which a network takes them."""

    def apply(self, images: Any) -> Any:
        """Return inputs as the network takes them."""


class AsTheyAre:
    """Leaves inputs as they are."""

    def apply(self, images: Any) -> Any:
        """Return the inputs."""
        return images


@dataclass(frozen=True, eq=False)
class Feed:
    """What a model is trained on or asked about.

    x: arrays, or what yields batches (x, y) or (x, y, sample_weight), in which case y and
    sample_weight are None. n: the number of examples, None where it is not known. where: what it
    is called in messages. failed: what an object of the user's own raised, as a sentence.
    """

    x: Any
    y: Any
    sample_weight: Any
    n: int | None
    where: str
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def read(self) -> Iterator[None]:
        """Raise RunError, which names the example, for what an object raises while it is shown.

        TensorFlow, which asks it, reports its own calls instead.
        """
        try:
            yield
        except Exception as error:
            if not self.failed:
                raise
            raise RunError(self.failed[-1]) from error

    @property
    def is_arrays(self) -> bool:
        """Whether the examples lie in memory, each at its place."""
        return self.y is not None

    @property
    def is_dataset(self) -> bool:
        """Whether the examples come from a tf.data.Dataset."""
        return is_tf_dataset(self.x)

    def first(self, n: int) -> tuple[Any, Any, Any]:
        """Return x, y and sample_weight (or None) of the first n examples, or of fewer."""
        if self.is_arrays:
            return tuple(_map(lambda part: part[:n], part) for part in self._parts())
        found: list[tuple[Any, Any, Any]] = []
        n_found = 0
        with self.read():
            for batch in self.x if not hasattr(self.x, "__getitem__") else _items(self.x):
                parts = _batch(batch, self.where)
                found.append(parts)
                n_found += len(_leaves(parts[0])[0])
                if n_found >= n:
                    break
        if not found:
            raise InputError(f"{self.where} holds no examples.")
        joined = (_joined([one[place] for one in found]) for place in range(3))
        return tuple(_map(lambda part: part[:n], part) for part in joined)

    def arguments(self, batch_size: int) -> dict[str, Any]:
        """Return the arguments of `fit` and `evaluate` that say what is shown."""
        if not self.is_arrays:
            return {"x": self.x}
        return {"x": self.x, "y": self.y, "sample_weight": self.sample_weight,
                "batch_size": batch_size}  # fmt: skip

    def as_validation(self) -> Any:
        """Return what `fit` takes as validation_data."""
        if not self.is_arrays:
            return self.x
        return tuple(part for part in self._parts() if part is not None)

    def divided(self, fraction: float) -> tuple[Feed, Feed]:
        """Return all but the last share of the examples, and that share, as Keras divides them."""
        if not self.is_arrays or self.n is None:
            raise InputError(
                f"validation is the share {fraction:g} of {self.where}, which only arrays can be "
                "divided into. Give the examples to validate on, as train."
            )
        at = int(self.n * (1 - fraction))
        if not 0 < at < self.n:
            raise InputError(
                f"validation {fraction:g} of {self.n} examples is {self.n - at}; at least one is "
                "needed, and one to train on."
            )
        ends = ((slice(None, at), at, self.where),
                (slice(at, None), self.n - at, "validation"))  # fmt: skip
        parts = [
            replace(
                self, n=n, where=where,
                x=_map(lambda a, s=s: a[s], self.x), y=_map(lambda a, s=s: a[s], self.y),
                sample_weight=_map(lambda a, s=s: a[s], self.sample_weight),
            )
            for s, n, where in ends
        ]  # fmt: skip
        return parts[0], parts[1]

    def _parts(self) -> tuple[Any, Any, Any]:
        return self.x, self.y, self.sample_weight


def feed(
    value: Any, *, where: str, rank: int | None, n_inputs: int, batch_size: int, seed: int | None
) -> Feed:
    """Return examples in the form that `fit` takes; arrays are not copied.

    value: (x, y) or (x, y, sample_weight) of arrays, or of lists or mappings of arrays for models
        with several inputs or outputs; a tf.data.Dataset of such, batched or not; a Sequence or
        PyDataset of Keras; an object with `__len__` and `__getitem__` that returns examples one by
        one, as PyTorch's data sets do. where: what it is called in messages.
    rank: axes of the model's (first) input with the batch's, by which single examples are told
        from batches; None where it is not known, which takes them for batches.
    n_inputs: how many arrays the model takes.
    seed: of the order in which single examples are shown, another in every epoch; None shows them
        in their own.

    Raises InputError for what is none of these, for arrays of unequal length, of Python objects or
    with numbers that are not finite, and for data without an end.
    """
    if isinstance(value, tuple | list) and len(value) in (2, 3):
        return _from_arrays(value, where=where, n_inputs=n_inputs)
    if is_tf_dataset(value):
        return _from_dataset(value, where=where, rank=rank, batch_size=batch_size)
    if hasattr(value, "__len__") and hasattr(value, "__getitem__") and not _is_container(value):
        return _from_object(value, where=where, rank=rank, batch_size=batch_size, seed=seed)
    raise InputError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}; expected {_FORMS}."
    )


def _is_container(value: Any) -> bool:
    return isinstance(value, str | bytes | Mapping | tuple | list) or hasattr(value, "__array__")


def _from_arrays(value: Any, *, where: str, n_inputs: int) -> Feed:
    x, y = _arrays(value[0], f"x of {where}", n_inputs), _arrays(value[1], f"y of {where}", 1)
    weights = value[2] if len(value) == 3 else None
    weights = None if weights is None else _arrays(weights, f"sample_weight of {where}", 1)
    named = {"x": x, "y": y} | ({} if weights is None else {"sample_weight": weights})
    lengths = {name: {len(leaf) for leaf in _leaves(part)} for name, part in named.items()}
    if len(set().union(*lengths.values())) > 1:
        told = ", ".join(
            f"{name} {' and '.join(map(str, sorted(n)))}" for name, n in lengths.items()
        )
        raise InputError(f"the arrays of {where} differ in length: {told}. Expected one of "
                         "each for every example.")  # fmt: skip
    n = lengths["x"].pop()
    if n == 0:
        raise InputError(f"{where} holds no examples.")
    return Feed(x, y, weights, n, where)


def _arrays(value: Any, what: str, n_parts: int) -> Any:
    """Return an array, or the list or mapping of arrays that is given for several."""
    if isinstance(value, Mapping):
        return {name: _array(part, f"{what} ({name!r})") for name, part in value.items()}
    several = isinstance(value, tuple | list) and value and all(
        hasattr(part, "shape") and len(part.shape) > 0 for part in value
    )  # fmt: skip
    if several and (n_parts > 1 or len({part.shape for part in value}) > 1):
        return [_array(part, f"{what} ({place})") for place, part in enumerate(value)]
    return _array(value, what)


def _array(value: Any, what: str) -> np.ndarray:
    check_unmasked(value, what)
    try:
        found = np.asarray(value)
    except Exception as error:  # lists of unlike length, tensors elsewhere: each raises its own
        raise InputError(f"{what} is no array: {reason(error)}.") from error
    if found.dtype.kind not in "buifU" or found.ndim == 0:
        raise InputError(
            f"{what} is an array of shape {found.shape} and dtype {found.dtype}; expected numbers, "
            "one row for each example."
        )
    if found.dtype.kind == "U":
        raise InputError(
            f"{what} holds texts, such as {str(found.flat[0])!r}; expected numbers, in the form in "
            "which the model was trained on them."
        )
    _check_finite(found, what)
    return found


def check_finite(part: Any, what: str) -> None:
    """Raise InputError where an array, or one of several, holds numbers that are not finite."""
    for leaf in _leaves(part):
        _check_finite(np.asarray(leaf), what)


def _check_finite(array: np.ndarray, what: str) -> None:
    if array.dtype.kind != "f":
        return
    rows = max(1, _CHUNK // max(1, array[:1].size))
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        finite = np.isfinite(part)
        if not finite.all():
            place = start + int(np.argwhere(~finite)[0][0])
            raise InputError(
                f"{what} holds numbers that are not finite (nan or infinite), the first in example "
                f"{place}. Leave such examples out, or repair them."
            )


def _from_dataset(dataset: Any, *, where: str, rank: int | None, batch_size: int) -> Feed:
    import tensorflow as tf

    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError(f"{where} is a tf.data.Dataset without an end; leave out its .repeat().")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise InputError(
            f"{where} is a tf.data.Dataset of {spec}; expected pairs (x, y), or (x, y, "
            "sample_weight)."
        )
    found = _leaves(spec[0])[0].shape.rank
    single = rank is not None and found == rank - 1
    return Feed(dataset.batch(batch_size) if single else dataset, None, None, None, where)


def _from_object(
    value: Any, *, where: str, rank: int | None, batch_size: int, seed: int | None
) -> Feed:
    if len(value) == 0:
        raise InputError(f"{where} holds no examples.")
    failed: list[str] = []

    def item(place: int) -> Any:
        try:
            return _batch(value[place], where)
        except InputError as error:
            failed.append(str(error))
            raise
        except Exception as error:  # whatever the user's own raises
            failed.append(
                f"example {place} of {where} can't be read: {type(error).__name__}: "
                f"{reason(error)}."
            )
            raise InputError(failed[-1]) from error

    example = item(0)
    shape = np.shape(_leaves(example[0])[0])
    if rank is None or len(shape) != rank - 1:
        return Feed(value, None, None, None, where)  # a Sequence of batches, which fit takes
    import tensorflow as tf

    epochs = iter(range(2**31))

    def examples() -> Iterator[Any]:
        places = np.arange(len(value))
        if seed is not None:
            places = np.random.default_rng([seed, next(epochs)]).permutation(places)
        for place in places:
            parts = item(int(place))
            yield tuple(_map(np.asarray, part) for part in parts if part is not None)

    kept = tuple(_map(np.asarray, part) for part in example if part is not None)
    signature = _map(lambda a: tf.TensorSpec(a.shape, tf.as_dtype(a.dtype)), kept)
    dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
    sized = dataset.apply(tf.data.experimental.assert_cardinality(len(value)))
    return Feed(sized.batch(batch_size).prefetch(2), None, None, len(value), where, failed)


def _batch(item: Any, where: str) -> tuple[Any, Any, Any]:
    """Return x, y and sample_weight (None where there is none) of an item."""
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise InputError(
            f"{where} holds a {type(item).__name__}; expected pairs (x, y), or (x, y, "
            "sample_weight)."
        )
    x, y, *rest = item
    return x, y, rest[0] if rest else None


def _items(value: Any) -> Iterator[Any]:
    return (value[place] for place in range(len(value)))


def _map(function: Callable[..., Any], part: Any) -> Any:
    """Return a list, tuple or mapping of arrays with a function applied to each; None stays."""
    if part is None:
        return None
    if isinstance(part, Mapping):
        return {name: _map(function, one) for name, one in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(_map(function, one) for one in part)
    return function(part)


def _leaves(part: Any) -> list[Any]:
    if isinstance(part, Mapping):
        return [leaf for one in part.values() for leaf in _leaves(one)]
    if isinstance(part, list | tuple):
        return [leaf for one in part for leaf in _leaves(one)]
    return [part]


def _joined(parts: list[Any]) -> Any:
    """Return the batches of one kind end to end."""
    head = parts[0]
    if head is None:
        return None
    if isinstance(head, Mapping):
        return {name: _joined([part[name] for part in parts]) for name in head}
    if isinstance(head, list | tuple):
        return type(head)(_joined([part[i] for part in parts]) for i in range(len(head)))
    return np.concatenate([np.asarray(part) for part in parts])
