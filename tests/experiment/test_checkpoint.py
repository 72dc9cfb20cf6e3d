"""Checkpoints on disk, without a network: what is written comes back, and what is torn does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune import disk
from tfprune.disk import pack, unpack
from tfprune.errors import RunError
from tfprune.experiment.checkpoint import CheckpointFolder, Position, Shelf
from tfprune.results import (
    ControlResult,
    EpochResult,
    Ledger,
    LevelResult,
    OverlapResult,
    SimilarityResult,
)
from tfprune.runs.trained_again import cost_of_lost
from tfprune.training.state import TrainingState


def state(step: int) -> TrainingState:
    """A state whose every number says which step it is of; more than ten variables."""
    variables = tuple(np.full((2, 3), 100 * step + i, np.float32) for i in range(12))
    return TrainingState(step, variables, (np.full(4, step, np.float32), np.float32(step)))


def position(step: int, **changes) -> Position:
    whole = Position(
        seed=3,
        level=2,
        state=state(step),
        masks={"b": np.array([True, False]), "a": np.array([[False, True, True]])},
        initial=state(0),
        rewind=state(7),
        dense=state(90).variables,
        dense_predictions=np.array([1, 0, 2]),
        movement={"b": np.array([0.5, -1.5]), "a": np.zeros((1, 3))},
    )
    return dataclasses.replace(whole, **changes)


def epoch(number: int) -> EpochResult:
    values = {field.name: 0.125 for field in dataclasses.fields(EpochResult)}
    return EpochResult(**{**values, "seed": 3, "level": 2, "epoch": number})


def row(kind: type, **named):
    """A record of a kind, each number its own; mappings as they are given."""
    values = {field.name: 0.5 + i for i, field in enumerate(dataclasses.fields(kind))}
    return kind(**{**values, **named})


def full_ledger() -> Ledger:
    return Ledger(
        levels=[row(LevelResult, facts={"a": 0.1}, layer_sparsity={"conv": 1 / 3})],
        similarities=[row(SimilarityResult, layer="conv"), row(SimilarityResult, layer="dense")],
        epochs=[epoch(1), epoch(2)],
        controls=[row(ControlResult, control="random-mask", similarity={"cka": {"conv": 0.7}})],
        overlaps=[row(OverlapResult, layer_jaccard={"conv": 0.25}, layer_chance={"conv": 0.2})],
    )


def assert_same_state(found: TrainingState | None, expected: TrainingState) -> None:
    assert found is not None
    assert found.step == expected.step
    for ours, theirs in ((found.variables, expected.variables), (found.slots, expected.slots)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_what_was_written_comes_back_in_its_order(tmp_path):
    folder = CheckpointFolder(tmp_path / "new" / "checkpoint")
    ledger = full_ledger()
    folder.save(position(40), ledger)
    found, known = folder.load()
    assert (found.seed, found.level) == (3, 2)
    assert_same_state(found.state, state(40))
    assert_same_state(found.initial, state(0))
    assert_same_state(found.rewind, state(7))
    for one, other in zip(found.dense, state(90).variables, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.dense_predictions, [1, 0, 2])
    for named, expected in ((found.masks, position(1).masks),
                            (found.movement, position(1).movement)):  # fmt: skip
        assert list(named) == list(expected) == ["b", "a"]
        for name, value in expected.items():
            np.testing.assert_array_equal(named[name], value)
    assert known == ledger
    for one, other in zip(folder.dense_of(3), state(90).variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_records_of_before_are_read_with_what_came_later_empty():
    nested = full_ledger().to_dict()
    later = {
        "levels": ("facts", "layer_sparsity"),
        "controls": ("layer_sparsity",),
        "overlaps": ("layer_jaccard", "layer_chance"),
    }
    for kind, names in later.items():
        for name in names:
            del nested[kind][0][name]
    found = Ledger.from_dict(nested)
    for kind, names in later.items():
        (one,) = getattr(found, kind)
        assert [getattr(one, name) for name in names] == [{} for _ in names]


def test_what_was_not_reached_yet_is_none(tmp_path):
    folder = CheckpointFolder(tmp_path)
    assert folder.load() is None
    early = position(5, rewind=None, dense=None, dense_predictions=None, movement=None)
    folder.save(early, Ledger())
    found, _ = folder.load()
    assert (found.rewind, found.dense, found.dense_predictions, found.movement) == (None,) * 4
    assert_same_state(found.initial, state(0))
    folder.save(position(9), Ledger())  # reached meanwhile
    assert_same_state(folder.load()[0].rewind, state(7))


def test_what_never_changes_is_written_once(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(5), Ledger())
    kept = (tmp_path / "initial-seed3").stat()
    folder.save(position(6, initial=state(1)), Ledger())
    assert (tmp_path / "initial-seed3").stat().st_mtime_ns == kept.st_mtime_ns
    assert_same_state(folder.load()[0].initial, state(0))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dense-seed3", "initial-seed3", "rewind-seed3", "state", "state.previous",
    ]  # fmt: skip
    assert folder.size() == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_torn_state_falls_back_to_the_one_before(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(5), Ledger())
    folder.save(position(6), Ledger(epochs=[epoch(1)]))
    whole = (tmp_path / "state").read_bytes()
    for torn in (whole[:-1], whole[:30], b"", bytes([whole[0] ^ 1]) + whole[1:],
                 whole[:-1] + bytes([whole[-1] ^ 1])):  # fmt: skip
        (tmp_path / "state").write_bytes(torn)
        found, ledger = folder.load()
        assert_same_state(found.state, state(5))
        assert ledger == Ledger()
        assert not (tmp_path / "state").exists()  # it would take the whole one's place
        assert folder.damaged[-1].read_bytes() == torn  # but is not deleted
    (tmp_path / "state.previous").write_bytes(whole[:50])
    assert folder.load() is None
    assert [path.name for path in folder.damaged] == [
        "state.damaged", *(f"state.damaged-{n}" for n in range(2, 6)), "state.previous.damaged",
    ]  # fmt: skip


def test_a_folder_in_a_states_place_is_set_aside_like_any_damage(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(5), Ledger())
    folder.save(position(6), Ledger())
    (tmp_path / "state").unlink()
    (tmp_path / "state" / "inner").mkdir(parents=True)
    assert_same_state(folder.load()[0].state, state(5))
    assert folder.damaged == [tmp_path / "state.damaged"]
    folder.save(position(7), Ledger())
    assert_same_state(folder.load()[0].state, state(7))


@pytest.mark.parametrize("name", ["state", "initial-seed3", "dense-seed3"])
def test_a_file_of_another_run_is_not_taken_for_this_ones(tmp_path, name):
    mine, other = (CheckpointFolder(tmp_path / run / "checkpoint") for run in ("mine", "other"))
    for folder in (mine, other):
        folder.save(position(5, rewind=None, dense=None), Ledger())
        folder.save(position(6), Ledger())
    (mine.folder / name).write_bytes((other.folder / name).read_bytes())
    found = mine.load()
    assert (found is None) is (name == "initial-seed3")
    if found is not None:
        assert_same_state(found[0].state, state(5))
    assert mine.folder / f"{name}.damaged" in mine.damaged
    mine.save(position(7), Ledger())  # what starts over is kept whole again
    assert_same_state(mine.load()[0].state, state(7))


@pytest.mark.parametrize(
    ("source", "place"),
    [("rewind-seed3", "initial-seed3"), ("initial-seed3", "rewind-seed3"), ("state", "dense-seed3"),
     ("dense-seed3", "state")],
)  # fmt: skip
@pytest.mark.parametrize(
    "names_itself", [True, False], ids=["", "of before files named themselves"]
)
def test_a_file_of_the_same_run_in_anothers_place_is_damage(tmp_path, source, place, names_itself):
    folder = CheckpointFolder(tmp_path / "mine" / "checkpoint")
    folder.save(position(6), Ledger())
    arrays, facts = unpack(folder.folder / source)
    assert facts["file"] == source
    if not names_itself:
        del facts["file"]
    (folder.folder / place).write_bytes(pack(arrays, facts))
    assert folder.load() is None
    assert folder.folder / f"{place}.damaged" in folder.damaged


def test_files_of_before_they_named_their_run_are_read(tmp_path):
    folder = CheckpointFolder(tmp_path / "mine" / "checkpoint")
    folder.save(position(6), Ledger())
    for path in folder.folder.iterdir():
        arrays, facts = unpack(path)
        assert (facts.pop("run"), facts.pop("file")) == ("mine", path.name)
        path.write_bytes(pack(arrays, facts))
    assert_same_state(folder.load()[0].state, state(6))
    assert folder.damaged == []


def test_the_loss_of_what_no_training_brings_back_is_an_error(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(6), Ledger())
    (tmp_path / "dense-seed3").write_bytes(b"torn")
    with pytest.raises(RunError) as caught:
        folder.dense_of(3)
    assert str(caught.value) == (
        f"{tmp_path}/dense-seed3 is gone or damaged: it holds the dense network of seed 3. The "
        "run cannot be resumed; restore the file, or start a new run with 'tfprune run --fresh'."
    )
    assert (tmp_path / "dense-seed3.damaged").read_bytes() == b"torn"


def logged(*epochs):
    return {(f"KEY-s3-l{level}", epoch) for level, epoch in epochs}


def test_what_a_lost_checkpoint_costs_is_said(tmp_path):
    one, two = tmp_path / "state.damaged", tmp_path / "state.previous.damaged"
    ledger = Ledger(epochs=[epoch(1), epoch(2)])  # of level 2 of seed 3
    had = logged((2, 1), (2, 2))
    assert cost_of_lost("KEY", [], Ledger(), set()) == ""
    assert cost_of_lost("KEY", [], ledger, had | logged((2, 3))) == ""  # as after any kill
    kept = (
        f"Of the checkpoints in {tmp_path} some cannot be used: they are damaged, belong to "
        "another run, or lack a file that they need; they are kept there as state.damaged"
    )
    assert cost_of_lost("KEY", [one], ledger, had | logged((2, 3))) == (
        f"{kept}. The run resumes from the end of epoch 3 of level 2 of seed 3: 1 epoch of 1 "
        "level is trained again."
    )
    assert cost_of_lost("KEY", [one, two], Ledger(), had | logged((1, 1))) == (
        f"{kept}, state.previous.damaged. There is no other checkpoint: the run starts from the "
        "beginning, 3 epochs of 2 levels are trained again."
    )
    assert cost_of_lost("KEY", [], Ledger(), had) == (
        "There is no checkpoint: the run starts from the beginning, 2 epochs of 1 level are "
        "trained again."
    )


def test_what_a_kill_left_of_a_write_goes(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(5), Ledger())
    written = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / ".state.4711").write_bytes(b"half")
    assert_same_state(folder.load()[0].state, state(5))
    assert sorted(path.name for path in tmp_path.iterdir()) == written


def test_a_state_that_outlasts_no_power_cut_takes_no_durable_ones_place(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(1), Ledger())
    folder.save(position(2), Ledger(), durable=True)
    for step in (3, 4):
        folder.save(position(step), Ledger(), durable=False)
        assert_same_state(folder.load()[0].state, state(step))
        (previous, _) = unpack(tmp_path / "state.previous")
        assert previous["state/variables/00000"][0, 0] == 100
    folder.save(position(5), Ledger())
    (previous, facts) = unpack(tmp_path / "state.previous")
    assert facts["step"] == 4


@pytest.mark.parametrize("name", ["initial", "rewind", "dense"])
def test_a_state_without_a_whole_file_that_it_counts_on_is_none(tmp_path, name):
    folder = CheckpointFolder(tmp_path)
    folder.save(position(1, rewind=None, dense=None), Ledger())
    folder.save(position(2), Ledger())
    (tmp_path / f"{name}-seed3").write_bytes(b"torn")
    found = folder.load()  # the one before knows of theta_0 only
    assert (found is None) is (name == "initial")
    if found is not None:
        assert_same_state(found[0].state, state(1))


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_write_waits_for_the_disk_twice_and_another_not_at_all(
    tmp_path, monkeypatch, durable
):
    """For the content before the name shows it, and for the folder's list of names."""
    calls = []
    sync, replace = disk.os.fsync, disk.os.replace
    monkeypatch.setattr(disk.os, "fsync", lambda file: (calls.append("wait"), sync(file)))
    monkeypatch.setattr(disk.os, "replace", lambda *names: (calls.append("show"), replace(*names)))
    disk.write_whole(tmp_path / "file", b"new", durable=durable)
    assert calls == (["wait", "show", "wait"] if durable else ["show"])
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    path = tmp_path / "state"
    path.write_bytes(b"old")
    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(RunError) as caught:
        disk.write_whole(path, b"new")
    assert str(caught.value) == (
        f"{path} can't be written: No space left on device. Free some space on its disk. The "
        "previous version is intact."
    )
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
    assert path.read_bytes() == b"old"


