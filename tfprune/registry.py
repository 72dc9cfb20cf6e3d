"""Names that a user can type, each with the place where its code lives.

A registry knows its names without importing the code behind them, so that `tfprune models`
and shell completion answer at once; `get` imports on first use. Third-party packages add
names through an entry point group.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from tfprune.errors import InputError, unknown_name


@dataclass(frozen=True)
class Entry:
    """One name: where its code lives (`module:attribute`) and one line that says what it is."""

    name: str
    target: str
    summary: str


class Registry:
    """The names of one kind (`measure`, `model`, ...), in the order in which they were added.

    >>> numbers = Registry("number")
    >>> numbers.add("pi", "math:pi", "a circle's circumference over its diameter")
    >>> numbers.get("pi")
    3.141592653589793
    >>> numbers.get("py")
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: unknown number 'py'; did you mean 'pi'? Known: pi.
    """

    def __init__(self, kind: str, *, group: str | None = None) -> None:
        self.kind = kind
        self._group = group
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}
        self._plugins_read = group is None

    def add(self, name: str, target: str, summary: str) -> None:
        """Add a name; `target` is `package.module:attribute`, imported when first asked for."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is already registered")
        self._entries[name] = Entry(name, target, summary)

    def alias(self, other: str, name: str) -> None:
        """Let `other` stand for the known `name`: it is accepted, and not listed."""
        if other in self._entries or name not in self._entries:
            raise ValueError(f"{self.kind} {other!r} can't be another name of {name!r}")
        self._aliases[other] = name

    def aliases(self, name: str) -> list[str]:
        """Return the other names of a name."""
        return [other for other, meant in self._aliases.items() if meant == name]

    def _read_plugins(self) -> None:
        if self._plugins_read or self._group is None:
            return
        self._plugins_read = True
        for point in entry_points(group=self._group):
            if point.name not in self._entries:  # a plugin never replaces a name of ours
                source = point.dist.name if point.dist else "an installed package"
                self._entries[point.name] = Entry(point.name, point.value, f"from {source}")

    def __iter__(self) -> Iterator[Entry]:
        self._read_plugins()
        return iter(list(self._entries.values()))

    def __contains__(self, name: object) -> bool:
        self._read_plugins()
        return isinstance(name, str) and (name in self._entries or name in self._aliases)

    def names(self) -> list[str]:
        """Return all names, in order."""
        return [entry.name for entry in self]

    def check(self, name: str) -> str:
        """Return the known name that `name` is or stands for.

        Raises InputError with the nearest names if there is none.
        """
        if name not in self:
            raise unknown_name(self.kind, name, [*self.names(), *self._aliases])
        return self._aliases.get(name, name)

    def get(self, name: str) -> Any:
        """Import and return what `name` stands for; raise InputError when there is no such name."""
        target = self._entries[self.check(name)].target
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"{self.kind} {name!r} is registered as {target!r}, which can't be imported: "
                f"{error}. "
                "Install or repair the package that provides it."
            ) from error


def find_function(reference: str, *, kind: str) -> Callable[..., Any]:
    """Return the user's function that `package.module:function` names; `kind` is for messages.

    Modules in the current directory are found too. Raises InputError where there is none.
    """
    module_name, colon, name = reference.partition(":")
    if not colon or not module_name or not name:
        raise InputError(f"a {kind} is written as package.module:function; got {reference!r}.")
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except Exception as error:  # the user's module may raise anything while it is imported
        if isinstance(error, ModuleNotFoundError) and error.name in _parents(module_name):
            raise InputError(
                f"no module {module_name!r} for the {kind} {reference!r}. It is looked "
                f"for among the installed packages and in {here!r}."
            ) from None
        raise InputError(
            f"importing {module_name!r} for the {kind} {reference!r} raised "
            f"{type(error).__name__}: {error}."
        ) from error
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
    if not hasattr(module, name):
        functions = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise unknown_name(f"function of {module_name}", name, functions)
    function: Callable[..., Any] = getattr(module, name)
    if not callable(function):
        raise InputError(f"{reference!r} is not a function but of type {type(function).__name__}.")
    return function


def _parents(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[: i + 1]) for i in range(len(parts))}
