"""Every file of a run: the same bits from process to process, and on any number of cores."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

#: with what trains beside the levels
RUN = (
    "run", "--name", "same", "--levels", "1", "--epochs", "2", "--batch-size", "128",
    "--probe-size", "200", "--replicates", "2", "--control", "random-mask", "--json",
)  # fmt: skip
#: every one, with its interval and null
MEASURES = (
    "--measure", "svcca", "--measure", "pwcca-symmetric", "--measure", "cka",
    "--measure", "cka-debiased", "--measure", "cka-rbf", "--measure", "cka-minibatch",
    "--measure", "procrustes", "--measure", "linear-regression", "--measure", "rsa",
    "--measure", "maximum-match", "--measure", "simple-match",
)  # fmt: skip


@pytest.fixture
def left_by(tmp_path, program, kills_contents):
    """Run in a folder of its own; return a digest of every file, point and record it left."""

    def run(name: str, *args: str, prefix: tuple[str, ...] = (), **environment: str) -> dict:
        folder = tmp_path / name
        folder.mkdir()
        status, _, err = program(folder, *RUN, *args, prefix=prefix, **environment)
        assert status == 0, err
        contents, wrong = kills_contents.read_contents(folder)
        assert wrong == []
        assert any(name.endswith("artifact similarity.csv") for name in contents)
        records = enumerate(kills_contents.read_records(folder))
        return contents | {f"record {n}": line for n, line in records}

    return run


def test_three_processes_leave_the_same_bits_in_every_file(left_by, kills_contents):
    """Though BLAS may use as many threads as it likes, and hashes are salted differently."""
    first = left_by("first", *MEASURES, PYTHONHASHSEED="1")
    for name, threads in (("one", "1"), ("three", "3")):
        again = left_by(name, *MEASURES, PYTHONHASHSEED=threads, OPENBLAS_NUM_THREADS=threads)
        assert kills_contents.differences(first, again) == []


def test_deterministic_gives_the_same_bits_on_one_core_and_on_all(left_by, kills_contents):
    """Of training, that is; the measures that a run computes by default look at what it left."""
    one = left_by("one", "--deterministic", prefix=("taskset", "-c", "0"))
    every = left_by("all", "--deterministic")
    assert kills_contents.differences(one, every) == []
