"""A replication is run arm by arm, found again where it has finished, and shown on a page."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.replications import REPLICATIONS
from tfprune.replications.layouts import in_layout
from tfprune.replications.page import write_page
from tfprune.replications.perform import replicate
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import HOLDS, above

TINY = Replication(
    name="tiny2026",
    paper="Nobody 2026, A replication for tests",
    doi="10.0/none",
    question="Does training help?",
    settings={
        "training": {"epochs": "1ep", "batch_size": 256, "learning_rate": 0.01},
        "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "init"},
        "comparison": {"measures": ["cka"], "probe_size": 60, "bootstrap": 0},
        "replicates": 3,
    },
    arms=[Arm("short", "four steps", {"training": {"epochs": "4it"}}),
          Arm("long", "two epochs", {"training": {"epochs": "2ep"}})],
    sizes=[Size("smallest", "Digits.", {}), Size("other", "More.", {"training": {"l1": 1e-6}})],
    claims=[
        Claim("helps", "Longer training is better.", "nowhere", lambda evidence: above(
            evidence.accuracy("long", level=1) - evidence.accuracy("short", level=1),
            what="long less short")),
        Claim("elsewhere", "More is more.", "nowhere", lambda evidence: 1 / 0, only=("other",)),
    ],
)  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(REPLICATIONS, "get", lambda name: TINY)


@pytest.mark.slow
def test_arms_are_run_once_judged_and_shown(tiny, tmp_path, monkeypatch):
    heard = []
    judged = replicate("tiny2026", folder=tmp_path, tell=heard.append, progress=False)
    (helps, verdict), (_, elsewhere) = judged.verdicts
    assert (helps.name, verdict.answer) == ("helps", HOLDS)
    assert elsewhere.why == "Not at this size; run --size other."
    assert [line for line in heard if line.startswith("Arm")] == [
        "Arm 1 of 2, short: four steps.", "Arm 2 of 2, long: two epochs.",
    ]  # fmt: skip
    assert judged.seconds > 0
    pages = [write_page(judged, tmp_path / name) for name in ("one", "two")]
    for first, second in zip(*pages, strict=True):
        assert first.read_bytes() == second.read_bytes()
    text = pages[0][0].read_text(encoding="utf-8")
    assert f"| Longer training is better. | nowhere | **holds** | {verdict.why} |" in text
    for file in pages[0][1:]:
        if file.suffix == ".svg":
            assert f"({file.relative_to(tmp_path / 'one').as_posix()})" in text
    levels = (tmp_path / "one/tiny2026-smallest/levels.csv").read_text().splitlines()
    assert len(levels) == 1 + 2 * 3 * 2

    heard.clear()
    note = tmp_path / "mlruns/replications/tiny2026-smallest.json"
    known = json.loads(note.read_text())
    note.write_text(json.dumps({"short": known["short"]}))  # as if ended before the second arm
    from tfprune.replications import perform

    trained = []

    def train(name, config, **rest):
        trained.append(name)
        return judged.runs["long"]

    monkeypatch.setattr(perform, "_train", train)
    again = replicate("tiny2026", folder=tmp_path, tell=heard.append, progress=False)
    assert trained == ["tiny2026 smallest long"]
    assert heard[0] == f"Arm 1 of 2, short: it has finished, run {known['short']['key']}."
    assert again.runs["short"].levels == judged.runs["short"].levels
    assert again.verdicts[0][1] == verdict

    elsewhere = note.with_name("another-small.json")
    elsewhere.write_text(json.dumps({"arm": known["long"]}))  # of another replication
    note.write_text("{}")
    replicate("tiny2026", folder=tmp_path, tell=heard.append, progress=False)
    assert trained[1:] == ["tiny2026 smallest short"]
    assert heard[-1] == f"Arm 2 of 2, long: it has finished, run {known['long']['key']}."
    elsewhere.unlink()
    trained.pop()

    check_layouts(judged.runs["long"], tmp_path)

    note.write_text("torn")  # counts for no arm
    replicate("tiny2026", folder=tmp_path, tell=heard.append, progress=False)
    assert trained[1:] == ["tiny2026 smallest short", "tiny2026 smallest long"]


def check_layouts(run, folder):
    """A run's networks compared again say in its own layout what it said, in others what is so."""
    config = TINY.config(TINY.arms[1], TINY.size("smallest"))
    config = dataclasses.replace(
        config, comparison=dataclasses.replace(config.comparison, measures=("cka", "cca"))
    )
    own = in_layout(run, config, "pixels", folder=folder / "pixels")

    def values(rows):
        return {
            (row.seed, row.level, row.layer, row.against, row.against_seed): row.similarity
            for row in rows
            if row.measure == "cka" and (row.level == 1 or row.against != "dense")
        }

    there, again = values(run.similarities), values(own.result.similarities)
    assert there.keys() == again.keys()
    assert len(there) == 3 * (3 + 3)  # seeds or pairs of them, times layers
    for key, value in there.items():
        assert again[key] == pytest.approx(value, abs=1e-6)

    images = probe_images(config)
    for layout, shape in (("mean", lambda x: x.mean(axis=(1, 2))),
                          ("flatten", lambda x: x.reshape(len(x), -1))):  # fmt: skip
        found = in_layout(run, config, layout, folder=folder / layout)
        (row,) = (
            row
            for row in found.result.similarities
            if (row.seed, row.level, row.layer, row.measure) == (2, 1, "conv1", "cka")
        )
        assert row.layout == layout
        sides = [shape(activations(run.model(level, seed=2), images)) for level in (0, 1)]
        assert row.similarity == pytest.approx(cka(*sides), abs=1e-5)
        assert found == in_layout(run, config, layout, folder=folder / layout)  # as it was kept
        assert {cell for cell in found.refused if cell[1] == "cka"} == set()
        # 60 images: more than the 16 + 16 and 24 + 24 channels, fewer than 8x8 pixels of either
        wide = {"mean": set(), "flatten": {"conv1", "conv2"}}[layout]
        assert {layer for layer, _ in found.refused} == wide
        assert all(
            "cca needs more samples than directions" in why for why in found.refused.values()
        )


