"""What to cite follows from what the run did, as strategy, control and measure declare it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tfprune.config import CONTROLS, from_dict, to_yaml
from tfprune.pruning.papers import ADMM_PAPER, CONTROL_PAPERS, rewinding_paper
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import load_strategy
from tfprune.report.page.citations import Citation, bibtex, citations, works
from tfprune.results.descriptions import QUANTITIES
from tfprune.similarity.measure import MEASURES, find_measure


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


def papers_declared():
    """Every paper that a strategy, measure, control or policy of ours declares."""
    declared = {load_strategy(name).paper for name in STRATEGIES.names()}
    declared |= {find_measure(name).paper for name in MEASURES.names()}
    declared |= {*CONTROL_PAPERS.values(), ADMM_PAPER, *(one.paper for one in QUANTITIES)}
    for to, how in (("init", "weights"), ("5it", "weights"), ("5it", "learning-rate"),
                    ("final", "weights")):  # fmt: skip
        declared.add(rewinding_paper(to, how)[1])
    return sorted(declared - {"control"})


@pytest.mark.parametrize("paper", papers_declared())
def test_every_declared_paper_is_known_as_bibtex(paper):
    years = sorted(re.findall(r"\b(?:19|20)\d\d\b", paper))
    entries = bibtex([Citation("x", paper)]).split("\n\n")[1:]
    assert sorted(re.search(r"year      = {(\d+)}", entry)[1] for entry in entries) == years


def test_every_work_has_authors_title_venue_year_and_a_place_to_find_it():
    assert len(works()) == 39
    for (author, year), entry in works().items():
        fields = dict(re.findall(r"(?m)^  (\w+) *= {(.*)},$", entry))
        assert {"author", "title", "year"} <= set(fields)
        assert fields["year"] == year[:4]
        first = fields["author"].partition(",")[0]
        assert re.sub(r"{\\\"o}", "o", first).lower() == author
        assert len({"booktitle", "journal", "howpublished"} & set(fields)) == 1
        places = {
            "doi": r"10\.\d{4,}/\S+",
            "url": r"https://(arxiv\.org/abs/\d{4}\.\d{5}|proceedings\.\S+\.html)",
        }
        assert [name for name in places if re.fullmatch(places[name], fields.get(name, ""))]
        assert entry.count("{") == entry.count("}")


def test_a_work_is_named_once_and_one_of_others_as_a_comment():
    rewound = rewinding_paper("init", "weights")[1]
    cited = [Citation("a", rewound), Citation("b", rewound), Citation("theirs", "Doe 1999")]
    shown = bibtex([*cited, Citation("strategy random", "control")])
    assert shown.startswith("@software{tfprune,\n")
    assert shown.count("@inproceedings{frankle2019,") == shown.count("@inproceedings") == 1
    assert shown.endswith("% theirs: Doe 1999\n")


def test_the_citation_file_says_the_same_as_the_report():
    said = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text())
    software = bibtex([])
    for text in (said["title"], said["version"], said["license"], said["authors"][0]["name"]):
        assert f"{{{text}}}" in software
    (question,) = said["references"]
    assert question["doi"] in bibtex(citations([]))
