"""A folder of this process's own inside a shared one, where data are prepared unseen.

Whatever else appears in the shared folder meanwhile belongs to somebody else: it is neither
touched nor deleted. What is done moves to its place by renaming, whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tfprune.interrupts import finishing_first

_PREFIX = ".tfprune-preparing-"
_LOCK = "lock"


@contextlib.contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """A new folder in `root` that is removed with all it holds when the block ends, however.

    `root` and the folders above it are made where they are missing, and those that were made
    are removed again if they are empty in the end. Folders that killed processes left in `root`
    are removed first: each process holds a lock in its own.
    """
    made = _make(root)
    folder = root / f"{_PREFIX}{uuid.uuid4().hex}"
    hidden = folder.with_name(f"{folder.name}.new")
    lock = FileLock(hidden / _LOCK)
    try:
        _remove_abandoned(root)
        hidden.mkdir()
        lock.acquire(timeout=0)
        hidden.rename(folder)  # others see it from here on, and see it locked
        yield folder
    finally:
        with finishing_first():
            for one in (hidden, folder):
                shutil.rmtree(one, ignore_errors=True)
            lock.release()
            _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, each inside the next, up to the first that holds anything."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _make(folder: Path) -> list[Path]:
    """Make the folder; return which folders were missing, the innermost first."""
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_abandoned(root: Path) -> None:
    """Remove staging folders whose process is gone; one that is at work holds its lock."""
    for folder in root.glob(f"{_PREFIX}{'[0-9a-f]' * 32}"):
        if not (folder / _LOCK).is_file():
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(folder / _LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)


def move_folder(source: Path, target: Path) -> bool:
    """Show `source` as `target` at once; False, and nothing happens, where that holds files.

    Both lie in one file system. Signals wait until it is done.
    """
    with finishing_first():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.rename(target)
        except OSError:
            if target.is_dir() and any(target.iterdir()):
                return False
            raise
    return True


def share_files(source: Path, target: Path, *, move: bool = False) -> None:
    """Give the files below `source` a second name below `target`; what has a name there stays.

    Both lie in one file system. Where that has no hard links, `move` moves the files, and
    without it they are left out.
    """
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        share_file(file, target / file.relative_to(source), move=move)


def share_file(file: Path, place: Path, *, move: bool = False) -> None:
    """Give one file the name `place` too, as `share_files` does."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place)
    except FileExistsError:
        pass
    except OSError:
        if move and not place.exists():
            file.rename(place)
