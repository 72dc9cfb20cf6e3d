"""What a network's hidden layers answer to the probe set."""

from tfprune.activations.collect import ActivationReader, collect_activations
from tfprune.activations.layers import HiddenLayer, hidden_layers, same_places

__all__ = ["ActivationReader", "HiddenLayer", "collect_activations", "hidden_layers", "same_places"]
