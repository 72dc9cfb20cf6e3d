"""Networks as MLflow keeps models since its version 3: with metrics, data set and an address.

Every call may be repeated without harm: a model is looked for by its run and name before it is
created, and it is READY only when all that belongs to it is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfprune.tracking.kept_files import make_way

READY = "READY"
_SOURCE = {"mlflow.source.name": "tfprune", "mlflow.source.type": "LOCAL"}


@dataclass(frozen=True, eq=False)
class ModelInfo:
    """A logged model as the store knows it; `models:/<id>` is its address.

    metrics: name -> value, of the run that trained it. datasets: name -> the digest of the data
    set that the metric was measured on.
    """

    id: str
    name: str
    status: str
    run_id: str
    location: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)


class LoggedModels:
    """The logged models of one experiment; `mlflow` is the package, `client` its client."""

    def __init__(self, mlflow: Any, client: Any, experiment_id: str) -> None:
        self._mlflow = mlflow
        self._client = client
        self._experiment_id = experiment_id

    def of_run(self, run_id: str, name: str | None = None) -> list[Any]:
        """Return MLflow's records of a run's models, by name; only that called `name` if given."""
        wanted = f"source_run_id = '{run_id}'" + (f" AND name = '{name}'" if name else "")
        found = self._client.search_logged_models(
            experiment_ids=[self._experiment_id], filter_string=wanted
        )
        return sorted(found, key=lambda model: str(model.name))

    def log(
        self,
        run_id: str,
        folder: Path,
        *,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        trained_by: str,
        metrics: Mapping[str, Mapping[str, str] | None],
        step: int,
    ) -> Path | None:
        """Log an MLflow model folder as `name` of a run; return where it lies on this machine.

        trained_by: the run of whose points those of `metrics` are the model's; it names the
        model among its outputs, as the run does. metrics: name -> `name` and `digest` of the data
        set that it was measured on, None for what no data set decides. None comes back where the
        model lies elsewhere.
        """
        known = self.of_run(run_id, name)
        model = known[0] if known else self._client.create_logged_model(
            self._experiment_id, name=name, source_run_id=run_id, params=dict(params),
            tags={**_SOURCE, **tags},
        )  # fmt: skip
        place = Path(model.artifact_location)
        if str(model.status) == READY:
            return place if place.is_absolute() else None
        if place.is_absolute():
            for left in list(place.rglob(".artifact.uploading.*")):  # of a process that was killed
                left.unlink(missing_ok=True)
            make_way(folder, place)
        self._client.log_model_artifacts(model.model_id, str(folder))
        with tempfile.TemporaryDirectory() as scratch:
            said = _about(folder, model, run_id)
            (Path(scratch) / "MLmodel").write_text(said, encoding="utf-8")
            self._client.log_model_artifact(model.model_id, str(Path(scratch) / "MLmodel"))
        self._log_metrics(model, trained_by, metrics)
        for one in dict.fromkeys([run_id, trained_by]):
            self._log_output(one, model.model_id, step)
        self._client.finalize_logged_model(model.model_id, READY)
        return place if place.is_absolute() else None

    def _log_metrics(
        self, model: Any, run_id: str, names: Mapping[str, Mapping[str, str] | None]
    ) -> None:
        """Give a model its run's points, each as it was logged; those it has stay."""
        entities = self._mlflow.entities
        have = {(m.key, m.timestamp, m.step) for m in model.metrics or ()}
        points = [
            entities.Metric(
                point.key, point.value, point.timestamp, point.step, model_id=model.model_id,
                dataset_name=dataset["name"] if dataset else None,
                dataset_digest=dataset["digest"] if dataset else None,
                run_id=run_id,
            )
            for name, dataset in names.items()
            for point in self._client.get_metric_history(run_id, name)
            if (point.key, point.timestamp, point.step) not in have
        ]  # fmt: skip
        if points:
            self._client.log_batch(run_id, metrics=points)

    def _log_output(self, run_id: str, model_id: str, step: int) -> None:
        outputs = self._client.get_run(run_id).outputs
        if model_id not in {one.model_id for one in (outputs.model_outputs if outputs else ())}:
            output = self._mlflow.entities.LoggedModelOutput(model_id=model_id, step=step)
            self._client.log_outputs(run_id, models=[output])


def _about(folder: Path, model: Any, run_id: str) -> str:
    """Return the folder's MLmodel file with the ids that the model has in the store."""
    import yaml

    said = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    said |= {
        "artifact_path": model.artifact_location,
        "model_id": model.model_id,
        "model_uuid": model.model_id,
        "run_id": run_id,
    }
    return str(yaml.safe_dump(said, sort_keys=False, allow_unicode=True))


def info(model: Any) -> ModelInfo:
    """Return what MLflow's record of a model says."""
    metrics = sorted(model.metrics or (), key=lambda m: (m.step, m.timestamp))
    return ModelInfo(
        id=model.model_id,
        name=model.name,
        status=str(model.status),
        run_id=model.source_run_id or "",
        location=model.artifact_location,
        params=dict(model.params or {}),
        tags=dict(model.tags or {}),
        metrics={m.key: m.value for m in metrics},
        datasets={m.key: m.dataset_digest for m in metrics if m.dataset_digest},
    )


def settle_folder(folder: Path, network: Path) -> None:
    """Write a model folder's MLmodel anew, without the time and the random id that MLflow gives.

    The id follows from the network and what is said of it. MLflow reads a model without a time
    like any other.
    """
    import hashlib
    import uuid

    import yaml

    path = folder / "MLmodel"
    facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    del facts["utc_time_created"], facts["model_uuid"]
    text = yaml.safe_dump(facts, allow_unicode=True)
    digest = hashlib.sha256(network.read_bytes() + text.encode()).hexdigest()
    facts["model_uuid"] = uuid.uuid5(uuid.NAMESPACE_OID, digest).hex
    path.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
