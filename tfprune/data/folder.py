"""A folder of image files with a subfolder for each class, found and listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tfprune.data.image_files import SUFFIXES
from tfprune.data.waiting import counted
from tfprune.errors import InputError

#: the split of data that are not divided
ALL = "all"


@dataclass(frozen=True)
class Listing:
    """Image files by split, in the order of class and path.

    paths, labels: split -> the files, and the name of each one's class; `ALL` is the one split of
        a folder that is not divided. skipped: files that are no images. empty: class folders
        without an image.
    """

    paths: dict[str, list[str]]
    labels: dict[str, list[str]]
    skipped: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of what was left out."""
        notes = []
        if self.skipped:
            notes.append(f"Left out, for they are no images: {_some(self.skipped)}.")
        if self.empty:
            notes.append(f"Folders without an image are no classes: {_some(self.empty)}.")
        return tuple(notes)


@dataclass
class _Found:
    skipped: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def list_folder(root: Path, *, splits: tuple[str, ...]) -> Listing:
    """Return the images below `root`: `SPLIT/CLASS/...` where a split's folder is there, else
    `CLASS/...`.

    splits: the names that divide: those asked for. Images lie in a class folder or in folders
        below it. Names that begin with a dot are passed by; links are followed.

    Raises InputError for a folder without images, images outside of class folders, and a divided
    folder that lacks one of the splits where another is there.
    """
    names = _subfolders(root)
    divided = [name for name in names if _subfolders(root / name)]
    found = _Found()
    if not any(split in divided for split in splits):
        paths, labels = _classes(root, root, found)
        return Listing({ALL: paths}, {ALL: labels}, tuple(found.skipped), tuple(found.empty))
    listed = {name: _classes(root / name, root, found) for name in divided if name in splits}
    return Listing(
        {name: paths for name, (paths, _) in listed.items()},
        {name: labels for name, (_, labels) in listed.items()},
        tuple(found.skipped),
        tuple(found.empty),
    )


def divisions(root: Path) -> list[str]:
    """Return the subfolders that hold folders: what may be splits."""
    return [name for name in _subfolders(root) if _subfolders(root / name)]


def _classes(folder: Path, root: Path, found: _Found) -> tuple[list[str], list[str]]:
    """Return the image files of every class folder in `folder`, and the class of each."""
    paths: list[str] = []
    labels: list[str] = []
    names = _subfolders(folder)
    if not names:
        loose = sum(path.lower().endswith(SUFFIXES) for path in _files(folder))
        what = f"{loose} images, but not in a folder for each class" if loose else "no images"
        raise InputError(
            f"the folder {str(folder)!r} holds {what}. Expected CLASS/IMAGE, or train/CLASS/IMAGE "
            "and test/CLASS/IMAGE, with at least two classes."
        )
    for name in names:
        files = []
        for path in counted(_files(folder / name), None, f"files of {name!r} listed"):
            if path.lower().endswith(SUFFIXES):
                files.append(path)
            else:
                found.skipped.append(os.path.relpath(path, root))
        if not files:
            found.empty.append(os.path.relpath(folder / name, root))
        paths += sorted(files)
        labels += [name] * len(files)
    if not paths:
        raise InputError(
            f"the folder {str(folder)!r} holds no images in its {len(names)} folders. Images are "
            f"files in {', '.join(SUFFIXES)}."
        )
    return paths, labels


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _files(folder: Path) -> Iterator[str]:
    """Yield every file below a folder, those of hidden folders left out."""
    waiting, seen = [os.fspath(folder)], set()
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back
            continue
        seen.add(real)
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        waiting.append(entry.path)
                    else:
                        yield entry.path
        except OSError as error:
            raise _unreadable(here, error) from error


def _unreadable(folder: str | Path, error: OSError) -> InputError:
    return InputError(
        f"the folder {str(folder)!r} can't be read: {error.strerror or error}. Check its name and "
        "permissions."
    )


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
