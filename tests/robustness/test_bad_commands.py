"""Command lines that can't be carried out: one message names the value and says what will do."""

from __future__ import annotations

import pytest

# what follows `tfprune`, and what the message must hold: the value or option, and the remedy
COMMANDS = [
    ("rn", "'rn'", "run"),
    ("rum --levels 3", "'rum'", "Did you mean 'run'"),
    ("trim", "'trim'", "Commands: run"),
    ("--levels 3", "--levels"),
    ("run extra", "extra"),
    ("run --levls 3", "--levls", "--levels"),
    ("run --no-such-option", "--no-such-option"),
    ("run --levels", "--levels", "requires an argument"),
    ("run -x", "-x"),
    ("run --preset nothing", "'nothing'", "Known: digits-quick"),
    ("run --preset digits-quik", "'digits-quik'", "did you mean 'digits-quick'"),
    ("run --preset missing.yaml", "'missing.yaml'", "No such file"),
    ("run --preset .", "'.'", "NAME.yaml"),
    ("run --checkpoint-every -1", "--checkpoint-every", "-1"),
    ("run --checkpoint-every often", "--checkpoint-every", "'often'"),
    ("resume", "RUN", "Missing argument"),
    ("resume nothing", "'nothing'", "mlruns/runs"),
    ("resume nothing more", "more"),
    ("resume nothing --levels 3", "--levels"),
    ("resume ''", "''"),
    ("resume ../../etc", "'../../etc'"),
    ("sync", "RUN", "Missing argument"),
    ("sync nothing", "'nothing'", "mlruns/runs"),
    ("compare", "A", "Missing argument"),
    ("compare one", "B", "Missing argument"),
    ("compare one two", "'one'", "tfprune run"),
    ("compare one two three", "three"),
    ("compare one:1 two:2", "'one:1'"),
    ("compare missing.keras other.keras", "'missing.keras'"),
    ("compare one two --measure ckaa", "'ckaa'", "did you mean 'cka'"),
    ("compare one two --layout pixel", "'pixel'", "pixels"),
    ("compare one two --probe-size 1", "--probe-size", "2"),
    ("compare one two --probe-size many", "'many'"),
    ("compare one two --normalization half", "'half'", "standard"),
    ("compare one two --image-size 0", "--image-size", "0"),
    ("report", "RUN", "Missing argument"),
    ("report nothing", "mlruns/mlflow.db", "tfprune run"),
    ("report nothing --out .", "'.'", "directory"),
    ("report nothing --tracking-uri ./store", "'./store'", "sqlite:///"),
    ("figure", "RUN", "Missing argument"),
    ("figure nothing", "mlruns/mlflow.db", "tfprune run"),
    ("figure nothing --format gif", "'gif'", "png"),
    ("export", "RUN", "Missing argument"),
    ("export nothing", "mlruns/mlflow.db", "tfprune run"),
    ("export missing.h5", "'missing.h5'"),
    ("export nothing --format onnx", "'onnx'", "tflite"),
    ("ui --port 70000", "--port", "70000"),
    ("ui --port http", "--port", "'http'"),
    ("ui --tracking-uri sqlite:///none/mlflow.db", "none/mlflow.db"),
    ("models extra", "extra"),
    ("measures --all", "--all"),
    ("datasets -x", "-x"),
]

