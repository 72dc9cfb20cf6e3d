"""Networks as MLflow's models: whole, once, and with the points of the run that trained them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tracking.conftest import CrashError, MemoryClient
from tfprune.tracking import Store, open_store, resolve_store
from tfprune.tracking.errors import RejectedError
from tfprune.tracking.journal import Journal
from tfprune.tracking.recorder import Recorder

TEST = {"name": "digits", "digest": "0123456789abcdef"}
DATASET = {
    **TEST, "source_type": "code", "source": json.dumps({"tags": {"split": "test"}}),
    "schema": json.dumps({}), "profile": json.dumps({"num_rows": 500}), "context": "testing",
}  # fmt: skip


def write_model(folder: Path) -> Path:
    """What MLflow writes of a model, as far as logging it looks."""
    model = folder / "model-final"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text(yaml.safe_dump({"flavors": {"keras": {}}, "model_uuid": "old"}))
    (model / "data" / "model.keras").write_bytes(b"weights")
    return model


def fill(journal: Path, folder: Path, client: Any) -> None:
    """Log a parent with a model that its child trained, in a journal that nobody delivers."""
    model = write_model(folder)
    with Recorder(client, journal, on_gap=lambda message: None) as recorder:
        parent = recorder.start_run("digits", key="KEY")
        child = recorder.start_run("L2", key="KEY-l2", parent=parent)
        child.log_metrics({"accuracy/test": 0.875, "sparsity/global": 0.75}, step=2)
        child.finish()
        parent.log_metrics({"accuracy/test": 0.5}, step=2)  # the mean of several seeds
        parent.log_inputs([DATASET])
        parent.log_model(
            model, params={"level": 2}, tags={"tfprune.run": "KEY"}, trained_by="KEY-l2",
            metrics={"accuracy/test": TEST, "sparsity/global": None, "loss/test": TEST}, step=2,
        )  # fmt: skip
        parent.finish()


@pytest.fixture(scope="module")
def written(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a model in it, of which nothing was delivered, beside the model itself."""
    folder = tmp_path_factory.mktemp("written")
    down = MemoryClient()
    down.identity = open_store(resolve_store(folder=migrated))._client.identity
    down.available = False
    fill(folder / "journal", folder, down)
    shutil.rmtree(folder / "model-final")  # the original may go
    return folder / "journal"


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of that journal, for stores that are copies of the same one."""
    return Path(shutil.copytree(written, tmp_path / "journal"))


def check(store: Store) -> None:
    """The store has the model, its points and its data set, each once."""
    parent, child = store.find_run("KEY"), store.find_run("KEY-l2")
    (model,) = store.logged_models(parent.id)
    assert (model.name, model.status, model.run_id) == ("model-final", "READY", parent.id)
    assert model.params == {"level": "2"}
    assert model.tags["tfprune.run"] == "KEY"
    assert model.metrics == {"accuracy/test": 0.875, "sparsity/global": 0.75}
    assert model.datasets == {"accuracy/test": TEST["digest"]}
    raw = store._client._client
    whole = raw.get_logged_model(model.id)
    (point,) = store.metric_history(child.id, "accuracy/test")
    own = {m.key: (m.timestamp, m.step, m.run_id) for m in whole.metrics}
    assert own["accuracy/test"] == (point.time, 2, child.id)
    assert [p.value for p in store.metric_history(parent.id, "accuracy/test")] == [0.5]
    for run in (parent, child):
        outputs = raw.get_run(run.id).outputs.model_outputs
        assert [(one.model_id, one.step) for one in outputs] == [(model.id, 2)]
    (given,) = raw.get_run(parent.id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", TEST["digest"])
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "testing")]
    said = yaml.safe_load(store.read_text(parent.id, "model-final/MLmodel"))
    assert said == {
        "flavors": {"keras": {}}, "model_uuid": model.id, "model_id": model.id,
        "run_id": parent.id, "artifact_path": model.location,
    }  # fmt: skip
    assert store.read_text(parent.id, "model-final/data/model.keras") == "weights"
    files = ["model-final/MLmodel", "model-final/data/model.keras"]
    assert store.list_artifacts(parent.id) == files
    assert store.list_artifacts(parent.id, "model-final") == files
    assert not list(Path(model.location).rglob(".artifact.uploading.*"))


@pytest.mark.slow
def test_a_model_has_the_points_of_the_run_that_trained_it(folder: Path, store: Store) -> None:
    delivery = store.sync(folder)
    assert (delivery.left, delivery.rejected) == (0, 0)
    check(store)


CALLS = [
    "create_logged_model", "log_model_artifacts", "log_model_artifact", "log_batch", "log_outputs",
    "finalize_logged_model", "log_inputs",
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_kill_at_any_call_of_it_leaves_one_whole_model(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, call: str, when: str
) -> None:
    raw = store._client._client
    real, n_left = getattr(raw, call), [2 if call == "log_outputs" else 1]

    def killed(*args: Any, **kwargs: Any) -> Any:
        is_ours = call != "log_batch" or any(m.model_id for m in kwargs.get("metrics") or ())
        n_left[0] -= is_ours
        if is_ours and n_left[0] == 0 and when == "before":
            raise CrashError
        answer = real(*args, **kwargs)
        if is_ours and n_left[0] == 0:
            raise CrashError
        return answer

    monkeypatch.setattr(raw, call, killed)
    with pytest.raises(CrashError):
        store.sync(folder)
    monkeypatch.setattr(raw, call, real)
    assert store.sync(folder).left == 0
    check(store)


def test_delivering_all_of_it_again_changes_nothing(folder: Path, store: Store) -> None:
    store.sync(folder)
    (folder / "delivered.json").unlink()
    assert store.sync(folder).left == 0
    check(store)


def test_a_lost_store_gets_the_model_again(folder: Path, tmp_path: Path, store: Store) -> None:
    store.sync(folder)
    other = open_store(resolve_store(folder=tmp_path / "other"))
    assert other.sync(folder, anew=True).left == 0
    check(other)


def test_a_store_that_keeps_no_models_gets_the_files(tmp_path: Path) -> None:
    """As servers of MLflow 2: nothing waits for ever, and nothing is lost."""
    client = MemoryClient()
    client.keeps_models = False
    fill(tmp_path / "journal", tmp_path, client)
    (parent,) = [run for run in client.runs.values() if run["key"] == "KEY"]
    assert "weights" in parent["artifacts"]["model-final"]
    assert parent["status"] == "FINISHED"
    assert not (tmp_path / "journal" / "rejected.jsonl").exists()


def test_a_server_without_the_endpoint_refuses_for_good(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND

    def missing(*args: Any, **kwargs: Any) -> Any:
        raise MlflowException("API request failed with 404", error_code=ENDPOINT_NOT_FOUND)

    monkeypatch.setattr(store._client._client, "search_logged_models", missing)
    assert store.logged_models("0" * 32) == []
    with pytest.raises(RejectedError):
        store._client.log_model(
            "0" * 32, Path(), name="m", params={}, tags={}, trained_by="", metrics={}, step=0
        )


def test_what_a_journal_keeps_of_a_model_is_past_a_reopen(folder: Path, store: Store) -> None:
    journal = Journal(folder, store=store._client.identity)
    assert journal.damage == ""
    records = [record for record, _ in journal.pending(100)]
    journal.close()
    (model,) = [record for record in records if record["op"] == "model"]
    assert (folder / model["file"] / "data" / "model.keras").read_bytes() == b"weights"
    store.sync(folder)
    check(store)
