"""What is wrong with a journal, in words, and the copy of its file as it was found."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tfprune.disk import flush


class Damage:
    """What was found wrong with the journal in `path`; each `say_` method adds to `texts`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.texts: list[str] = []

    @property
    def kept(self) -> Path:
        """Where the damaged file is kept."""
        return self._path.with_name(self._path.name + ".damaged")

    def keep_copy(self) -> None:
        """Keep the file as it is now, unless one is kept already: the first is the whole one."""
        if not self.kept.exists():
            shutil.copyfile(self._path, self.kept)
            flush(self.kept)

    def say_cut(self, n_files: int) -> None:
        """Say that the journal ends before files that were logged; keeps a copy."""
        self.keep_copy()
        self.texts.append(
            f"{self._path} is damaged: it ends before {n_files} files that were logged after its "
            f"last record. Its records are uploaded; the damaged file is kept as {self.kept}."
        )

    def say_shorter(self, *, n_records: int, size: int, n_delivered: int) -> None:
        """Say that fewer bytes are there than were delivered."""
        self.texts.append(
            f"{self._path} is damaged: it is shorter than what was uploaded from it (it "
            f"holds {n_records} records in {size} bytes, and {n_delivered} bytes of it were "
            "uploaded). Its records are uploaded."
        )

    def say_lines(self, n_records: int, problems: Sequence[str]) -> None:
        """Say what is wrong with its lines; keeps a copy."""
        self.keep_copy()
        self.texts.append(
            f"{self._path} is damaged: of {n_records} records {' and '.join(problems)}. The "
            f"readable records are uploaded; the damaged file is kept as {self.kept}."
        )

    def say_before(self) -> None:
        """Say that a damaged file is kept: records may be gone without a trace in what is left."""
        self.texts.append(
            f"{self._path} was damaged before, and may lack records since; the damaged file is "
            f"{self.kept}. Delete it when you no longer need it."
        )

    def say_open_ends(self, runs: Sequence[str]) -> None:
        """Say that it does not hold the ends of runs that have finished; keeps a copy."""
        self.keep_copy()
        more = ", ..." if len(runs) > 3 else ""
        self.texts.append(
            f"{self._path} is damaged: the run has finished, and the journal ends before the end "
            f"of {', '.join(runs[:3])}{more}. Its records are uploaded; the damaged file is kept "
            f"as {self.kept}."
        )
