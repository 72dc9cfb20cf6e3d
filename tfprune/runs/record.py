"""An experiment as MLflow runs: a parent, and one child per seed and level."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import RunConfig, config_hash, flatten, to_dict, to_yaml
from tfprune.data.description import describe
from tfprune.experiment.comparison import attribution_csv
from tfprune.experiment.events import (
    ControlFinished,
    EpochFinished,
    Event,
    FloorMeasured,
    LevelFinished,
    LevelStarted,
    RunStarted,
)
from tfprune.experiment.tickets import REWIND_FILE, write_rewind
from tfprune.pruning.mask_files import save_masks
from tfprune.report.summary import markdown_note
from tfprune.results import (
    DENSE,
    SEED_FLOOR,
    ControlResult,
    EpochResult,
    Ledger,
    LevelResult,
    SimilarityResult,
    controls_csv,
    levels_csv,
    mask_overlap_csv,
    similarity_csv,
)
from tfprune.runs.inputs import dataset_inputs, headline_params
from tfprune.runs.models import NETWORK_FILE, image_inputs, write_network
from tfprune.runs.trained_again import EPOCH_METRIC, level_key
from tfprune.tracking import (
    control_color,
    control_run_name,
    distinct_keys,
    layer_key,
    level_run_name,
    run_color,
)

if TYPE_CHECKING:
    from tfprune.experiment.comparison import ComparisonResult
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.runs.workspace import Workspace
    from tfprune.tracking import Delivery, Recorder, Run, Store


class RunRecord:
    """Writes what an experiment shows into MLflow runs, as CONTRIBUTING's map names them."""

    def __init__(
        self,
        recorder: Recorder,
        config: RunConfig,
        *,
        name: str,
        key: str,
        computed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._recorder = recorder
        self._config = config
        self._key = key
        self._children: dict[tuple[int, int], Run] = {}
        self._ledger = Ledger()
        self.parent = recorder.start_run(
            name,
            key=key,
            tags={"tfprune.kind": "experiment", "tfprune.version": version("tfprune"),
                  "tfprune.config_hash": config_hash(config),
                  **{f"tfprune.{fact}": value for fact, value in computed.items()}},
        )  # fmt: skip

    def __call__(self, event: Event) -> None:
        """Log what happened."""
        if isinstance(event, RunStarted):
            self._begin(event.plan, event.ledger)
        elif isinstance(event, LevelStarted):
            self._begin_level(event.seed, event.level)
        elif isinstance(event, EpochFinished):
            self._log_epoch(event.result)
        elif isinstance(event, LevelFinished):
            self._log_level(event.result, event.similarities, event.trained)
        elif isinstance(event, ControlFinished):
            self._log_control(event.result)
        elif isinstance(event, FloorMeasured):
            self._log_floor(event.similarities)

    def _begin(self, plan: Plan, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger
        facts: dict[str, Any] = {
            "n_parameters": plan.n_parameters,
            "n_prunable_weights": sum(tensor.size for tensor in plan.tensors),
            "n_train": len(plan.dataset.train),
            "n_validation": len(plan.dataset.validation),
            "n_test": len(plan.dataset.test),
            "steps_per_level": plan.n_steps,
        }
        settings = {
            name: value
            for name, value in flatten(to_dict(self._config)).items()
            if value is not None and value not in ([], {}, ())
        }
        self.parent.log_params({**headline_params(self._config), **settings, **facts})
        self.parent.log_inputs(dataset_inputs(plan, self._config.seed))
        self.parent.log_text(to_yaml(self._config), "config.yaml", checked=True)
        data = {**describe(plan.dataset), "digests": plan.data_digest}
        self.parent.log_text(json.dumps(data, indent=1, ensure_ascii=False), "data.json")

    def _begin_level(self, seed: int, level: int) -> None:
        n_levels = self._config.pruning.levels
        target = self._plan.sparsity_at(level)
        known = {} if target is None else {"target_sparsity": round(target, 6)}
        self._children[seed, level] = self._recorder.start_run(
            level_run_name(level, seed=seed, sparsity=target, n_levels=n_levels),
            key=level_key(self._key, seed, level),
            params={"level": level, "seed": seed, **known},
            # as tags: the page that compares levels opens on their first param by name, the level
            tags={
                "tfprune.kind": "level",
                "mlflow.runColor": run_color(level, n_levels),
                **headline_params(self._config),
            },
            parent=self.parent,
        )
        self._children[seed, level].log_inputs(dataset_inputs(self._plan, seed))
        for row in self._ledger.epochs:  # a power cut may have taken them from the journal
            if (row.seed, row.level) == (seed, level):
                self._log_epoch(row)

    def _log_epoch(self, row: EpochResult) -> None:
        # accuracy first: MLflow's compare page opens on the metric that runs logged first, and
        # similarity is known only when the level has finished
        points = {
            "epoch/validation_accuracy": row.validation_accuracy,
            "epoch/accuracy": row.accuracy,
            "epoch/validation_loss": row.validation_loss,
            EPOCH_METRIC: row.loss,
            "epoch/learning_rate": row.learning_rate,
        }
        known = {name: value for name, value in points.items() if value is not None}
        self._children[row.seed, row.level].log_metrics(known, step=row.epoch)

    def _log_level(
        self,
        result: LevelResult,
        similarities: tuple[SimilarityResult, ...],
        trained: TrainedLevel,
    ) -> None:
        child = self._children[result.seed, result.level]
        headline = _headline(result)
        keys = distinct_keys("sparsity", result.layer_sparsity)
        layers = {keys[layer]: share for layer, share in result.layer_sparsity.items()}
        facts = {f"facts/{name}": value for name, value in result.facts.items()}
        child.log_metrics(headline | layers | facts | {"flips": result.flips}, step=result.level)
        for row in similarities:
            child.log_metrics({f"profile/{row.measure}": row.similarity}, step=row.layer_index)
            if row.null is not None:
                child.log_metrics({f"null/{row.measure}": row.null}, step=row.layer_index)
            child.log_metrics(
                {f"{row.measure}/{layer_key(row.layer_index, row.layer)}": row.similarity},
                step=result.level,
            )
        self._log_network(child, trained)
        self._mirror(result.level)
        self._log_tables()
        child.finish("FINISHED")

    def _log_network(self, child: Run, trained: TrainedLevel) -> None:
        """Store the masks, and the network as a plain Keras file without tfmot's wrappers.

        A network that no Keras file can hold is stored as its weights alone.
        """
        from tfprune.models.files.metadata import write_metadata

        said = image_inputs(self._plan, trained.normalization).as_dict()
        with tempfile.TemporaryDirectory() as folder:
            masks = Path(folder) / "mask.npz"
            save_masks(masks, trained.masks)
            network, data = trained.network, self._plan.dataset
            if self._plan.leaving.file is None:
                model = Path(folder) / "model.keras"
                network.save(model, save_format="keras")
                write_metadata(model, said)
            else:
                shapes = {
                    "input_shape": data.input_shape,
                    "n_classes": data.n_classes,
                    "layer_names": self._plan.layer_names,
                    **said,
                }
                model = write_network(Path(folder) / NETWORK_FILE, network, shapes, durable=False)
            child.log_file(masks, checked=True)
            if trained.level == 0:
                start = write_rewind(Path(folder) / REWIND_FILE, trained.start)
                child.log_file(start, checked=True)
            child.log_file(model, checked=True)

    def _mirror(self, level: int) -> None:
        """Show a level on the parent, as the mean over replicates once all of them have it."""
        rows = [row for row in self._ledger.levels if row.level == level]
        if len(rows) < self._config.replicates:
            return
        named: dict[str, list[float]] = {}
        for row in rows:
            for name, value in _headline(row).items():
                named.setdefault(name, []).append(value)
        for found in self._ledger.similarities:
            if found.level == level and found.against == DENSE:
                key = f"{found.measure}/{layer_key(found.layer_index, found.layer)}"
                named.setdefault(key, []).append(found.similarity)
        means = {name: float(np.mean(values)) for name, values in named.items()}
        self.parent.log_metrics(means, step=level)

    def _log_control(self, result: ControlResult) -> None:
        n_levels = self._config.pruning.levels
        run = self._recorder.start_run(
            control_run_name(result.control, result.level, seed=result.seed, n_levels=n_levels),
            key=f"{self._key}-s{result.seed}-l{result.level}-{result.control}",
            params={"level": result.level, "seed": result.seed, "control": result.control},
            tags={"tfprune.kind": "control",
                  "mlflow.runColor": control_color(result.level, n_levels),
                  **headline_params(self._config)},
            parent=self.parent,
        )  # fmt: skip
        metrics = {
            "accuracy/test": result.accuracy_test,
            "loss/test": result.loss_test,
            "sparsity/global": result.sparsity,
        }
        if result.accuracy_validation is not None:
            metrics["accuracy/validation"] = result.accuracy_validation
        run.log_metrics(metrics, step=result.level)
        for measure, layers in result.similarity.items():
            for index, value in enumerate(layers.values()):
                run.log_metrics({f"profile/{measure}": value}, step=index)
        run.finish("FINISHED")

    def _log_floor(self, similarities: tuple[SimilarityResult, ...]) -> None:
        child = self._children[similarities[0].seed, 0]
        for row in similarities:
            kind = "floor" if row.against == SEED_FLOOR else f"floor-{row.against}"
            name, other = f"{kind}/{row.measure}", row.against_seed
            if other is not None and other != self._config.seed:
                name += f"-seed{other}"
            child.log_metrics({name: row.similarity}, step=row.layer_index)

    def _log_tables(self) -> None:
        self.parent.log_text(levels_csv(self._ledger.levels), "levels.csv")
        self.parent.log_text(similarity_csv(self._ledger.similarities), "similarity.csv")
        if self._ledger.controls:
            self.parent.log_text(controls_csv(self._ledger.controls), "controls.csv")
        if self._ledger.overlaps:
            self.parent.log_text(mask_overlap_csv(self._ledger.overlaps), "mask-overlap.csv")

    def finish(self, report: Path, models: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
        """Log the tables of all levels, the report, its figures and the models; end the parent."""
        self._log_tables()
        self.parent.set_note(markdown_note(self._ledger.levels, self._ledger.similarities))
        for path, facts in models:
            if path.is_dir():
                self._log_model(path, facts)
            else:
                self.parent.log_file(path)
        self.parent.log_file(report)
        self.parent.log_file(report.with_name("report-data.npz"))
        self.parent.log_file(report.with_name("plots"))
        self.parent.finish("FINISHED")

    def _log_model(self, folder: Path, facts: Mapping[str, Any]) -> None:
        level, seed = facts["level"], facts["seed"]
        measured = {
            given["context"]: {"name": given["name"], "digest": given["digest"]}
            for given in reversed(dataset_inputs(self._plan, seed))  # the plan's own test images
        }
        self.parent.log_model(
            folder,
            params={**headline_params(self._config), "level": level, "seed": seed},
            tags={"tfprune.kind": folder.name, "tfprune.run": self._key},
            trained_by=level_key(self._key, seed, level),
            metrics={
                "accuracy/test": measured["testing"],
                "loss/test": measured["testing"],
                "accuracy/validation": measured.get("validation"),
                "sparsity/global": None,
            },
            step=level,
        )


def _headline(result: LevelResult) -> dict[str, float]:
    """Return the metrics that stand on the parent as well as on the level's own run."""
    found = {
        "accuracy/test": result.accuracy_test,
        "loss/test": result.loss_test,
        "sparsity/global": result.sparsity,
    }
    if result.accuracy_validation is not None and result.loss_validation is not None:
        found["accuracy/validation"] = result.accuracy_validation
        found["loss/validation"] = result.loss_validation
    return found


def record_comparison(
    store: Store,
    result: ComparisonResult,
    workspace: Workspace,
    config: RunConfig,
    tell: Callable[[str], None],
) -> ComparisonResult:
    """Log a comparison as a run of its own; return it with MLflow's id of the run.

    What MLflow does not take stays in the workspace's journal and is told, with the command
    that delivers it; a workspace of which nothing is left to deliver is removed.
    """
    from tfprune.report.matrix import save_matrix_figures

    with (
        tempfile.TemporaryDirectory() as folder,
        store.record(workspace.folder, on_gap=tell) as recorder,
    ):
        run = recorder.start_run(
            workspace.facts["name"],
            key=workspace.key,
            params={"a": result.a, "b": result.b, "layout": result.layout,
                    "n_images": result.n_images, "dataset": config.data.dataset},
            tags={"tfprune.kind": "comparison", "tfprune.version": version("tfprune")},
        )  # fmt: skip
        same = [(result.layers_a.index(a), result.layers_b.index(b)) for a, b in result.same_places]
        for measure, values in result.values.items():
            for i, j in same:
                run.log_metrics({f"profile/{measure}": float(values[i, j])}, step=i)
        run.log_text(result.csv(), "similarity.csv")
        if result.attribution:
            run.log_text(attribution_csv(result.attribution), "attribution.csv")
            for i, row in enumerate(result.attribution):
                if row.held_out is not None and row.attribution is not None:
                    points = {"profile/cca-held-out": row.held_out,
                              "profile/variance-kept": row.attribution.kept_variance}  # fmt: skip
                    run.log_metrics(points, step=i)
        run.log_file(save_matrix_figures(Path(folder) / "plots", result))
        run.finish("FINISHED")
    standing = recorder.standing
    if standing.left:
        tell(waiting_message(standing, workspace.key))
    if standing.left or standing.rejected:
        workspace.close()
    else:
        workspace.remove()
    return dataclasses.replace(result, run_id=run.id, key=run.key, undelivered=standing.left)


def waiting_message(standing: Delivery, key: str) -> str:
    """What is said at the end of a run whose records MLflow has not taken."""
    why = f"by {standing.fault}" if standing.fault else "the store does not answer"
    return (
        f"{standing.left} records are not delivered yet, {why}. "
        f"Deliver them with: tfprune sync {key}"
    )
