"""What `tfprune export` says: which images the file wants, its classes, and how it is loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tfprune.data.images import Normalization
from tfprune.models.files.export import ExportReport
from tfprune.models.files.metadata import ImageInputs
from tfprune_cli.main import main

INPUTS = ImageInputs(
    (32, 32, 3), Normalization("standard", (125.0, 123.0, 114.0), (63.0, 62.0, 67.0)),
    tuple(f"class {n}" for n in range(12)),
)  # fmt: skip
REPORT = ExportReport(
    Path("digits.keras"), "keras", "keras", 57181, 23300, 0.488, 0.488, 0.0, False, INPUTS
)


@pytest.fixture
def said(monkeypatch, capsys):
    """What the command prints and tells for a report; what it was asked for."""

    def export(report: ExportReport, *arguments: str) -> tuple[list[str], str, dict]:
        asked = {}

        def written(run, out, *, tell, **options):
            asked.update(options)
            if report.note:
                tell(report.note)
            return report

        monkeypatch.setattr("tfprune.runs.export.export", written)
        assert main(["export", "digits", *arguments]) == 0
        shown = capsys.readouterr()
        return shown.out.splitlines(), shown.err, asked

    return export


def test_the_command_says_what_to_do_with_images_and_how_to_load_the_file(said):
    out, err, asked = said(REPORT)
    assert out[4:] == [
        "images       32 x 32 x 3, as (image - [125, 123, 114]) / [63, 62, 67]",
        "             (with --with-preprocessing the network does this itself)",
        "classes      12: class 0, class 1, class 2, class 3, class 4, class 5, class 6, class 7, "
        "class 8, class 9, ...",
        "load         keras.models.load_model('digits.keras')",
    ]
    assert err == ""
    assert (asked["format"], asked["with_preprocessing"]) == (None, False)


def test_with_preprocessing_images_go_in_as_they_are_stored(said):
    report = dataclasses.replace(REPORT, inputs=dataclasses.replace(INPUTS, included=True))
    out, _, asked = said(report, "--with-preprocessing")
    assert out[4] == "images       32 x 32 x 3, as they are stored"
    assert out[5].startswith("classes ")
    assert asked["with_preprocessing"]


def test_a_file_that_only_tf_keras_reads_comes_with_how_to_load_it(said):
    note = "Keras 3 cannot represent this network (layer 'x' ...), so the file is one of tf_keras."
    out, err, _ = said(dataclasses.replace(REPORT, library="tf_keras", inputs=None, note=note))
    assert err == f"{note}\n"
    assert out[-1] == "load         tf_keras.models.load_model('digits.keras')"
