"""Refusal of zip archives that are no plain Keras file: foreign members, bombs, damage."""

from __future__ import annotations

import stat
import zipfile

from tfprune.errors import InputError

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
MEMBERS = frozenset({CONFIG, METADATA, WEIGHTS})
MAX_CONFIG = 64 << 20
MAX_WEIGHTS = 64 << 30
# Keras stores without compression; archives packed again may compress, zeros up to 1000:1.
MAX_EXPANSION = 1100
FREE_BYTES = 16 << 20
CHUNK = 1 << 20


def check_zip(archive: zipfile.ZipFile, *, file: str) -> None:
    """Check the members of an open archive: their names, sizes and checksums.

    Raises InputError on any member that Keras does not write (so on `..` and absolute names
    too), on encrypted members and links, and on sizes that no model has. Every member is read
    once, so damaged bytes show here rather than as wrong weights.
    """
    packed = sum(member.compress_size for member in archive.infolist())
    total = 0
    seen: set[str] = set()
    for member in archive.infolist():
        _check_member(member, seen, file)
        seen.add(member.filename)
        limit = MAX_WEIGHTS if member.filename == WEIGHTS else MAX_CONFIG
        total += member.file_size
        if member.file_size > limit or total > FREE_BYTES + MAX_EXPANSION * packed:
            raise _refuse(
                file,
                f"member {member.filename!r} unfolds to {member.file_size:,} bytes "
                f"from {member.compress_size:,}",
            )
    missing = MEMBERS - seen
    if missing:
        raise _refuse(file, f"it lacks {' and '.join(sorted(missing))}")
    for name in sorted(MEMBERS):
        with archive.open(name) as stream:
            while stream.read(CHUNK):
                pass


def _check_member(member: zipfile.ZipInfo, seen: set[str], file: str) -> None:
    name = member.filename
    if name.startswith("assets/") and ".." not in name.split("/"):
        raise _refuse(
            file, f"member {name!r} is a vocabulary or other asset, which image models have none of"
        )
    if name not in MEMBERS:
        raise _refuse(file, f"unexpected member {name!r}")
    if name in seen:
        raise _refuse(file, f"member {name!r} is there twice")
    if member.flag_bits & 0x1:
        raise _refuse(file, f"member {name!r} is encrypted")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refuse(file, f"member {name!r} is a link")


def _refuse(file: str, what: str) -> InputError:
    return InputError(
        f"model file {file!r}: {what}. A .keras archive holds {', '.join(sorted(MEMBERS))} "
        "and nothing else; refused."
    )
