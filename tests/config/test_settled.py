"""A configuration in every form in which a Python user may have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprune.config import ConfigError, RunConfig, from_dict, load_preset, settled, to_dict, to_yaml
from tfprune.config import settings as all_settings
from tfprune.errors import InputError

NESTED = {"pruning": {"levels": 2, "fraction": 0.5}, "seed": 3}


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(from_dict(NESTED)))
    return path


def test_every_form_means_the_same(file):
    wanted = from_dict(NESTED)
    dotted = {"pruning.levels": 2, "pruning.fraction": 0.5, "seed": 3}
    keywords = {"levels": 2, "fraction": 0.5, "seed": 3}
    for given in (NESTED, wanted, file, str(file), dotted):
        assert settled(given) == wanted, given
    assert settled(None, keywords) == wanted
    assert settled(None, dotted) == wanted
    assert settled(None, NESTED) == wanted
    assert settled({"pruning": {"levels": 2}, "pruning.fraction": 0.5}, {"seed": 3}) == wanted
    assert settled() == RunConfig()


def test_a_preset_is_its_settings_and_keywords_lie_over_it():
    assert settled("lth-conv2") == from_dict(load_preset("lth-conv2"))
    changed = to_dict(settled("lth-conv2", {"levels": 1, "training": {"epochs": "3ep"}}))
    wanted = to_dict(settled("lth-conv2"))
    wanted["pruning"]["levels"], wanted["training"]["epochs"] = 1, "3ep"
    assert changed == wanted


def test_what_was_given_is_not_changed():
    given = {"pruning": {"levels": 2}}
    settled(given, {"fraction": 0.5})
    assert given == {"pruning": {"levels": 2}}


def test_a_setting_is_called_as_on_the_command_line_too():
    found = settled(None, {"model": "lenet-300-100", "measure": "cka", "rewind_to": "1ep",
                           "trust_model": True})  # fmt: skip
    assert (found.model.name, found.comparison.measures) == ("lenet-300-100", ("cka",))
    assert (found.pruning.rewind_to, found.model.trust) == ("1ep", True)
    assert settled(None, {"measure": ["cka", "svcca"]}).comparison.measures == ("cka", "svcca")


@pytest.mark.parametrize("name", all_settings())
def test_every_setting_can_be_a_keyword(name):
    """By its option's name: that of its default changes nothing."""
    item = all_settings()[name]
    keyword = item.metadata["option"][2:].replace("-", "_")
    section, _, last = name.rpartition(".")
    default = RunConfig()
    value = getattr(getattr(default, section) if section else default, last)
    if value is not None:
        assert settled(None, {keyword: value}) == default


@pytest.mark.parametrize(
    ("given", "changes", "text"),
    [
        (3, {}, "a configuration is a preset's name, the path of a YAML file, a mapping of "
                "settings or a RunConfig; got 3 (int)."),
        ("digits-quik", {}, "unknown preset 'digits-quik'; did you mean 'digits-quick'?"),
        ("none.yaml", {}, "the configuration 'none.yaml' can't be read: "),
        (None, {"levles": 1}, "levles: there is no such setting; did you mean 'levels'?"),
        ({"prunning": {"levels": 1}}, {}, "prunning: there is no such setting; did you mean "
                                          "'pruning'?"),
        ({"trainig": {}}, {}, "trainig: there is no such setting; did you mean 'training'?"),
        ({"sed": 1}, {}, "sed: there is no such setting; did you mean 'seed'?"),
        (None, {"flder": "."}, "flder: there is no such setting; did you mean 'folder'?"),
        (None, {"levels": "one"}, "pruning.levels: "),
        (None, {"levels": 1, "pruning": {"levels": 2}},
         "pruning.levels: it is given twice, as 'pruning' too; give it once."),
        (None, {"pruning.levels": 2, "levels": 1},
         "pruning.levels: it is given twice, as 'levels' too; give it once."),
        ({"pruning.levles": 1}, {}, "pruning.levles: there is no such setting; did you mean "
                                    "'pruning.levels'?"),
        ({"pruning": 3, "pruning.levels": 1}, {}, "pruning: expected settings of pruning; got 3."),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_said(given, changes, text):
    with pytest.raises(InputError) as caught:
        settled(given, changes, beside=("folder",))
    assert str(caught.value).startswith(text)


def test_a_wrong_setting_is_a_config_error():
    with pytest.raises(ConfigError):
        settled(None, {"levels": -1})
