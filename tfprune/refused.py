"""What the operating system refused: said with its cause, and with the remedy for that cause.

A full disk, a used-up quota and a folder without the right to write in it look alike to a program
(an OSError), and each has its own way out. Every message about a file that can't be read or
written is made here, so that none of them gives the remedy of another cause.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tfprune.errors import RunError

#: what was being done with a place: `used` where that isn't known
Doing = Literal["read", "written", "used"]

_RIGHT = {"read": "read it", "written": "write there", "used": "use it"}
_GONE = {
    "read": "Put it back.",
    "written": "Its folder no longer exists; create it again.",
    "used": "Restore what is missing.",
}
_REMEDIES = {
    errno.ENOSPC: "Free some space on its disk.",
    errno.EDQUOT: (
        "Your disk quota is used up: delete some of your files, or have the quota raised."
    ),
    errno.EACCES: "Get permission to {right}.",
    errno.EPERM: "Get permission to {right}.",
    errno.EROFS: "Its file system is mounted read-only: mount it writable, or use another folder.",
    errno.EIO: "The disk, or the network connection to it, is failing: have it checked.",
    errno.ENAMETOOLONG: "Choose a shorter name, or a folder with a shorter path.",
    errno.EISDIR: "A folder with the name of the file is in the way: move it elsewhere.",
    errno.ENOTDIR: "A file is in the way where the path needs a folder: move it elsewhere.",
    errno.EEXIST: "Something of that name already exists: move it elsewhere.",
    errno.ENOTEMPTY: "The existing folder is not empty: move it elsewhere.",
    errno.ENOENT: "{gone}",
    errno.ELOOP: "Symbolic links in the path form a loop: repair them.",
    errno.EMFILE: "Too many files are open: raise the limit with 'ulimit -n'.",
    errno.ENFILE: "Too many files are open on this machine: end other programs.",
    errno.EFBIG: "It is larger than allowed: raise the limit with 'ulimit -f'.",
    errno.ENOMEM: "There is too little memory: end other programs, or raise 'ulimit -v'.",
    errno.ESTALE: "The network file system has lost the file: mount it again.",
    errno.ETXTBSY: "Another program is running from it: stop that program.",
    errno.EBUSY: "Another program is using it: wait until it is done.",
    errno.EAGAIN: "Another program is using it: wait until it is done.",
    errno.ETIMEDOUT: "Its network file system is not reachable: check the connection.",
    errno.ENODEV: "Its device is disconnected: connect it again.",
    errno.ENXIO: "Its device is disconnected: connect it again.",
    errno.EINVAL: "Its file system does not support this: choose another folder.",
    errno.EOPNOTSUPP: "Its file system does not support this: choose another folder.",
}


def remedy(error: OSError, doing: Doing = "used") -> str:
    """Return what helps against a refusal of the operating system, as a sentence."""
    known = _REMEDIES.get(error.errno or 0)
    if known is None:
        return "Check what is wrong there."
    return known.format(right=_RIGHT[doing], gone=_GONE[doing])


def refusal(error: OSError, doing: Doing, *, place: object = None) -> str:
    """Return which place can't be read or written, why, and what helps.

    `place` is named where the error itself names none.

    >>> refusal(OSError(28, "No space left on device", "mlruns/x"), "written")
    "mlruns/x can't be written: No space left on device. Free some space on its disk."
    """
    named = error.filename2 or error.filename
    where = os.fsdecode(named) if isinstance(named, str | bytes) else place or "a file"
    why = error.strerror or str(error) or type(error).__name__
    return f"{where} can't be {doing}: {why}. {remedy(error, doing)}"


@contextlib.contextmanager
def refusals_told(doing: Doing, *, place: Path | None = None, more: str = "") -> Iterator[None]:
    """Turn what the operating system refuses inside into a RunError; `more` is said after it."""
    try:
        yield
    except OSError as error:
        said = refusal(error, doing, place=place)
        raise RunError(f"{said} {more}".rstrip()) from error
