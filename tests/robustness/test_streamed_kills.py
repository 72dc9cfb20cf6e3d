"""A run whose images stay on the disk, killed and resumed, is the one that was never killed."""

from __future__ import annotations

import signal

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    from PIL import Image
    from sklearn.datasets import load_digits

    root = tmp_path_factory.mktemp("images")
    digits = load_digits()
    for i, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = root / str(label)
        folder.mkdir(exist_ok=True)
        Image.fromarray((pixels * 15).astype(np.uint8)).save(folder / f"{i:04d}.png")
    return root


def arguments(images, *more):
    return (
        "run", "--dataset", str(images), "--test-fraction", "0.3", "--augment", "--levels", "2",
        "--epochs", "4", "--batch-size", "128", "--probe-size", "200", "--bootstrap", "0",
        "--measure", "cka", "--json", *more,
    )  # fmt: skip


def test_a_killed_streamed_run_equals_the_whole_one(
    tmp_path, program, once_training, kills_contents, images
):
    folders = {name: tmp_path / name for name in ("whole", "killed")}
    for folder in folders.values():
        folder.mkdir()
    status, _, err = program(folders["whole"], *arguments(images, "--stream"))
    assert status == 0, err
    process = program.start(folders["killed"], *arguments(images, "--stream"))
    key = once_training(folders["killed"], process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    status, _, err = program(folders["killed"], "resume", key, "--json")
    assert status == 0, err
    contents = {}
    for name, folder in folders.items():
        contents[name], wrong = kills_contents.read_contents(folder)
        assert wrong == []
    assert kills_contents.differences(contents["whole"], contents["killed"]) == []
