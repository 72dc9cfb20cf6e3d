"""reference/python.md: one entry for everything a room offers, read from its docstrings."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# heading -> the public names below it, as a user imports them
ROOMS: dict[str, tuple[str, ...]] = {
    "Running experiments": (
        "tfprune.runs.run.run",
        "tfprune.runs.run.resume",
        "tfprune.sweeps.sweep.sweep",
        "tfprune.sweeps.opened.open_sweep",
        "tfprune.sweeps.result.FinishedSweep",
        "tfprune.runs.finished.open_run",
        "tfprune.runs.finished.FinishedRun",
        "tfprune.runs.compare.compare",
        "tfprune.runs.export.export",
        "tfprune.runs.networks.load_ticket",
        "tfprune.experiment.tickets.Ticket",
        "tfprune.results.RunResult",
        "tfprune.report.notebook.Figure",
        "tfprune.results.LevelResult",
        "tfprune.results.SimilarityResult",
    ),
    "Pruning one network": (
        "tfprune.runs.prune.prune",
        "tfprune.runs.prune_result.PruneResult",
        "tfprune.experiment.one_network.PrunedLevel",
    ),
    "Configuration": (
        "tfprune.config.RunConfig",
        "tfprune.config.from_dict",
        "tfprune.config.to_dict",
        "tfprune.config.load_preset",
        "tfprune.config.config_hash",
    ),
    "Similarity": (
        "tfprune.similarity.functions.mean_cca",
        "tfprune.similarity.functions.svcca",
        "tfprune.similarity.functions.pwcca",
        "tfprune.similarity.functions.linear_cka",
        "tfprune.similarity.functions.similarity_of",
        "tfprune.similarity.comparison.Comparison",
        "tfprune.similarity.score.Score",
        "tfprune.similarity.measure.Measure",
    ),
    "One layer by itself": (
        "tfprune.geometry.dimension.two_nn",
        "tfprune.geometry.dimension.levina_bickel",
        "tfprune.geometry.dimension.Dimension",
        "tfprune.geometry.surface.curvature",
        "tfprune.geometry.surface.Curvature",
        "tfprune.geometry.images.image_neighbours",
        "tfprune.geometry.steps.stepped_curvature",
        "tfprune.geometry.steps.Stepped",
        "tfprune.geometry.steps.stepped_neighbours",
        "tfprune.geometry.steps.step_sizes",
        "tfprune.dissection.units.dissect",
        "tfprune.dissection.units.Dissection",
        "tfprune.dissection.concepts.Concept",
        "tfprune.dissection.concepts.ConceptSet",
        "tfprune.dissection.labels.LabelledImages",
        "tfprune.dissection.labels.tell_labels",
        "tfprune.dissection.labels.Telling",
        "tfprune.dissection.shapes.textured_shapes",
        "tfprune.dissection.computed.computed_concepts",
        "tfprune.dissection.lineage.fates",
        "tfprune.runs.dissect.dissect",
        "tfprune.results.descriptions.DescriptionResult",
    ),
    "Replications": (
        "tfprune.replications.perform.replicate",
        "tfprune.replications.perform.Judged",
        "tfprune.replications.replication.Replication",
        "tfprune.replications.replication.Arm",
        "tfprune.replications.replication.Size",
        "tfprune.replications.replication.Claim",
        "tfprune.replications.evidence.Evidence",
        "tfprune.replications.verdict.Verdict",
        "tfprune.replications.verdict.above",
        "tfprune.replications.verdict.near",
        "tfprune.replications.verdict.together",
    ),
    "Pruning": (
        "tfprune.pruning.masks.prune",
        "tfprune.pruning.strategy.PruningContext",
        "tfprune.pruning.kernels.PrunableTensor",
        "tfprune.pruning.amounts.Rates",
        "tfprune.pruning.strategy.Strategy",
        "tfprune.pruning.strategy.load_strategy",
    ),
    "Models": (
        "tfprune.models.build.build_model",
        "tfprune.models.files.load.load_model",
        "tfprune.models.files.export.export_model",
        "tfprune.models.shrink.shrink",
    ),
    "Data": (
        "tfprune.data.load.load_dataset",
        "tfprune.data.dataset.Dataset",
        "tfprune.data.dataset.probe_set",
        "tfprune.data.images.normalization",
    ),
    "Activations": (
        "tfprune.activations.layers.hidden_layers",
        "tfprune.activations.collect.collect_activations",
    ),
    "Tracking": (
        "tfprune.tracking.location.resolve_store",
        "tfprune.tracking.store.open_store",
        "tfprune.tracking.store.Store",
    ),
    "Errors": ("tfprune.errors",),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, "reference/python.md", content=page()))
    return files


def page() -> str:
    """Return Markdown that asks mkdocstrings for every public name."""
    parts = [
        "# Python",
        "x and y are always (n_samples, n_features); data are positional, everything tunable "
        "comes by keyword. Wrong input raises `tfprune.errors.InputError`, whose text says what "
        "was expected, what arrived and what to do.",
    ]
    for title, names in ROOMS.items():
        parts.append(f"## {title}")
        parts += [f"::: {name}\n    options:\n      heading_level: 3" for name in names]
    return "\n\n".join(parts) + "\n"
