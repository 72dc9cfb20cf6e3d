"""What to cite follows from what the run did, as strategy, control and measure declare it."""

from __future__ import annotations

import pytest

from tfprune.config import CONTROLS, from_dict, to_yaml
from tfprune.pruning.papers import ADMM_PAPER, CONTROL_PAPERS
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import load_strategy
from tfprune.report.page.citations import citations


def cited(measures=(), **pruning):
    config = to_yaml(from_dict({"pruning": pruning}))
    return {item.subject: item.text for item in citations(measures, config)}


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_every_strategys_paper_is_named(name):
    assert load_strategy(name).paper in cited(strategy=name).values()


def test_every_control_declares_a_paper_and_it_is_named():
    assert set(CONTROL_PAPERS) == set(CONTROLS)
    found = cited(controls=list(CONTROLS))
    for name in CONTROLS:
        (subject,) = [s for s, text in found.items() if text == CONTROL_PAPERS[name]]
        assert f"control {name}" in subject


@pytest.mark.parametrize("option", ["connectivity", "instability"])
def test_what_is_measured_on_a_line_between_networks_is_cited(option):
    subject = {"connectivity": "barriers", "instability": "instability"}[option]
    (found,) = (text for name, text in cited(**{option: True}).items() if subject in name)
    assert "Linear Mode Connectivity" in found
    assert not any(subject in name for name in cited())


def test_what_was_not_done_is_not_cited():
    assert ADMM_PAPER in cited(admm=0.01).values()
    assert ADMM_PAPER not in cited().values()
    assert "Sanity" not in " ".join(cited().values())


@pytest.mark.parametrize(
    ("pruning", "word"),
    [
        ({"rewind_to": "init"}, "Lottery Ticket Hypothesis: Finding"),
        ({"rewind_to": "5it"}, "Linear Mode Connectivity"),
        ({"rewind_to": "5it", "rewind": "learning-rate"}, "Comparing Rewinding"),
        ({"rewind_to": "final"}, "Learning both Weights"),
    ],
)
def test_the_rewinding_policys_paper_is_named(pruning, word):
    assert word in " ".join(cited(**pruning).values())


def test_measures_are_named_and_a_report_without_configuration_cites_them():
    assert [item.subject for item in citations(["svcca", "not-installed"])] == [
        "layers of pruned and unpruned networks", "svcca",
    ]  # fmt: skip


def test_a_configuration_of_another_version_costs_the_report_nothing():
    for config in ("pruning: {no_such_setting: 1}", "data: text", "{", "- 1"):
        subjects = [item.subject for item in citations([], config)]
        assert subjects == ["layers of pruned and unpruned networks"]