def probe_images(config):
    from tfprune.experiment.plan import make_plan, normalization_of

    plan = make_plan(config)
    return normalization_of(plan, 2).apply(plan.probe.images)


def activations(model, images):
    import tf_keras

    return tf_keras.Model(model.inputs, model.get_layer("conv1").output)(images).numpy()


def cka(x, y):
    """Linear CKA by its definition, on Gram matrices (Kornblith et al. 2019)."""
    x, y = (side.astype(float) - side.mean(axis=0) for side in (x, y))
    k, m = x @ x.T, y @ y.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


def test_an_unknown_replication_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"^unknown replication 'renda2021'; did you mean 'renda20"
    ):
        replicate("renda2021", folder=tmp_path)


def test_the_list_and_a_missing_name_on_the_command_line(capsys):
    from tfprune_cli.main import main

    assert main(["replicate", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [entry.name for entry in REPLICATIONS]
    width = 1 + max(len(entry.name) for entry in REPLICATIONS)
    assert all(line[width - 1] == " " and line[width] != " " for line in lines)  # a column each
    for line in lines:
        assert line.endswith(("[full, reduced, smallest]", "[full, reduced, small, smallest]"))
    assert main(["replicate"]) == 2
    assert (
        capsys.readouterr()
        .err.rstrip()
        .endswith("NAME is missing; 'tfprune replicate --list' shows them all.")
    )


def test_what_was_found_in_layouts_is_kept_apart_from_the_notes_on_arms(monkeypatch, tmp_path):
    from types import SimpleNamespace

    from tfprune.replications import perform

    one_arm = dataclasses.replace(
        TINY, arms=TINY.arms[:1], claims=(), layouts=("mean", "pixels", "flatten")
    )
    monkeypatch.setattr(REPLICATIONS, "get", lambda name: one_arm)
    run = SimpleNamespace(key="abcd")
    monkeypatch.setattr(perform, "_train", lambda *_, **rest: run)
    rows = {"rows": [], "refused": []}
    monkeypatch.setattr("tfprune.runs.compared_again.compare_again", lambda *_: ((), {}))
    monkeypatch.setattr("tfprune.replications.layouts.replace", lambda run, **rest: rest)
    replicate("tiny2026", folder=tmp_path)
    kept = tmp_path / "mlruns/replications/layouts"
    assert sorted(file.name for file in kept.iterdir()) == ["abcd-flatten.json", "abcd-mean.json"]
    assert json.loads((kept / "abcd-mean.json").read_text()) == rows
    again = replicate("tiny2026", folder=tmp_path)  # reads the notes on all arms
    assert again.layouts["short"]["mean"].refused == {}


@pytest.mark.parametrize(("size", "deterministic"), [("smallest", True), ("small", False)])
def test_the_smallest_size_is_the_same_on_any_number_of_cores(monkeypatch, size, deterministic):
    from types import SimpleNamespace

    from tfprune.replications import page, perform
    from tfprune_cli.main import main

    asked = []
    monkeypatch.setattr(
        perform,
        "replicate",
        lambda *_, **given: asked.append(given) or SimpleNamespace(verdicts=()),
    )
    monkeypatch.setattr(page, "write_page", lambda *_: ["page.md"])
    assert main(["replicate", "zullich2020", "--size", size, "--so-far"]) == 0
    assert (asked[0]["deterministic"], asked[0]["so_far"]) == (deterministic, True)
