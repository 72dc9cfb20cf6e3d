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
    "written": "The folder it belongs in is gone; make it again.",
    "used": "Put back what is gone.",
}
_REMEDIES = {
    errno.ENOSPC: "Make room on its disk.",
    errno.EDQUOT: "Your quota there is used up: delete something of yours, or have it raised.",
    errno.EACCES: "Give yourself the right to {right}.",
    errno.EPERM: "Give yourself the right to {right}.",
    errno.EROFS: "Its file system is mounted read-only: mount it writable, or work elsewhere.",
    errno.EIO: "The disk, or the network it is reached by, fails: have it looked at.",
    errno.ENAMETOOLONG: "Choose a shorter name, or a folder with a shorter path.",
    errno.EISDIR: "A folder stands in the place of the file: move it away.",
    errno.ENOTDIR: "A file stands where a folder is expected on the way there: move it away.",
    errno.EEXIST: "Something of that name is there already: move it away.",
    errno.ENOTEMPTY: "The folder that is there is not empty: move it away.",
    errno.ENOENT: "{gone}",
    errno.ELOOP: "Symbolic links on the way there lead in a circle: mend them.",
    errno.EMFILE: "Too many files are open: raise the limit with 'ulimit -n'.",
    errno.ENFILE: "Too many files are open on this machine: end other programs.",
    errno.EFBIG: "It is larger than allowed: raise the limit with 'ulimit -f'.",
    errno.ENOMEM: "There is too little memory: end other programs, or raise 'ulimit -v'.",
    errno.ESTALE: "Its network file system lost it: mount that again.",
    errno.ETXTBSY: "Another program is running from it: end that.",
    errno.EBUSY: "Another program holds it: wait until it is done.",
    errno.EAGAIN: "Another program holds it: wait until it is done.",
    errno.ETIMEDOUT: "Its network file system is not reached: see to that.",
    errno.ENODEV: "Its device is gone: connect it again.",
    errno.ENXIO: "Its device is gone: connect it again.",
    errno.EINVAL: "Its file system does not take this: choose another folder.",
    errno.EOPNOTSUPP: "Its file system does not take this: choose another folder.",
}


def remedy(error: OSError, doing: Doing = "used") -> str:
    """Return what helps against a refusal of the operating system, as a sentence."""
    known = _REMEDIES.get(error.errno or 0)
    if known is None:
        return "Look what is wrong with that place."
    return known.format(right=_RIGHT[doing], gone=_GONE[doing])


def refusal(error: OSError, doing: Doing, *, place: object = None) -> str:
    """Return which place can't be read or written, why, and what helps.

    `place` is named where the error itself names none.

    >>> refusal(OSError(28, "No space left on device", "mlruns/x"), "written")
    "mlruns/x can't be written: No space left on device. Make room on its disk."
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
