"""A folder of one's own in a shared one, and what is left of it when its process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfprune.data import staging
from tfprune.data.staging import move_folder, share_files, staging_folder

PREPARING = """
import sys, time
from pathlib import Path
from tfprune.data.staging import staging_folder
from tfprune.interrupts import interruptible
with interruptible(), staging_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


def preparing(root: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that is preparing data in `root`, and the folder in which it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREPARING, str(root)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str], signum: int) -> None:
    process.send_signal(signum)
    process.communicate(timeout=30)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_removes_the_own_folder_only(tmp_path, signum):
    root = tmp_path / "new"
    process, folder = preparing(root)
    (root / "theirs").write_text("theirs")
    assert (folder.parent, (folder / "half").exists()) == (root, True)
    end(process, signum)
    assert os.listdir(root) == ["theirs"]


def test_what_a_killed_process_left_is_removed_by_the_next_and_not_what_a_live_one_has(tmp_path):
    live, theirs = preparing(tmp_path)
    killed, left = preparing(tmp_path)
    end(killed, signal.SIGKILL)
    (tmp_path / ".tfprune-preparing-notes").mkdir()
    assert left.exists()
    with staging_folder(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {folder, theirs, tmp_path / ".tfprune-preparing-notes"}
        assert (theirs / "half").exists()
    end(live, signal.SIGTERM)
    assert os.listdir(tmp_path) == [".tfprune-preparing-notes"]


def test_a_folder_moves_whole_or_not_at_all(tmp_path):
    made, place = tmp_path / "made", tmp_path / "a" / "place"
    made.mkdir()
    (made / "data").write_text("ours")
    assert move_folder(made, place)
    assert (place / "data").read_text() == "ours"
    made.mkdir()
    (made / "data").write_text("ours, later")
    assert not move_folder(made, place)
    assert (place / "data").read_text() == "ours"
    assert (made / "data").read_text() == "ours, later"
    with pytest.raises(FileNotFoundError):
        move_folder(tmp_path / "missing", tmp_path / "b")


@pytest.mark.parametrize("links", [True, False])
def test_shared_files_replace_nothing(tmp_path, monkeypatch, links):
    def no_links(source, target):
        raise FileExistsError if target.exists() else PermissionError

    if not links:
        monkeypatch.setattr(staging.os, "link", no_links)
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, word in ((source, "ours"), (target, "theirs")):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "both").write_text(word)
    (source / "deep" / "new").write_text("ours")
    share_files(source, target)
    assert (target / "deep" / "new").exists() is links
    share_files(source, target, move=True)
    assert (target / "deep" / "both").read_text() == "theirs"
    assert (target / "deep" / "new").read_text() == "ours"
