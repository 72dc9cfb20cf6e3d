"""A folder of image files with a subfolder for each class, found and listed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfprune.data.image_files import SUFFIXES
from tfprune.data.splits import is_split_name, standing_for
from tfprune.data.waiting import counted
from tfprune.errors import InputError

#: the split of data that are not divided
ALL = "all"


@dataclass(frozen=True)
class Listing:
    """Image files by split, in the order of class and path.

    paths, labels: split -> the files, and the name of each one's class; `ALL` is the one split of
        a folder that is not divided. other: folders that may be splits and were not asked for.
    notes: what a user should know of what was left out.
    """

    paths: dict[str, list[str]]
    labels: dict[str, list[str]]
    other: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    """What was met on the way through a folder and left out, by path from its root."""

    root: Path
    skipped: list[str] = field(default_factory=list)  # no images
    empty: list[str] = field(default_factory=list)  # class folders without an image
    back: list[str] = field(default_factory=list)  # links into the folder itself
    special: list[str] = field(default_factory=list)  # pipes, sockets and devices
    beside: list[str] = field(default_factory=list)  # images outside of class folders

    def __post_init__(self) -> None:
        self._real = os.path.realpath(self.root)

    def leads_back(self, path: str) -> bool:
        """Whether a folder is a link to the root, to what is in it, or to a folder it lies in."""
        real = os.path.realpath(path)
        return os.path.commonpath([real, self._real]) in (real, self._real)

    def notes(self) -> tuple[str, ...]:
        reasons = {
            "they are not images": self.skipped,
            "they contain no images": self.empty,
            "they are links to what is read anyway, or to a folder around it": self.back,
            "they are no regular files": self.special,
            "they are images outside of the folders of classes and splits": self.beside,
        }
        return tuple(
            f"Ignored, because {reason}: {_some(names)}."
            for reason, names in reasons.items()
            if names
        )


def list_folder(root: Path, *, splits: tuple[str, ...]) -> Listing:
    """Return the images below `root`: `SPLIT/CLASS/...` where a split's folder is there, else
    `CLASS/...`.

    splits: the names that divide: those asked for. A folder of another common name of the split
        stands in for it (`Training` for train). Images lie in a class folder or in folders below
        it. Names that begin with a dot are passed by; links are followed, unless they lead back.

    Raises InputError for a folder without images, images outside of class folders, a divided
    folder that lacks one of the splits where another is there, and for what looks like splits
    that nobody asked for.
    """
    found = _Found(root)
    inside = {name: _folders(root / name, found) for name in _folders(root, found)}
    names, divided = list(inside), [name for name, folders in inside.items() if folders]
    chosen: dict[str, str] = {}
    for split in splits:
        folder = standing_for(split, divided)
        if folder is not None and folder not in chosen.values():
            chosen[split] = folder
    if not chosen:
        _refuse_hidden_splits(root, inside)
        paths, labels = _classes(root, found)
        return Listing({ALL: paths}, {ALL: labels}, notes=found.notes())
    listed = {split: _classes(root / name, found) for split, name in chosen.items()}
    for place in (root, *(root / name for name in names if name not in divided)):
        found.beside += [os.path.relpath(path, root) for path in _images(place)]
    taken = tuple(
        f"The folder {name!r} is taken for the split {split!r}."
        for split, name in chosen.items()
        if split != name
    )
    return Listing(
        {split: paths for split, (paths, _) in listed.items()},
        {split: labels for split, (_, labels) in listed.items()},
        tuple(name for name in divided if name not in chosen.values()),
        (*taken, *found.notes()),
    )


def _refuse_hidden_splits(root: Path, inside: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError where folders that look like splits would be taken for classes.

    inside: the folders right inside the root -> those in each.
    """
    names, (first, *others) = list(inside), list(inside.values()) or [[]]
    if len(first) > 1 and others and all(found == first for found in others):
        raise InputError(
            f"each folder in {str(root)!r} ({_some(names)}) holds the same folders "
            f"({_some(first)}), so the outer ones look like splits. Say which are "
            "meant, with --train-split and --test-split, or as PATH:SPLIT for --also-test; where "
            "they are the classes, name the images in a table (.csv) of paths and labels."
        )
    if len(names) > 1 and not any(inside.values()) and all(map(is_split_name, names)):
        raise InputError(
            f"the folders in {str(root)!r} ({_some(names)}) have the names of splits, and hold no "
            "folders of classes. Expected train/CLASS/IMAGE and test/CLASS/IMAGE."
        )


def _classes(folder: Path, found: _Found) -> tuple[list[str], list[str]]:
    """Return the image files of every class folder in `folder`, and the class of each."""
    paths: list[str] = []
    labels: list[str] = []
    names, loose = _folders(folder, found), _images(folder)
    if not names:
        what = f"{len(loose)} images, but not in one folder per class" if loose else "no images"
        raise InputError(
            f"the folder {str(folder)!r} holds {what}. Expected CLASS/IMAGE, or train/CLASS/IMAGE "
            "and test/CLASS/IMAGE, with at least two classes."
        )
    found.beside += [os.path.relpath(path, found.root) for path in loose]
    for name in names:
        files = []
        for path in counted(_files(folder / name, found), None, f"files of {name!r} listed"):
            if path.lower().endswith(SUFFIXES):
                files.append(path)
            else:
                found.skipped.append(os.path.relpath(path, found.root))
        if not files:
            found.empty.append(os.path.relpath(folder / name, found.root))
        paths += sorted(files)
        labels += [name] * len(files)
    if not paths:
        raise InputError(
            f"the folder {str(folder)!r} holds no images in its {len(names)} folders. Images are "
            f"files in {', '.join(SUFFIXES)}."
        )
    return paths, labels


def _folders(folder: Path, found: _Found) -> list[str]:
    """Return the names of the folders right inside a folder, sorted."""
    return sorted(e.name for e in _entries(folder) if _is_folder(e) and not _back(e, found))


def _images(folder: Path) -> list[str]:
    """Return the paths of the images right inside a folder, sorted."""
    return sorted(
        e.path for e in _entries(folder) if e.name.lower().endswith(SUFFIXES) and _is_file(e)
    )


def _files(folder: Path, found: _Found) -> Iterator[str]:
    """Yield every file below a folder, those of hidden folders left out."""
    waiting, seen = [os.fspath(folder)], set()
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back, outside of the root
            continue
        seen.add(real)
        for entry in _entries(here):
            if _is_folder(entry):
                if not _back(entry, found):
                    waiting.append(entry.path)
            elif _is_file(entry) or not os.path.exists(entry.path):  # a dead link is told of later
                yield entry.path
            else:
                found.special.append(os.path.relpath(entry.path, found.root))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    is_link = entry.is_symlink()
    return os.path.isdir(entry.path) if is_link else entry.is_dir(follow_symlinks=False)


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path)


def _back(entry: os.DirEntry[str], found: _Found) -> bool:
    """Whether a folder is passed by because it leads back; it is remembered."""
    if not entry.is_symlink() or not found.leads_back(entry.path):
        return False
    name = os.path.relpath(entry.path, found.root)
    if name not in found.back:
        found.back.append(name)
    return True


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder, hidden names left out."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} can't be read: {error.strerror or error}. Check its name "
            "and permissions."
        ) from error


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