def test_a_packed_file_is_whole_or_nothing(tmp_path):
    path = tmp_path / "file"
    assert unpack(path) is None
    path.write_bytes(pack({"x": np.arange(3)}, {"a": [1, None]}))
    arrays, facts = unpack(path)
    assert facts == {"a": [1, None]}
    assert list(arrays) == ["x"]
    np.testing.assert_array_equal(arrays["x"], [0, 1, 2])


def test_files_that_stay_without_a_moment_to_go_on_from_are_no_checkpoint(tmp_path):
    folder = CheckpointFolder(tmp_path)
    assert not folder.has_any()
    for name in ("initial-seed0", "rewind-seed0", ".state.123", "state.damaged"):
        (tmp_path / name).write_bytes(b"x")
    assert not folder.has_any()
    for name in ("state.previous", "state"):
        (tmp_path / name).write_bytes(b"x")
        assert folder.has_any()
        (tmp_path / name).unlink()


@pytest.mark.parametrize("damage", ["torn", "of another run", "of another level"])
def test_masks_that_were_kept_are_refused_where_they_are_damaged_or_another_levels(
    tmp_path, damage
):
    shelf = Shelf(tmp_path / "run" / "masks")
    mask = {"conv": np.array([[True, False, True]])}
    shelf.put(3, 1, mask)
    np.testing.assert_array_equal(shelf.get(3, 1).masks["conv"], mask["conv"])
    (file,) = (tmp_path / "run" / "masks").iterdir()
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:20])
    elif damage == "of another run":
        Shelf(tmp_path / "other" / "masks").put(3, 1, mask)
        (other,) = (tmp_path / "other" / "masks").iterdir()
        file.write_bytes(other.read_bytes())
    else:
        shelf.put(3, 2, mask)
        (other,) = (one for one in (tmp_path / "run" / "masks").iterdir() if one != file)
        file.write_bytes(other.read_bytes())
    with pytest.raises(RunError, match="it holds the masks of level 1 of seed 3"):
        shelf.get(3, 1)
    assert shelf.find(3, 1) is None
