"""An experiment as MLflow runs: a parent, and one child per seed and level."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import RunConfig, config_hash, flatten, to_dict, to_yaml
from tfprune.data.description import describe
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
from tfprune.models.identity import MODEL_TAG
from tfprune.pruning.mask_files import save_masks
from tfprune.report.classes import classes_csv, forgotten_csv
from tfprune.report.collapse import collapsed_seeds, not_collapsed
from tfprune.report.spoken import as_share
from tfprune.report.summary import markdown_note
from tfprune.results import (
    ALSO_ACCURACY,
    ALSO_POTENTIAL,
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
from tfprune.results.descriptions import DescriptionResult, descriptions_csv, units_csv
from tfprune.runs.inputs import dataset_inputs, headline_params
from tfprune.runs.models import NETWORK_FILE, image_inputs, write_network
from tfprune.runs.run_file import COLLAPSED
from tfprune.runs.trained_again import EPOCH_METRIC, level_key
from tfprune.tracking import (
    control_color,
    control_run_name,
    distinct_keys,
    layer_key,
    level_run_name,
    metric_key,
    run_color,
)

if TYPE_CHECKING:
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.tracking import Delivery, Recorder, Run


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
        sweep: str | None = None,
    ) -> None:
        self._recorder = recorder
        self._config = config
        self._key = key
        # levels of all experiments are called alike: by these tags they are told apart
        self._told = {**headline_params(config), "Run": name}
        self._children: dict[tuple[int, int], Run] = {}
        self._ledger = Ledger()
        self.parent = recorder.start_run(
            name,
            key=key,
            tags={"tfprune.kind": "experiment", "tfprune.version": version("tfprune"),
                  "tfprune.config_hash": config_hash(config),
                  **({"tfprune.sweep": sweep} if sweep else {}),
                  **{f"tfprune.{fact}": value for fact, value in computed.items()}},
            within=sweep,
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
            self._log_level(event.result, event.similarities, event.trained, event.descriptions)
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
        if plan.model is not None:
            self.parent.set_tags({MODEL_TAG: json.dumps(plan.model.as_dict())})
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
                **self._told,
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
        descriptions: tuple[DescriptionResult, ...],
    ) -> None:
        child = self._children[result.seed, result.level]
        headline = _headline(result)
        keys = distinct_keys("sparsity", result.layer_sparsity)
        layers = {keys[layer]: share for layer, share in result.layer_sparsity.items()}
        facts = {f"facts/{name}": value for name, value in result.facts.items()}
        child.log_metrics(headline | layers | facts | {"flips": result.flips}, step=result.level)
        for row in similarities:
            profile = {f"profile/{row.measure}": row.similarity}
            if row.null is not None:
                profile[f"null/{row.measure}"] = row.null
            if row.dense_share is not None:
                share = as_share(row)
                profile[f"share/{row.measure}"] = share.similarity
                if share.null is not None:
                    profile[f"null-share/{row.measure}"] = share.null
            child.log_metrics(profile, step=row.layer_index)
            child.log_metrics(_by_layer(row), step=result.level)
        for known in descriptions:
            if known.value is not None:
                child.log_metrics(
                    {f"profile/{known.quantity}": known.value}, step=known.layer_index
                )
                child.log_metrics({_described_key(known): known.value}, step=result.level)
        self._log_network(child, trained)
        self._mirror(result.level)
        self._log_tables()
        child.finish("FINISHED")

    def _log_network(self, child: Run, trained: TrainedLevel) -> None:
        """Store the masks, and the network as a plain Keras file without tfmot's wrappers.

        A network that no Keras file can hold is stored as its weights alone.
        """
        from tfprune.models.files.metadata import write_metadata
        from tfprune.models.files.write import save

        said = image_inputs(self._plan, trained.normalization).as_dict()
        with tempfile.TemporaryDirectory() as folder:
            masks = Path(folder) / "mask.npz"
            save_masks(masks, trained.masks)
            network, data = trained.network, self._plan.dataset
            if self._plan.leaving.file is None:
                model = Path(folder) / "model.keras"
                save(network, model)
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
        """Show a level on the parent, over replicates, once all of them have it.

        As in the report: the median of accuracies, the mean of all else; replicates that collapsed
        are left out and counted. Of a layer that could not be compared in some, over the others.
        """
        rows = [row for row in self._ledger.levels if row.level == level]
        if len(rows) < self._config.replicates:
            return
        named: dict[str, list[float]] = {}
        whole = not_collapsed(self._ledger.levels, level=level)
        seeds = {row.seed for row in whole}
        for row in whole:
            for name, value in _headline(row).items():
                named.setdefault(name, []).append(value)
        for found in self._ledger.similarities:
            if found.level == level and found.against == DENSE and found.seed in seeds:
                for name, value in _by_layer(found).items():
                    named.setdefault(name, []).append(value)
        for described in self._ledger.descriptions:
            at_level = described.level == level and described.seed in seeds
            if at_level and described.value is not None:
                named.setdefault(_described_key(described), []).append(described.value)
        known = {name: [v for v in values if np.isfinite(v)] for name, values in named.items()}
        shown = {
            name: median(values) if name in _ACCURACIES else float(np.mean(values))
            for name, values in known.items()
            if values
        }
        if self._config.replicates > 1:
            shown[COLLAPSED] = float(len(collapsed_seeds(self._ledger.levels, level=level)))
        self.parent.log_metrics(shown, step=level)

    def _log_control(self, result: ControlResult) -> None:
        n_levels = self._config.pruning.levels
        run = self._recorder.start_run(
            control_run_name(result.control, result.level, seed=result.seed, n_levels=n_levels),
            key=f"{self._key}-s{result.seed}-l{result.level}-{result.control}",
            params={"level": result.level, "seed": result.seed, "control": result.control},
            tags={"tfprune.kind": "control",
                  "mlflow.runColor": control_color(result.level, n_levels),
                  **self._told},
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
        for measure, shares in result.dense_share.items():
            for index, layer in enumerate(result.similarity[measure]):
                if layer in shares:
                    run.log_metrics({f"share/{measure}": shares[layer]}, step=index)
        run.finish("FINISHED")

    def _log_floor(self, similarities: tuple[SimilarityResult, ...]) -> None:
        child = self._children[similarities[0].seed, 0]
        for row in similarities:
            kind = "floor" if row.against == SEED_FLOOR else f"floor-{row.against}"
            name, other = row.measure, row.against_seed
            if other is not None and other != self._config.seed:
                name += f"-seed{other}"
            points = {f"{kind}/{name}": row.similarity}
            if row.dense_share is not None:
                points[f"{kind}-share/{name}"] = as_share(row).similarity
            child.log_metrics(points, step=row.layer_index)

    def _log_tables(self) -> None:
        found, names = self._ledger, self._plan.dataset.class_names
        tables = {
            "levels.csv": levels_csv(found.levels),
            "similarity.csv": similarity_csv(found.similarities),
            "controls.csv": controls_csv(found.controls) if found.controls else "",
            "mask-overlap.csv": mask_overlap_csv(found.overlaps) if found.overlaps else "",
            "classes.csv": classes_csv(found.classes, names) if found.classes else "",
            "forgotten.csv": forgotten_csv(found.forgotten, names) if found.forgotten else "",
            "descriptions.csv": descriptions_csv(found.descriptions) if found.descriptions else "",
            "units.csv": units_csv(found.units) if found.units else "",
        }
        for name, text in tables.items():
            if text:
                self.parent.log_text(text, name, checked=True)

    def finish(self, report: Path, models: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
        """Log the tables of all levels, the report, its figures and the models; end the parent."""
        self._log_tables()
        self.parent.set_note(markdown_note(self._ledger.levels, self._ledger.similarities))
        for path, facts in models:
            if path.is_dir():
                self._log_model(path, facts)
            else:
                self.parent.log_file(path)
        self.parent.log_file(report, checked=True)
        self.parent.log_file(report.with_name("report-data.npz"), checked=True)
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


def _described_key(row: DescriptionResult) -> str:
    return f"{row.quantity}/{layer_key(row.layer_index, row.layer)}"


def _by_layer(row: SimilarityResult) -> dict[str, float]:
    """Return `svcca/00_conv1` and, where it is known, the share `svcca-share/00_conv1`."""
    layer = layer_key(row.layer_index, row.layer)
    share = {} if row.dense_share is None else {
        f"{row.measure}-share/{layer}": as_share(row).similarity
    }  # fmt: skip
    return {f"{row.measure}/{layer}": row.similarity} | share


# those of which report and terminal give the median
_ACCURACIES = ("accuracy/test", "accuracy/validation")


def _headline(result: LevelResult) -> dict[str, float]:
    """Return the metrics that stand on the parent as well as on the level's own run."""
    found = {
        "accuracy/test": result.accuracy_test,
        "loss/test": result.loss_test,
        "sparsity/global": result.sparsity,
    }
    on = tuple(f"{kind}/" for kind in (ALSO_ACCURACY, ALSO_POTENTIAL))
    shifted = [name for name in result.facts if name.startswith(on)]
    found |= {metric_key(name): result.facts[name] for name in shifted}
    if result.accuracy_validation is not None and result.loss_validation is not None:
        found["accuracy/validation"] = result.accuracy_validation
        found["loss/validation"] = result.loss_validation
    return found


def tell_waiting(recorder: Recorder, key: str, tell: Callable[[str], None]) -> int:
    """Tell of records that MLflow has not taken, if any; return how many it lacks in the end."""
    standing = recorder.standing
    if standing.left:
        tell(waiting_message(standing, key))
    return standing.left + standing.rejected


def waiting_message(standing: Delivery, key: str) -> str:
    """What is said at the end of a run whose records MLflow has not taken."""
    why = f"by {standing.fault}" if standing.fault else "the store does not respond"
    said, them = (
        ("1 record is", "it") if standing.left == 1 else (f"{standing.left} records are", "them")
    )
    return f"{said} not uploaded yet, {why}. Upload {them} with: tfprune sync {key}"
