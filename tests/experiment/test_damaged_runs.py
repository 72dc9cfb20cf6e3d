"""Folders of runs that were damaged: named, passed over, and never told as unknown."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest

from tfprune.config import RunConfig, to_yaml
from tfprune.errors import DamagedError, InputError
from tfprune.experiment.events import RunStarted
from tfprune.report.data import ReportData, write_data
from tfprune.results import Ledger, LevelResult
from tfprune.runs import finding, networks, workspace
from tfprune.runs.models import ModelKeeper, has_mlflow_model, write_network
from tfprune.runs.reporting import Reporter
from tfprune.runs.run import resume
from tfprune.runs.run_file import check_journal, read_run
from tfprune.runs.sync import sync
from tfprune.tracking.journal import Journal

LOGS_EVERYTHING = True
STORE = {"uri": None, "experiment": "tfprune"}
GOOD, BAD = "aaaa11112222", "bbbb11112222"


def made(root, key, **facts):
    kept = {"name": f"run {key[:4]}", "store": STORE, "data": {"train": "d"}, "layers": ["a"]}
    workspace.create(root, key, RunConfig(), **(kept | facts)).close()
    return root / "mlruns" / "runs" / key / "run.json"


def of_before(path):
    """Return what a file says, without its checksum: runs of before had none."""
    facts = json.loads(path.read_text())
    del facts["sum"]
    return facts


def without(path, name):
    path.write_text(json.dumps({k: v for k, v in of_before(path).items() if k != name}))


def changed(path, **values):
    path.write_text(json.dumps(of_before(path) | values))


def folder_instead(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "gone": (lambda path: path.unlink(), "it is gone"),
    "folder": (folder_instead, "a folder is in its place"),
    "empty": (lambda path: path.write_text(""), "it is no JSON (Expecting value: "),
    "half": (lambda path: path.write_text(path.read_text()[:300]), "it is no JSON ("),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\xff"), "it is no JSON ("),
    "list": (lambda path: path.write_text("[]"), "it holds list, not named values"),
    "null": (lambda path: path.write_text("null"), "it holds NoneType, not named values"),
    "braces": (lambda path: path.write_text("{}"), "'name' is missing"),
    "no name": (lambda path: without(path, "name"), "'name' is missing"),
    "no store": (lambda path: without(path, "store"), "'store' is missing"),
    "no config": (lambda path: without(path, "config"), "'config' is missing"),
    "store": (lambda path: changed(path, store=[]), "'store' is []"),
    "uri": (lambda path: changed(path, store={"uri": 3, "experiment": "e"}), "'uri' is 3"),
    "no uri": (lambda path: changed(path, store={}), "'uri' is missing"),
    "finished": (lambda path: changed(path, finished="no"), "'finished' is 'no'"),
    "environment": (lambda path: changed(path, environment=[]), "'environment' is []"),
    "deterministic": (lambda path: changed(path, deterministic="yes"), "'deterministic' is 'yes'"),
    "config": (lambda path: changed(path, config=None), "'config' is None"),
    "another's": (
        lambda path: path.write_bytes((path.parents[1] / GOOD / path.name).read_bytes()),
        f"it is that of run {GOOD}",
    ),
}


@pytest.fixture(params=DAMAGES)
def damaged(request, tmp_path):
    """Two runs, the second of them damaged; with what is said of it."""
    made(tmp_path, GOOD)
    path = made(tmp_path, BAD)
    (path.parent / "records.jsonl").touch()  # its folder is not empty
    harm, reason = DAMAGES[request.param]
    harm(path)
    return tmp_path, f"{path} is damaged: {reason}"


def test_the_other_run_is_found_and_the_damaged_one_named(damaged):
    root, said = damaged
    folder, facts = finding.find_run(root, GOOD)
    assert (folder.name, facts["name"]) == (GOOD, "run aaaa")
    finding.open_run(root, GOOD).close()
    for look in (finding.find_run, finding.open_run):
        with pytest.raises(DamagedError) as caught:
            look(root, BAD[:5])
        assert str(caught.value).startswith(f"run {BAD[:5]!r} can't be read: {said}")
        assert str(caught.value).endswith(" It was left unchanged.")
    with pytest.raises(InputError) as caught:
        finding.find_run(root, "run bbbb")
    assert f"Passed over: {said}" in str(caught.value)


def test_a_new_run_is_not_begun_beside_a_damaged_one_without_a_word(damaged):
    root, said = damaged
    told = []
    found = workspace.find_interrupted(root, RunConfig(), store=STORE, tell=told.append)
    assert found is None  # the good one is not deterministic=False: it noted nothing of it
    (line,) = told
    assert line.startswith(said)
    assert line.endswith(f"Whether run {BAD} is of this configuration can't be told.")


@pytest.mark.parametrize("step", [13, pytest.param(3, marks=pytest.mark.slow)])
def test_a_run_json_with_any_byte_changed_is_never_taken_for_something_else(tmp_path, step):
    """Bytes in turn: it is damaged, or (white space) says what it said."""
    path = made(tmp_path, GOOD, deterministic=True, machine={"threads": 4}, register=None)
    whole = path.read_bytes()
    said = read_run(path.parent)
    assert "sum" not in said
    n_damaged = 0
    for place in range(0, len(whole), step):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        try:
            now = read_run(path.parent)
        except DamagedError as error:
            assert str(error).startswith(f"{path} is damaged: ")  # noqa: PT017
            n_damaged += 1
        else:
            assert {k: v for k, v in now.items() if k in said} == said
            assert now == said or b'"sum"' not in path.read_bytes()
    assert n_damaged > 0.9 * len(json.dumps(said)) / step


def test_a_run_json_of_before_checksums_is_read_and_a_wrong_letter_in_a_name_is_damage(tmp_path):
    path = made(tmp_path, GOOD, deterministic=True)
    facts = of_before(path)
    path.write_text(json.dumps(facts))
    assert read_run(path.parent) == facts
    for name, wrong in (("deterministic", "deterministid"), ("environment", "fnvironment")):
        path.write_text(json.dumps(facts).replace(f'"{name}"', f'"{wrong}"'))
        with pytest.raises(DamagedError) as caught:
            read_run(path.parent)
        assert str(caught.value) == (
            f"{path} is damaged: it says {wrong!r} where {name!r} is missing. It was left "
            "unchanged."
        )
    path.write_text(json.dumps(facts | {"of a later version": 1}))
    assert read_run(path.parent)["of a later version"] == 1


def test_a_run_json_that_was_changed_by_hand_says_how_to_keep_the_change(tmp_path):
    path = made(tmp_path, GOOD)
    path.write_text(path.read_text().replace('"finished": false', '"finished": true'))
    with pytest.raises(DamagedError) as caught:
        finding.open_run(tmp_path, GOOD)
    assert str(caught.value) == (
        f"run {GOOD!r} can't be read: {path} is damaged: its checksum shows that it is not what "
        "was written. Put it back, or, where you have changed it by hand, delete its line 'sum'. "
        "It was left unchanged."
    )
    lines = [line for line in path.read_text().split("\n") if '"sum"' not in line]
    path.write_text("\n".join(lines).replace(",\n}", "\n}"))
    assert read_run(path.parent)["finished"]


def test_a_checkpoint_is_not_deleted_on_the_word_of_one_file(tmp_path):
    """`run.json` says finished, the journal and the checkpoint say that it is not."""
    path = made(tmp_path, GOOD)
    journal = Journal(path.parent)
    journal.append(GOOD, "start", name="run", parent=None, run_id=None, tags={})
    journal.append(GOOD, "finish", status="KILLED")
    journal.close()
    checkpoint = path.parent / "checkpoint" / "state"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"c")
    changed(path, finished=True)
    assert workspace.find_interrupted(tmp_path, RunConfig(), store=STORE) is None
    for command in (resume, sync):
        with pytest.raises(DamagedError) as caught:
            command(GOOD, folder=tmp_path)
        assert str(caught.value) == (
            f"{path} is damaged: it says that the run has finished, and its journal that it has "
            "not. Set 'finished' to false there and delete its line 'sum' to continue. It was left "
            "unchanged."
        )
    assert checkpoint.read_bytes() == b"c"
    journal = Journal(path.parent)
    journal.append(GOOD, "finish", status="FINISHED")
    journal.close()
    with pytest.raises(InputError, match="has finished; there is nothing to resume"):
        resume(GOOD, folder=tmp_path)
    assert not checkpoint.exists()


def test_a_journal_of_another_run_is_not_delivered_for_this_one(tmp_path):
    folders = {}
    for key in (GOOD, BAD):
        folders[key] = made(tmp_path, key).parent
        journal = Journal(folders[key])
        journal.append(f"{key}-s0-l0", "metrics", step=0, values={"loss": 0.5})
        journal.close()
        check_journal(folders[key])
    path = folders[BAD] / "records.jsonl"
    path.write_bytes((folders[GOOD] / path.name).read_bytes())
    for command in (lambda: sync(BAD, folder=tmp_path), lambda: resume(BAD, folder=tmp_path),
                    lambda: sync(BAD, to="sqlite:///x.db", folder=tmp_path)):  # fmt: skip
        with pytest.raises(DamagedError) as caught:
            command()
        assert str(caught.value) == (
            f"{path} is damaged: it is that of run {GOOD}-s0-l0. It was left unchanged."
        )
    finding.open_run(tmp_path, BAD).close()  # the lock was let go
    path.unlink()
    check_journal(folders[BAD])


def test_a_configuration_that_is_none_is_said_with_its_file(tmp_path):
    path = made(tmp_path, GOOD)
    facts = of_before(path)
    facts["config"]["pruning"]["levels"] = "many"
    path.write_text(json.dumps(facts))
    with pytest.raises(DamagedError) as caught:
        finding.open_run(tmp_path, GOOD).config  # noqa: B018
    assert str(caught.value).startswith(f"{path} is damaged: in its configuration, pruning.levels")


def test_a_folder_in_which_nothing_was_written_is_passed_by(tmp_path):
    made(tmp_path, GOOD)
    (tmp_path / "mlruns" / "runs" / BAD).mkdir()
    told = []
    workspace.find_interrupted(tmp_path, RunConfig(), store=STORE, tell=told.append)
    assert told == []


class FakeStore:
    """A run of three levels after the dense one, as the store has it."""

    def __init__(
        self, *, status="FINISHED", levels=range(4), missing=(), config=None, finished=False
    ):
        self.has_finished = finished
        self.parent = SimpleNamespace(
            id="p", key="aa11", name="mine", kind="experiment", parent_id=None, status=status
        )
        self.levels = [
            SimpleNamespace(
                id=f"l{n}", kind="level", status="FINISHED", params={"level": str(n), "seed": "0"}
            )
            for n in levels
        ]
        self.missing = {f"l{n}" for n in missing}
        text = to_yaml(RunConfig())
        assert f"levels: {RunConfig().pruning.levels}\n" in text
        self.text = config or text.replace(f"levels: {RunConfig().pruning.levels}\n", "levels: 3\n")

    def find_run(self, reference):
        return self.parent

    def children(self, run_id):
        return self.levels

    def child(self, run_id, *, level, seed):
        return next(run for run in self.levels if run.params["level"] == str(level))

    def has_artifact(self, run, path):
        return run.id not in self.missing and path == (
            "config.yaml" if run.id == "p" else "model.keras"
        )

    def read_text(self, run_id, path):
        return self.text

    def lacks_end_of(self, run):
        return run.status == "KILLED" and self.has_finished


def test_the_last_level_means_the_last_level():
    assert networks.level_run(FakeStore(), "mine")[1].id == "l3"


@pytest.mark.parametrize("status", ["RUNNING", "KILLED"])
def test_of_a_run_that_has_not_finished_no_level_is_the_last(status):
    with pytest.raises(InputError) as caught:
        networks.level_run(FakeStore(status=status, levels=range(3)), "mine")
    assert str(caught.value) == (
        f"run 'mine' has not finished ({status}), so its last level, 3, is not there; the last one "
        "there is 2: p:2. If it was interrupted, resume it with: tfprune resume aa11"
    )


def test_of_a_finished_run_that_the_store_has_a_part_of_the_upload_is_told():
    with pytest.raises(InputError) as caught:
        networks.level_run(FakeStore(status="KILLED", levels=range(3), finished=True), "mine")
    assert str(caught.value) == (
        "run 'mine' has finished, but not all of it is in MLflow; the last one there is 2: p:2. "
        "Upload the rest with: tfprune sync aa11"
    )


def test_a_last_level_that_is_not_there_is_not_replaced_by_another():
    with pytest.raises(InputError) as caught:
        networks.level_run(FakeStore(levels=range(3)), "mine")
    assert str(caught.value) == (
        "the last level of run 'mine', 3, is not in the store; the last one there is 2: p:2."
    )
    for reference in ("mine", "mine:3"):
        with pytest.raises(InputError) as caught:
            networks.load_network(reference, FakeStore(missing=[3]))
        assert str(caught.value).endswith(
            f"({reference}) has no network in the store: neither model.keras nor network.npz is "
            "among its artifacts. Choose another level, or restore them."
        )


@pytest.mark.parametrize("text", ["[]", "null", "{}", "a: [", "pruning: {levels: x}", "pruning: 3"])
def test_a_damaged_configuration_in_the_store_is_named(text):
    with pytest.raises(DamagedError) as caught:
        networks.level_run(FakeStore(config=text), "mine:1")
    assert str(caught.value).startswith("config.yaml of run 'mine' (p) is damaged: ")


def rows_of(*levels, accuracy=0.9):
    zeros = {field.name: 0.0 for field in dataclasses.fields(LevelResult)}
    return [
        LevelResult(**{**zeros, "seed": 0, "level": n, "sparsity": n / 4,
                       "accuracy_test": accuracy, "facts": {}, "layer_sparsity": {}})
        for n in levels
    ]  # fmt: skip


def kept_network(path, row, **changes):
    facts = {"level": row.level, "seed": row.seed, "sparsity": row.sparsity,
             "accuracy_test": row.accuracy_test} | changes  # fmt: skip
    write_network(path, SimpleNamespace(variables=()), facts)


LOST_NETWORKS = {
    "gone": lambda path, row: path.unlink(missing_ok=True),
    "half": lambda path, row: path.write_bytes(path.read_bytes()[:50]),
    "folder": lambda path, row: (path.unlink(), path.mkdir()),
    "another run's": lambda path, row: kept_network(path, row, accuracy_test=0.8),
    "another level's": lambda path, row: kept_network(path, row, level=7),
}


@pytest.mark.parametrize("harm", LOST_NETWORKS)
def test_a_kept_network_that_is_lost_is_said_and_ends_no_trained_run(tmp_path, harm):
    told = []
    keeper = ModelKeeper(tmp_path, tell=told.append)
    rows = rows_of(0, 1, 2)
    plan = SimpleNamespace(config=SimpleNamespace(seed=0))
    keeper(RunStarted(plan, Ledger(levels=rows)))
    for name in ("best", "final"):
        kept_network(tmp_path / f"{name}.npz", rows[2])
        LOST_NETWORKS[harm](tmp_path / f"{name}.npz", rows[2])
    assert keeper.write() == []
    assert told == [
        f"model-{name} was not written: {tmp_path}/{name}.npz is gone, damaged or of another run. "
        "The network itself is stored with its level: tfprune export RUN:LEVEL"
        for name in ("best", "final")
    ]


def test_a_level_before_the_last_is_not_the_final_model(tmp_path):
    told = []
    keeper = ModelKeeper(tmp_path, tell=told.append)
    rows = rows_of(0, 1, 2)
    keeper(RunStarted(SimpleNamespace(config=SimpleNamespace(seed=0)), Ledger(levels=rows)))
    kept_network(tmp_path / "final.npz", rows[1])
    assert keeper.write() == []
    assert "model-final was not written" in told[-1]
    best = [(tmp_path / "model-best", {})]
    best[0][0].mkdir()
    assert not has_mlflow_model(best)  # and the best one is not registered in its place


def test_pictures_that_are_lost_are_said_and_the_report_is_written_without_them(tmp_path):
    told = []
    reporter = Reporter(tmp_path / "mine", name="mine", tell=told.append)
    rows = rows_of(0, 1, 2, 3)
    pictures = tmp_path / "mine" / "pictures"
    for row, run in zip(rows, ("mine", None, "other", "mine"), strict=True):
        write_data(pictures / f"seed0-level{row.level}.npz",
                   ReportData(name="", levels=(), run_id=run))  # fmt: skip
    path = pictures / "seed0-level3.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert [reporter._kept(row) is not None for row in rows] == [True, True, False, False]
    begin = (
        "The report lacks the layer-by-layer map, the filters and the images with a changed "
        "answer of level"
    )
    assert told[0] == (
        f"{begin} 2 of seed 0: {pictures}/seed0-level2.npz is damaged: it is of another run. It "
        "was left unchanged."
    )
    assert told[1].startswith(f"{begin} 3 of seed 0: {path} is not report data of tfprune (")
