"""Configuration files that can't be carried out."""

from __future__ import annotations

import pytest

# the file's text, and what the message must hold
FILES = [
    ("levels: 3", "levels", "did you mean"),
    ("pruning: 3", "--?pruning", "3"),
    ("pruning: [levels, 3]", "pruning", "levels"),
    ("- pruning", "list", "pruning"),
    ("just a text", "str"),
    ("pruning: {levels: 3", "not valid YAML"),
    ("pruning:\n\tlevels: 3", "not valid YAML"),
    ("!!python/object/apply:os.getcwd []", "not valid YAML"),
    ("pruning: {levles: 3}", "pruning.levles", "did you mean 'pruning.levels'"),
    ("prunning: {levels: 3}", "prunning", "did you mean"),
    ("pruning: {levels: three}", "--levels", "'three'"),
    ("pruning: {levels: true}", "--levels", "True"),
    ("pruning: {levels: null}", "--levels", "None"),
    ("pruning: {levels: 2.0}", "--levels", "2.0"),
    ("pruning: {fraction: '0.2'}", "--fraction", "'0.2'"),
    ("pruning: {fraction: .nan}", "--fraction", "nan"),
    ("pruning: {fraction: [0.2]}", "--fraction", "[0.2]"),
    ("pruning: {exclude: conv1}", "--exclude", "'conv1'", "list"),
    ("pruning: {exclude: [1]}", "--exclude", "1"),
    ("pruning: {rewind_to: 500}", "--rewind-to", "500", "'500it'"),
    ("pruning: {rewind_to: null}", "--rewind-to", "None"),
    ("pruning: {scope: [global]}", "--scope", "['global']"),
    ("pruning: {layer_fractions: [0.1]}", "--layer-fraction", "[0.1]"),
    ("pruning: {scope: layer, layer_fractions: {conv1: much}}", "conv1", "'much'"),
    ("pruning: {strategy: 3}", "--strategy", "3"),
    ("pruning: {controls: everything}", "--control", "everything"),
    ("training: {epochs: -2}", "--epochs", "-2"),
    ("training: {epochs: 2.5ep}", "--epochs", "'2.5ep'"),
    ("training: {epochs: null}", "--epochs", "None"),
    ("training: {epochs: true}", "--epochs", "True"),
    ("training: {batch_size: '64'}", "--batch-size", "'64'"),
    ("training: {batch_size: 1e2}", "--batch-size"),
    ("training: {learning_rate: fast}", "--learning-rate", "'fast'"),
    ("training: {optimizer: Adam}", "--optimizer", "'Adam'", "adam"),
    ("training: {decay_at: [-1]}", "--decay-at", "-1"),
    ("training: {decay_at: {a: 1}}", "--decay-at"),
    ("data: {dataset: ''}", "--dataset", "''"),
    ("data: {dataset: 5}", "--dataset", "5"),
    ("data: {train_split: null}", "--train-split", "None"),
    ("data: {augment: 'yes'}", "--augment", "'yes'"),
    ("data: {image_size: [8, 8]}", "--image-size", "[8, 8]"),
    ("data: {data_dir: 7}", "--data-dir", "7"),
    ("model: {name: null}", "--model", "None"),
    ("model: {trust: 1}", "--trust-model", "1"),
    ("model: digits-cnn", "model", "'digits-cnn'"),
    ("comparison: {measures: cka}", "--measure", "'cka'"),
    ("comparison: {measures: []}", "--measure", "at least one"),
    ("comparison: {bootstrap: many}", "--bootstrap", "'many'"),
    ("seed: 1.5", "--seed", "1.5"),
    ("seed: '1'", "--seed", "'1'"),
    ("replicates: none", "--replicates", "'none'"),
    ("1: 2", "1"),
    ("? [a, b]\n: 3", "a"),
]


@pytest.mark.parametrize(("text", "parts"), [(text, parts) for text, *parts in FILES])
def test_a_wrong_configuration_file_is_refused(refused, tmp_path, text, parts):
    (tmp_path / "mine.yaml").write_text(text)
    message = refused("run", "--preset", "mine.yaml")
    for part in parts:
        assert part.removeprefix("--?") in message


def test_an_option_over_a_section_that_is_none_is_refused(refused, tmp_path):
    (tmp_path / "mine.yaml").write_text("pruning: 3")
    message = refused("run", "--preset", "mine.yaml", "--levels", "2")
    assert "pruning" in message
    assert "got 3" in message


@pytest.mark.parametrize("content", [b"\xff\xfe\x00 not text", b"\x89PNG\r\n", b"\x00\x00"])
def test_a_configuration_that_is_no_text_is_refused(refused, tmp_path, content):
    (tmp_path / "mine.yaml").write_bytes(content)
    message = refused("run", "--preset", "mine.yaml")
    assert "'mine.yaml'" in message
