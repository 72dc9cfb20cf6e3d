"""What is the same in every run and takes a second to make, kept in the user's cache folder.

Nothing depends on the folder: what is missing, damaged or can't be written is made again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path


def cache_folder() -> Path:
    """Return tfprune's folder in the user's cache: in XDG_CACHE_HOME, or `~/.cache`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # the specification has relative paths ignored
    base = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / ".cache"
    return base / "tfprune"


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """Return what `make` returned in this or an earlier process under this name.

    `name`, such as `mlflow-3.17.2.db`, says all that the bytes depend on. A file is taken for what
    was made only where its SHA-256 is the one in its own name.

    >>> kept("doctest.txt", lambda: b"made once"), kept("doctest.txt", lambda: b"not asked again")
    (b'made once', b'made once')
    """
    folder = cache_folder()
    stem, suffix = os.path.splitext(name)
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{stem}-sha256-*{suffix}"):
            content = path.read_bytes()
            if path.name == _named(stem, suffix, content):
                return content
            path.unlink()  # cut short, or changed
    content = make()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, part = tempfile.mkstemp(dir=folder, prefix=".", suffix=suffix)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            os.replace(part, folder / _named(stem, suffix, content))
        except BaseException:
            os.unlink(part)
            raise
    return content


def _named(stem: str, suffix: str, content: bytes) -> str:
    return f"{stem}-sha256-{sha256(content).hexdigest()}{suffix}"