# of `tfprune run`; each is refused by the setting's own check
SETTINGS = [
    ("--levels 0", "--levels", "at least 1", "0"),
    ("--levels -3", "--levels", "at least 1", "-3"),
    ("--levels two", "--levels", "'two'"),
    ("--levels 2.5", "--levels", "'2.5'"),
    ("--fraction 0", "--fraction", "(0, 1)", "0"),
    ("--fraction 1", "--fraction", "(0, 1)", "1"),
    ("--fraction 20", "--fraction", "(0, 1)", "20"),
    ("--fraction -0.2", "--fraction", "-0.2"),
    ("--fraction nan", "--fraction", "nan"),
    ("--fraction inf", "--fraction", "inf"),
    ("--fraction 20%", "--fraction", "'20%'"),
    ("--epochs 0", "--epochs", "at least 1"),
    ("--epochs -1", "--epochs", "'-1'"),
    ("--epochs 1.5", "--epochs", "'1.5'", "'500it'"),
    ("--epochs 3epochs", "--epochs", "'3epochs'", "'3ep'"),
    ("--epochs ''", "--epochs", "''"),
    ("--epochs 0it", "--epochs", "at least 1"),
    ("--batch-size 0", "--batch-size", "at least 1"),
    ("--batch-size -64", "--batch-size", "-64"),
    ("--batch-size 64.0", "--batch-size", "'64.0'"),
    ("--optimizer adamm", "--optimizer", "'adamm'", "adam"),
    ("--optimizer ''", "--optimizer", "sgd"),
    ("--learning-rate 0", "--learning-rate", "at least 1e-12"),
    ("--learning-rate -1e-3", "--learning-rate", "-0.001"),
    ("--learning-rate nan", "--learning-rate", "nan"),
    ("--learning-rate inf", "--learning-rate", "inf"),
    ("--learning-rate fast", "--learning-rate", "'fast'"),
    ("--momentum 1", "--momentum", "[0, 1)"),
    ("--momentum -0.1", "--momentum", "-0.1"),
    ("--schedule linear", "--schedule", "'linear'", "cosine"),
    ("--schedule step", "--decay-at", "none was given"),
    ("--decay-at 2ep", "--decay-at", "constant"),
    ("--schedule step --decay-at half", "--decay-at", "'half'"),
    ("--decay-factor 0", "--decay-factor", "(0, 1]"),
    ("--decay-factor 2", "--decay-factor", "2"),
    ("--warmup -1", "--warmup", "'-1'"),
    ("--warmup soon", "--warmup", "'soon'"),
    ("--weight-decay -1", "--weight-decay", "at least 0"),
    ("--l1 -1", "--l1", "at least 0"),
    ("--l1 nan", "--l1", "nan"),
    ("--strategy magnitud", "--strategy", "did you mean 'magnitude'"),
    ("--strategy ''", "--strategy"),
    ("--strategy n-m:5", "--strategy", "5"),
    ("--strategy magnitude:3", "--strategy", "magnitude"),
    ("--scope everywhere", "--scope", "'everywhere'", "global"),
    ("--conv-fraction 0.1", "--conv-fraction", "--scope layer"),
    ("--dense-fraction 0.1", "--dense-fraction", "--scope layer"),
    ("--output-fraction 0.1", "--output-fraction", "--scope layer"),
    ("--scope layer --conv-fraction 1", "--conv-fraction", "[0, 1)"),
    ("--layer-fraction conv1=0.1", "--layer-fraction", "--scope layer"),
    ("--scope layer --layer-fraction conv1", "--layer-fraction", "'conv1'", "conv1=0.1"),
    ("--scope layer --layer-fraction conv1=much", "--layer-fraction", "'conv1=much'"),
    ("--scope layer --layer-fraction conv1=1.5", "--layer-fraction", "1.5", "[0, 1)"),
    ("--exclude ''", "--exclude", "''"),
    ("--exclude conv1 --exclude conv1", "--exclude", "'conv1'", "twice"),
    ("--rewind-to 5", "--rewind-to", "'5'", "'2ep'"),
    ("--rewind-to start", "--rewind-to", "'start'", "init"),
    ("--rewind-to -1ep", "--rewind-to", "'-1ep'"),
    ("--rewind-to 15ep", "--rewind-to", "15ep", "past the end"),
    ("--rewind-to 20ep", "--rewind-to", "20ep", "past the end"),
    ("--epochs 100it --rewind-to 100it", "--rewind-to", "past the end"),
    ("--rewind both", "--rewind", "'both'", "weights"),
    ("--rewind-to final --rewind learning-rate", "--rewind", "final"),
    ("--measure ckka", "--measure", "'ckka'", "did you mean"),
    ("--measure ''", "--measure"),
    ("--measure cka --measure cka", "--measure", "'cka'", "twice"),
    ("--layout rows", "--layout", "'rows'", "pixels"),
    ("--probe-size 1", "--probe-size", "at least 2"),
    ("--probe-size -5", "--probe-size", "-5"),
    ("--probe-size all", "--probe-size", "'all'"),
    ("--probe-split validation", "--probe-split", "'validation'", "test"),
    ("--bootstrap -1", "--bootstrap", "at least 0"),
    ("--seed -1", "--seed", "-1"),
    ("--seed 3000000000", "--seed", "3000000000"),
    ("--seed random", "--seed", "'random'"),
    ("--replicates 0", "--replicates", "[1, 1000]"),
    ("--replicates 5000", "--replicates", "5000"),
    ("--validation-fraction 1", "--validation-fraction", "[0, 1)"),
    ("--validation-fraction -0.1", "--validation-fraction", "-0.1"),
    ("--validation-fraction half", "--validation-fraction", "'half'"),
    ("--image-size 0", "--image-size", "at least 1"),
    ("--normalization zscore", "--normalization", "'zscore'", "standard"),
    ("--start new", "--start", "'new'", "init"),
    ("--control everything", "--control", "'everything'", "random-mask"),
    ("--experiment ''", "experiment", "--experiment NAME"),
    ("--tracking-uri mlruns", "'mlruns'", "sqlite:///FILE"),
    ("--tracking-uri file:///var/lib/runs", "'file:///var/lib/runs'", "sqlite:///FILE"),
    ("--tracking-uri sqlite://", "'sqlite://'", "sqlite:///FILE"),
    ("--tracking-uri sqlite:///:memory:", "memory", "sqlite:///FILE"),
]


def words(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


@pytest.mark.parametrize(("line", "parts"), [(line, parts) for line, *parts in COMMANDS])
def test_a_command_that_makes_no_sense_is_refused(refused, line, parts):
    message = refused(*words(line))
    for part in parts:
        assert part in message


@pytest.mark.parametrize(("line", "parts"), [(line, parts) for line, *parts in SETTINGS])
def test_a_setting_out_of_its_range_is_refused(refused, line, parts):
    message = refused("run", *words(line))
    for part in parts:
        assert part in message


@pytest.mark.parametrize("line", ["rn", "run --levels 0", "run --preset missing.yaml", "resume x"])
def test_a_real_process_refuses_in_the_same_way(tmp_path, program, line):
    status, out, err = program(tmp_path, *words(line))
    assert (status, out) == (2, "")
    assert "Error: " in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
