"""What a run is: its settings, checked where they enter; nothing heavy is imported here."""

from tfprune.config.check import ConfigError, Duration
from tfprune.config.files import (
    config_hash,
    flatten,
    from_dict,
    load_preset,
    override,
    preset_names,
    read_mapping,
    run_name,
    to_dict,
    to_yaml,
)
from tfprune.config.pruning import PruningConfig
from tfprune.config.schema import (
    SECTIONS,
    ComparisonConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    settings,
)
from tfprune.config.settled import settled
from tfprune.config.training import TrainingConfig
from tfprune.config.words import CONTROLS

__all__ = [
    "CONTROLS",
    "SECTIONS",
    "ComparisonConfig",
    "ConfigError",
    "DataConfig",
    "Duration",
    "ModelConfig",
    "PruningConfig",
    "RunConfig",
    "TrainingConfig",
    "config_hash",
    "flatten",
    "from_dict",
    "load_preset",
    "override",
    "preset_names",
    "read_mapping",
    "run_name",
    "settings",
    "settled",
    "to_dict",
    "to_yaml",
]
