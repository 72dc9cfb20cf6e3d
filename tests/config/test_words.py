"""Lists of words that settings are written in are typed in one place."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

import tfprune
from tfprune.config import settings, words

PACKAGE = Path(tfprune.__file__).parent
LISTS = {
    name: tuple(value)
    for name, value in vars(words).items()
    if name.isupper() and isinstance(value, Collection)
}


@pytest.mark.parametrize("name", LISTS)
def test_no_other_file_types_the_list_again(name):
    """No three of its words (two, where there are no more) stand in a row anywhere else."""
    words_ = [re.escape(f'"{word}"') for word in LISTS[name]]
    again = re.compile(r",\s*".join([f"({'|'.join(words_)})"] * min(3, len(words_))))
    assert again.search(", ".join(f'"{word}"' for word in reversed(LISTS[name])))
    sources = {path for path in PACKAGE.rglob("*.py") if path.name != "words.py"}
    sources |= set((PACKAGE.parent / "cli").glob("*.py"))
    assert [str(path) for path in sources if again.search(path.read_text())] == []
    assert len(sources) > 100


@pytest.mark.parametrize(
    ("setting", "choices"),
    [
        ("comparison.layout", words.LAYOUTS),
        ("data.normalization", ("auto", *words.NORMALIZATIONS)),
        ("pruning.scope", tuple(words.SCOPES)),
        ("pruning.scored", ("auto", *words.SCORED)),
        ("pruning.controls", words.CONTROLS),
        ("training.precision", tuple(words.PRECISIONS)),
    ],
)
def test_settings_offer_what_the_lists_hold(setting, choices):
    assert tuple(settings()[setting].metadata["choices"]) == choices
