"""`tfprune dissect`: a network's units by name, from every source of concepts."""

from __future__ import annotations

import csv
import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tfprune.dissection import Concept, ConceptSet
from tfprune.errors import InputError
from tfprune.experiment.concept_sources import concepts_from
from tfprune.runs.dissect import DissectedLayer

IMAGES = np.random.default_rng(0).integers(0, 255, (6, 10, 12, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two images, of which the second has no mask of one concept, and one that is not square."""
    red = np.zeros((20, 24, 3), np.uint8)
    red[:, :12, 0] = 255
    for name in ("a", "b"):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(red).save(tmp_path / "images" / f"{name}.png")
    for concept in ("left", "right"):
        (tmp_path / "masks" / "side" / concept).mkdir(parents=True)
    Image.fromarray(red[..., 0]).save(tmp_path / "masks/side/left/a.png")
    Image.fromarray(255 - red[..., 0]).save(tmp_path / "masks/side/right/a.png")
    Image.fromarray(255 - red[..., 0]).save(tmp_path / "masks/side/right/b.png")
    return tmp_path


def test_a_folder_gives_images_and_masks_in_the_networks_size(folder):
    found = concepts_from(str(folder), IMAGES, n_images=10)
    assert found.images.shape == (2, 10, 12, 3)
    assert found.concepts == (Concept("left", "side"), Concept("right", "side"))
    np.testing.assert_array_equal(found.images[0, :, :6], [255.0, 0, 0] * np.ones((10, 6, 1)))
    assert found.masks[0, 0, :, :6].all()
    assert not found.masks[0, 0, :, 6:].any()
    np.testing.assert_array_equal(found.masks[0, 1], ~found.masks[0, 0])
    assert not found.masks[1, 0].any()  # it has no mask of it
    assert len(concepts_from(str(folder), IMAGES, n_images=1).images) == 1
    grey = concepts_from(str(folder), IMAGES[..., :1] / np.float32(255), n_images=2)
    assert grey.images.shape == (2, 10, 12, 1)
    assert grey.images.max() <= 1


def test_folders_that_give_nothing_and_pictures_that_are_none_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as refused:
        concepts_from(str(tmp_path / "empty"), IMAGES, n_images=2)
    assert str(refused.value) == (
        f"{tmp_path / 'empty'} has 0 images and 0 concepts. Expected images/NAME and "
        "masks/CATEGORY/CONCEPT/NAME, pictures of the same names."
    )
    (folder / "images" / "c.png").write_text("no picture")
    with pytest.raises(InputError, match=re.escape("c.png can't be read as an image: ")):
        concepts_from(str(folder), IMAGES, n_images=10)


def test_a_function_gives_a_concept_set_of_its_own(tmp_path, monkeypatch):
    module = tmp_path / "my_concepts.py"
    module.write_text(
        "import numpy as np\n"
        "from tfprune.dissection import Concept, ConceptSet\n"
        "def make(n_images, shape):\n"
        "    images = np.zeros((n_images, *shape), np.float32)\n"
        "    masks = np.zeros((n_images, 1, *shape[:2]), bool)\n"
        "    return ConceptSet(images, (Concept('spot', 'thing'),), masks)\n"
        "def wrong(n_images, shape):\n"
        "    return make(n_images, (4, 4, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    found = concepts_from("my_concepts:make", IMAGES, n_images=3)
    assert isinstance(found, ConceptSet)
    assert found.images.shape == (3, 10, 12, 3)
    with pytest.raises(InputError) as refused:
        concepts_from("my_concepts:wrong", IMAGES, n_images=3)
    assert str(refused.value) == (
        "my_concepts:wrong must return a tfprune.dissection.ConceptSet or LabelledImages with "
        "images (n, 10, 12, 3), got ConceptSet with (3, 4, 4, 3)."
    )
    sys.modules.pop("my_concepts", None)


def test_the_networks_own_images_are_a_source_and_unknown_ones_are_refused():
    found = concepts_from("images", IMAGES, n_images=4)
    np.testing.assert_array_equal(found.images, IMAGES[:4])
    assert found.categories == ("colour", "edge", "place")
    made = concepts_from("shapes", IMAGES, n_images=5)
    assert made.images.shape == (5, 10, 12, 3)
    assert 200 < made.images.max() <= 255
    with pytest.raises(InputError) as refused:
        concepts_from("shape", IMAGES, n_images=4)
    assert str(refused.value) == (
        "unknown source of concepts 'shape'. Known: shapes, images, labels; or give a folder with "
        "images and masks, a file .json or .csv of boxes or labels, tfds:NAME, or "
        "package.module:function."
    )
    with pytest.raises(InputError, match="images of 1 or 3 channels, and those of the network"):
        concepts_from("shapes", np.zeros((2, 8, 8, 5)), n_images=4)


@pytest.mark.slow
def test_a_runs_units_are_named_and_followed_as_in_the_run_itself(tmp_path, small, capsys):
    """What the run finds by --describe, and dissect of its stored network, are the same units."""
    from tfprune.runs.dissect import dissect
    from tfprune.runs.dissect_print import print_dissection
    from tfprune.runs.finished import open_run
    from tfprune.runs.run import run

    comparison = {**small["comparison"], "describe": ["dissection"]}
    config = {**small, "pruning": {"levels": 1, "fraction": 0.8}, "comparison": comparison}
    result = run(config, folder=tmp_path, tell=lambda message: None)
    heard: list[str] = []
    found = dissect(
        f"{result.run_id}:1", folder=tmp_path, out=tmp_path / "units", tell=heard.append
    )
    assert heard[-2:] == ["conv1: 16 units", "conv2: 24 units"]
    units = [unit for layer in found.layers for unit in layer.units]
    own = [unit for unit in result.units if unit.level == 1]
    key = [(unit.seed, unit.level, unit.layer, unit.unit, unit.concept, unit.fate) for unit in own]
    same = [(u.seed, u.level, u.layer, u.unit, u.concept, u.fate) for u in units]
    assert np.mean([a == b for a, b in zip(key, same, strict=True)]) > 0.95  # rounding
    assert {unit.fate for unit in result.units if unit.level == 0} <= {"kept", "none"}
    table = list(csv.DictReader(io.StringIO((tmp_path / "units/units.csv").read_text())))
    assert len(table) == 40
    print_dissection(found)
    printed = capsys.readouterr().out
    assert "24 concepts in 500 images (shapes)" in printed
    assert "kept, changed, lost, died, new: since the run's dense network" in printed
    again = open_run(result.run_id, folder=tmp_path)
    assert again.units == result.units
    assert again.descriptions == result.descriptions
    assert len(again.units_frame()) == 80
    written = {path.name for path in result.write_tables(tmp_path / "tables")}
    assert {"units.csv", "descriptions.csv"} <= written
    assert dissect(f"{result.run_id}:0", folder=tmp_path, n_images=50).followed is False
    table = dissect(f"{result.run_id}:1", concepts="labels", folder=tmp_path, n_images=200)
    assert [layer.layer for layer in table.told] == ["conv1", "conv2", "dense1"]
    assert sum(len(layer.beyond_chance) for layer in table.told) > 32  # of 64: it was trained
    assert {unit.category for layer in table.told for unit in layer.live} == {"class"}
    assert (
        table.csv()
        .splitlines()[0]
        .endswith(",concept,category,auc,floor_best,selectivity,floor,selectivity_floor")
    )
    capsys.readouterr()
    print_dissection(table)
    assert "10 concepts in 200 images (labels)" in capsys.readouterr().out
    with pytest.raises(InputError, match="an intersection over union in"):
        dissect(str(result.run_id), folder=tmp_path, threshold=1.0)


def test_concepts_of_one_name_are_counted_by_category():
    def unit(concept, category):
        return SimpleNamespace(concept=concept, category=category, detector=True)

    names = [("orange", "colour"), ("orange", "food"), ("orange", "food"), ("dog", "animal")]
    layer = DissectedLayer("conv1", tuple(unit(*one) for one in names), np.zeros(4, bool))
    assert layer.concepts() == [("orange (food)", 2), ("orange (colour)", 1), ("dog", 1)]
