"""Whatever a public function is given first, what can't be meant is told as the user's to mend."""

from __future__ import annotations

import pytest

import tfprune
from tfprune.config import from_dict, load_preset
from tfprune.data import load_dataset
from tfprune.errors import InputError
from tfprune.pruning.strategy import load_strategy
from tfprune.report.notebook import Figure
from tfprune.results import RunResult
from tfprune.runs.finished import FinishedRun
from tfprune.similarity import similarity_of
from tfprune.tracking import Store

A_RUN = "a run's name, MLflow id or key as text ('tfprune runs' lists them)"
A_NETWORK = (
    "a network: RUN, RUN:LEVEL, RUN:LEVEL:SEED or the path of a model file, as text or a path "
    "object"
)
RESULT = RunResult(name="r", run_id=None, levels=(), similarities=())
FINISHED = FinishedRun(name="r", run_id=None, levels=(), similarities=())

CALLS = {
    "open_run": (tfprune.open_run, A_RUN),
    "resume": (tfprune.resume, A_RUN),
    "load_ticket": (tfprune.load_ticket, A_RUN),
    "find_run": (lambda it: Store.find_run(None, it), A_RUN),
    "export": (tfprune.export, A_NETWORK),
    "compare a": (lambda it: tfprune.compare(it, "digits"), A_NETWORK),
    "compare b": (lambda it: tfprune.compare("digits", it), A_NETWORK),
    "load_model": (tfprune.load_model, "the path of a Keras model, as text or a path object"),
    "export_model": (
        lambda it: tfprune.export_model(None, it, format="keras"),
        "the file to write, as text or a path object",
    ),
    "from_dict": (from_dict, "a mapping of settings by section, as in a YAML file"),
    "load_preset": (load_preset, "a preset's name or the path of a YAML file, as text"),
    "load_dataset": (
        load_dataset, "a data set's name, a path or package.module:function, as text",
    ),
    "load_strategy": (load_strategy, "a strategy's name, with options as in 'n-m:n=2,m=4'"),
    "similarity": (lambda it: RESULT.similarity(it, seed=0, level=1), "a measure of the run"),
    "similarity seed": (lambda it: RESULT.similarity("cka", seed=it, level=1), "a seed of the run"),
    "save": (Figure("accuracy", None).save, "the file to write, as text or a path object"),
    "write_tables": (FINISHED.write_tables, "a folder, as text or a path object"),
}  # fmt: skip


GIVEN = [
    (None, "None (NoneType)"),
    (["a"], "['a'] (list)"),
    (2.5, "2.5 (float)"),
    (b"x", "b'x' (bytes)"),
]


@pytest.mark.parametrize(("given", "shown"), GIVEN)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_name_and_no_path_is_told_by_what_was_expected(name, given, shown):
    call, expected = CALLS[name]
    with pytest.raises(InputError) as caught:
        call(given)
    assert str(caught.value) == f"expected {expected}; got {shown}."


@pytest.mark.parametrize("given", [3, 2.5, ["a"]])
def test_a_name_of_another_kind_is_unknown(given):
    for call in (lambda it: similarity_of(it, [[1.0]], [[1.0]]), lambda it: RESULT.frame(layer=it)):
        with pytest.raises(InputError, match=r"^unknown (measure|layer) "):
            call(given)
