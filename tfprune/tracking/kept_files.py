"""The journal's own copies of what was logged as artifacts, from which any store can be filled.

`files/<seq>/` holds one artifact, a file or a folder. It stays after delivery: MLflow's database
may be lost, and the run's folder alone must suffice to fill a new one. The room is bounded: of an
artifact that is logged again under its name only the last copy stays. Where the store lies on the
same file system, the copy and the store's file share their room, once both have been read back and
found equal: as a clone where the file system makes those (Btrfs, XFS), in which a byte that is
changed on one side stays what it was on the other. Elsewhere two files stay two, since one wrong
byte would spoil both of a hard link's names, and only files above 32 MiB become one file with two
names.

A record carries the SHA-256 of its artifact, so that what was damaged since is not delivered as
if it were what was logged.
"""

from __future__ import annotations

import contextlib
import fcntl
import filecmp
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.disk import flush, set_aside
from tfprune.refused import refusal
from tfprune.tracking.records import Record

#: bytes from which a copy and the store's file are one file where no clones are made
LINKED_FROM = 32 << 20
_FICLONE = 0x40049409  # Linux' ioctl
_BLOCK = 1 << 20
_Name = tuple[str, str | None, str]


def digest(path: Path) -> str:
    """Return the SHA-256 over a file's content, or over the names and contents of a folder."""
    sha = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                sha.update(block)
        return sha.hexdigest()
    for inner in sorted(one for one in path.rglob("*") if one.is_file()):
        sha.update(f"{inner.relative_to(path).as_posix()}\n{digest(inner)}\n".encode())
    return sha.hexdigest()


class KeptFiles:
    """The folder `files` of a journal; the caller holds the journal's lock where threads meet."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._folder = journal / "files"
        self._by_name: dict[_Name, list[int]] = {}

    def remember(self, record: Record) -> None:
        """Learn of an artifact's record; the last one under a name is the one that counts."""
        self._by_name.setdefault(_name(record), []).append(record["seq"])

    def is_superseded(self, record: Record) -> bool:
        """Whether the artifact was logged again under its name."""
        return self._by_name[_name(record)][-1] != record["seq"]

    def highest(self) -> int:
        """Return the largest number that a copy has, 0 where there is none."""
        return max((int(p.name) for p in self._folder.iterdir() if p.name.isdigit()), default=0)

    def n_later(self, seq: int) -> int:
        """Return how many copies have a larger number than a record's."""
        return sum(p.name.isdigit() and int(p.name) > seq for p in self._folder.iterdir())

    def copy(self, seq: int, source: Path, name: str) -> tuple[str, list[Path]]:
        """Copy an artifact; return its path in the journal's folder, and the files it is made of.

        Raises OSError when it can't be written; nothing of it is left then.
        """
        target = self._folder / str(seq) / name
        try:
            target.parent.mkdir()
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copyfile(source, target)
        except OSError:
            shutil.rmtree(target.parent, ignore_errors=True)
            raise
        files = [target] if target.is_file() else [p for p in target.rglob("*") if p.is_file()]
        return str(target.relative_to(self._journal)), files

    def problem(self, record: Mapping[str, Any]) -> str:
        """Return what is wrong with an artifact's copy, empty where it is what was logged."""
        path = self._journal / record["file"]
        if not path.exists():
            return f"{path} is gone"
        known = record.get("digest")  # journals that were begun before have none
        try:
            same = known is None or digest(path) == known
        except OSError as error:
            return refusal(error, "read", place=path).rstrip(".")
        return "" if same else f"{path} is not what was logged"

    def share(self, record: Record, stored: Path) -> None:
        """Let a copy and the store's file take the room of one, where they are equal."""
        kept = self._journal / record["file"]
        files = [kept] if kept.is_file() else [p for p in kept.rglob("*") if p.is_file()]
        part = self._folder / str(record["seq"]) / ".shared"  # beside the artifact, never in it
        # a file system without links, or another one: both copies stay
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)  # of a process that was killed here
            for file in files:
                _share(file, stored / file.relative_to(kept), part)

    def drop_earlier(self, record: Record) -> None:
        """Delete the copies of what a delivered artifact took the place of."""
        for seq in self._by_name[_name(record)]:
            if seq < record["seq"]:
                shutil.rmtree(self._folder / str(seq), ignore_errors=True)

    def clean(self, delivered_seq: int) -> None:
        """Delete copies without a record (a kill came first) and those that were superseded."""
        needed = set()
        for seqs in self._by_name.values():
            done = max((seq for seq in seqs if seq <= delivered_seq), default=0)
            needed |= {str(seq) for seq in seqs if seq >= done}
        for left in self._folder.iterdir():
            if left.name not in needed:
                shutil.rmtree(left, ignore_errors=True)


def _name(record: Record) -> _Name:
    return record["run"], record.get("folder"), Path(record["file"]).name


def _share(kept: Path, stored: Path, part: Path) -> None:
    if os.path.samefile(kept, stored) or not filecmp.cmp(kept, stored, shallow=False):
        return
    if not _clone(stored, part):
        if stored.stat().st_size < LINKED_FROM:
            return
        flush(stored)  # the copy is past a power cut, MLflow's file may not be
        os.link(stored, part)
    os.replace(part, kept)


def _clone(source: Path, target: Path) -> bool:
    """Return whether the file system has made a file that shares the room of another."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            target.unlink()
            return False
        os.fsync(new.fileno())
    return True


def make_way(path: Path, place: Path) -> None:
    """Move away what hinders MLflow from storing a file, or a folder, in its place.

    A folder where a file belongs, or a file where a folder does, gets another name. Of a folder,
    stored files that have a second name, a journal's, are deleted: MLflow would write into them; a
    single file it replaces whole.
    """
    if place.exists() and place.is_dir() != path.is_dir():
        set_aside(place)
    for inner in path.rglob("*") if path.is_dir() else ():
        stored = place / inner.relative_to(path)
        if stored.is_file() and stored.stat().st_nlink > 1:
            stored.unlink()
