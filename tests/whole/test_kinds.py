"""Users' networks as they are, in every form in which they come: the same experiment in each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import kinds
from benchmarks.kinds import FORMS, KINDS
from tfprune.activations import hidden_layers
from tfprune.config import from_dict
from tfprune.errors import InputError
from tfprune.experiment.plan import make_plan

pytestmark = pytest.mark.slow

ROWS = {
    row.split(" | ")[0].removeprefix("| "): row
    for row in kinds.PAGE.read_text(encoding="utf-8").splitlines()
    if row.startswith("| ") and not row.startswith("| kind ")
}
CELLS = {
    (kind, form): cell.strip()
    for kind, row in ROWS.items()
    for form, cell in zip(FORMS, row.removesuffix(" |").split(" | ")[4:], strict=True)
}


@pytest.fixture(scope="module")
def both(keras: Any, keras3: Any) -> Any:
    return kinds.libraries()


def test_the_page_has_a_row_for_every_kind_and_a_cell_for_every_form() -> None:
    assert list(ROWS) == list(KINDS)
    assert kinds.PAGE.read_text(encoding="utf-8") == kinds.HEAD + "\n".join(ROWS.values()) + "\n"
    assert {kind for (kind, _), cell in CELLS.items() if cell.startswith("trained")} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_trained_compared_and_exported_in_every_form_as_the_page_says(
    keras: Any, keras3: Any, both: Any, kind: str
) -> None:
    from tfprune.experiment.replicate import Replicate

    what = KINDS[kind]
    layers: dict[int, Any] = {}

    def trained(plan: Any) -> Any:
        assert (len(plan.hidden), plan.output) == (what.n_hidden, what.output)
        assert plan.config.data.normalization == what.normalization
        replicate = Replicate(plan, seed=0)
        assert hidden_layers(replicate.network) == plan.hidden
        assert hidden_layers(replicate.dense) == plan.hidden
        for trained in replicate.levels():
            assert np.isfinite(trained.test.loss)
            assert list(trained.masks) == [tensor.name for tensor in plan.tensors]
        batch = next(iter(replicate.reader.batches(plan.probe.images[:5])))
        assert list(batch) == [layer.name for layer in plan.hidden]
        layers[len(cells)] = [(layer.name, layer.shape) for layer in plan.hidden]
        return replicate.prunable.stripped()

    cells: list[str] = []
    for form in FORMS:
        keras.backend.clear_session()
        keras3.backend.clear_session()
        if form.endswith("function"):
            keras.layers.Conv2D(1, 1), keras.layers.Dense(1)  # which Keras counts
        cells.append(kinds.happens(kind, form, both, trained=trained))
    assert kinds.row(kind, cells) == ROWS[kind]
    found = {FORMS[number]: shown for number, shown in layers.items()}
    if "slashes" in kind:  # which Keras 3 refuses: the two libraries' networks differ in names
        found = {form: [shape for _, shape in shown] for form, shown in found.items()}
    assert len({str(shown) for shown in found.values()}) == 1, found


@pytest.mark.parametrize(("kind", "form"), [p for p, cell in CELLS.items() if "refused" in cell])
def test_what_is_refused_is_refused_with_a_remedy(
    both: Any, tmp_path: Path, kind: str, form: str
) -> None:
    with kinds.given(kind, form, both, tmp_path) as config, pytest.raises(InputError) as caught:
        make_plan(from_dict(config))
    assert re.search(r"\. (Use|Give|Replace|If)\b", str(caught.value)), str(caught.value)
