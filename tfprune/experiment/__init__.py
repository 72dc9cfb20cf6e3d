"""The way of the data: configuration, data, model, train-prune-rewind, compare, record."""
