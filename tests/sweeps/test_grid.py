# ruff: noqa: E501  (whole messages, a line each)
"""A grid's cells are what its lists, ranges and zips say, and each is a whole configuration."""

from __future__ import annotations

import click
import pytest

from tfprune.config import ConfigError, settings
from tfprune.errors import InputError
from tfprune.sweeps.grid import Grid, axis, read_sweep, sweep_key, zipped
from tfprune_cli.options import given_settings, run_options


def values(setting, given):
    return [value for point in axis(setting, given) for value in point.values()]


@pytest.mark.parametrize(
    ("setting", "given", "expected"),
    [
        ("seed", "0..4", [0, 1, 2, 3, 4]),
        ("seed", "0..20..5", [0, 5, 10, 15, 20]),
        ("seed", "0..1, 7, 9..10", [0, 1, 7, 9, 10]),
        ("seed", 3, [3]),
        ("seed", [0, "2..3"], [0, 2, 3]),
        ("training.learning_rate", "0.1,1e-3", [0.1, 0.001]),
        ("training.epochs", "5,100it", [5, "100it"]),
        ("data.augment", "true,false", [True, False]),
        ("pruning.conv_fraction", "null,0.1", [None, 0.1]),
        ("comparison.measures", "cka,svcca", [["cka"], ["svcca"]]),
        ("comparison.measures", [["cka", "svcca"], "pwcca"], [["cka", "svcca"], ["pwcca"]]),
        ("strategy", ["magnitude"], ["magnitude"]),
        ("xla", "on,off", ["on", "off"]),
        ("xla", [True, "off", "auto"], ["on", "off", "auto"]),  # as YAML reads on
        ("augment", "on,off", [True, False]),
        ("image_size", "none,32", [None, 32]),
        ("model", "1,none", ["1", "none"]),
        ("layer_fraction", "conv1=0.5,conv2=0.5", [{"conv1": 0.5}, {"conv2": 0.5}]),
        ("layer_fractions", [{"conv1": 0.5, "conv2": 0.2}], [{"conv1": 0.5, "conv2": 0.2}]),
        ("data.train_split", ["train[:10]"], ["train[:10]"]),
    ],
)
def test_an_axis_takes_lists_ranges_and_texts(setting, given, expected):
    assert values(setting, given) == expected


SAMPLES = {
    "int": ["3", "0"], "float": ["0.5", "1e-3", "2"], "Duration": ["5", "2ep", "500it"],
    "str": ["name", "on", "1", "none", "2ep"], "tuple[str, ...]": ["cka", "on", "1"],
    "tuple[Duration, ...]": ["5", "100it"], "Mapping[str, float]": ["conv1=0.5"],
}  # fmt: skip


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_read_as_its_option_reads_it(name):
    """What a user would write behind the option means the same in --grid."""
    item = settings()[name]
    kind = str(item.type).removesuffix(" | None")
    option = item.metadata["option"]
    if kind == "bool":
        words = {"on": option, "true": option, "off": f"--no-{option[2:]}"}
        given = {text: [word] for text, word in words.items()}
    else:
        given = {text: [option, text] for text in item.metadata.get("choices") or SAMPLES[kind]}
    assert given
    if "None" in str(item.type):
        given.pop("none", None)  # which the option can't say
    for text, words in given.items():
        seen = {}
        command = run_options(click.command()(lambda seen=seen, **values: seen.update(values)))
        command.main(words, standalone_mode=False)
        expected = given_settings(seen)[name]
        found = values(option, text)[0]
        if isinstance(expected, tuple):
            expected = list(expected)
        assert type(found) is type(expected) or "Duration" in kind or kind == "float"
        assert found == expected or (kind == "Duration" and str(found) == expected)


def test_settings_are_called_as_in_the_file_or_on_the_command_line():
    assert axis("pruning.rewind_to", "1ep") == axis("rewind_to", "1ep") == axis("rewind-to", "1ep")


def test_the_cells_are_all_combinations_of_axes_and_zips_the_last_fastest():
    grid = Grid(
        {"training": {"epochs": 2}},
        [
            axis("seed", "0..1"),
            zipped({"levels": [1, 2], "fraction": [0.5, 0.2]}),
            axis("strategy", "magnitude,random"),
        ],
    )
    cells = grid.cells()
    assert [cell.label for cell in cells[:5]] == [
        "seed=0 levels=1 fraction=0.5 strategy=magnitude",
        "seed=0 levels=1 fraction=0.5 strategy=random",
        "seed=0 levels=2 fraction=0.2 strategy=magnitude",
        "seed=0 levels=2 fraction=0.2 strategy=random",
        "seed=1 levels=1 fraction=0.5 strategy=magnitude",
    ]
    assert len(cells) == len({cell.key for cell in cells}) == 8
    last = cells[-1].config
    assert (last.seed, last.pruning.levels, last.pruning.fraction) == (1, 2, 0.2)
    assert {str(cell.config.training.epochs) for cell in cells} == {"2ep"}


def test_a_file_holds_a_runs_settings_and_a_grid(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "name: two\npreset: digits-quick\ntraining: {batch_size: 64}\n"
        "grid:\n  seed: 0..1\nzip:\n  - {levels: [1, 2], fraction: [0.5, 0.2]}\n"
        "  - training.learning_rate: [0.1]\n    training.momentum: [0.9]\n"
    )
    grid, name = read_sweep(file)
    cells = grid.cells()
    assert name == "two"
    assert len(cells) == 4
    assert {cell.config.training.batch_size for cell in cells} == {64}
    assert cells[0].settings == {
        "seed": 0,
        "pruning.levels": 1,
        "pruning.fraction": 0.5,
        "training.learning_rate": 0.1,
        "training.momentum": 0.9,
    }


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Grid({}, []).cells(), "a sweep needs a grid: give --grid SETTING=VALUE,VALUE, such as --grid seed=0..4, or a file with 'grid:'."),
        (lambda: Grid({}, [axis("seed", "0..1"), axis("seed", "5")]).cells(), "seed: the grid gives it twice; give all its values at once."),
        (lambda: Grid({}, [axis("seed", "0,1,0")]).cells(), "two cells of the grid are the same experiment: seed=0 and seed=0. Give every value once."),
        (lambda: Grid({}, [axis("epochs", "2,2ep")]).cells(), "two cells of the grid are the same experiment: epochs=2 and epochs=2ep. Give every value once."),
        (lambda: Grid({"replicates": 2}, [axis("seed", "0..2")]).cells(), "two cells of the grid train the same networks: seed 1 of seed=0 and of seed=1, because replicate r of a run has its seed + r. Leave out --replicates, or give seeds that are as far apart as it is large."),
        (lambda: axis("seed", "4..0"), "seed: the range 4..0 is empty; give FIRST..LAST, as in 0..4."),
        (lambda: axis("seed", ""), "seed: the grid gives it no value; give at least one."),
        (lambda: axis("sed", "1"), "sed: there is no such setting; did you mean 'seed'?"),
        (lambda: zipped({"seed": [0, 1], "levels": [1]}), "settings that are zipped need equally many values: seed has 2, pruning.levels has 1. Give each as many."),
        (lambda: zipped({"levels": [1], "pruning.levels": [2]}), "pruning.levels: the zip gives it twice; give all its values at once."),
        (lambda: Grid({}, [axis("levels", "1,0")]).cells(), "pruning.levels: expected a whole number at least 1; got 0. (in the cell levels=0)"),
        (lambda: Grid({}, [axis("seed", "0..999"), axis("levels", "1..101")]).cells(), "the grid has 101,000 cells; a sweep has at most 100,000. Split it."),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused_in_a_sentence(build, text):
    with pytest.raises(InputError) as error:
        build()
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("grid: [1]", "{path}: 'grid' should hold settings with their values, such as 'seed: 0..4'; it holds a list."),
        ("zip: [3]", "{path}: 'zip 1' should hold settings with their values, such as 'seed: 0..4'; it holds a int."),
        ("name: 3\ngrid: {seed: 1}", "{path}: 'name' should be a text; got 3."),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(tmp_path, content, text):
    path = tmp_path / "sweep.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_sweep(path)
    assert str(error.value) == text.format(path=path)


def test_replicates_that_do_not_overlap_are_a_grid():
    order = {"training": {"data_order_seed": 3}, "replicates": 2}
    assert (
        len(Grid({"replicates": 2}, [axis("seed", "0..4..2"), axis("levels", "1,2")]).cells()) == 6
    )
    with pytest.raises(InputError, match="seed 1 of seed=0 and of seed=1"):
        Grid({"replicates": 2}, [axis("seed", "0..1")]).cells()
    assert len(Grid(order, [axis("seed", "0..1")]).cells()) == 2  # the data orders differ


def test_a_setting_is_called_what_it_is():
    cells = Grid({}, [axis("model", "digits-cnn,lenet-5"), axis("scope", "layer")]).cells()
    assert cells[0].label == "model=digits-cnn scope=layer"


def test_a_sweep_is_known_by_its_cells_in_any_order():
    one = Grid({}, [axis("seed", "0..1"), axis("levels", "1,2")]).cells()
    other = Grid({}, [axis("levels", "2,1"), axis("seed", "1,0")]).cells()
    more = Grid({}, [axis("seed", "0..2"), axis("levels", "1,2")]).cells()
    assert sweep_key(one, store="a") == sweep_key(other, store="a")
    assert len({sweep_key(one, store="a"), sweep_key(more, store="a"), sweep_key(one)}) == 3


def test_wrong_values_name_the_setting_for_the_command_line():
    with pytest.raises(ConfigError) as error:
        Grid({}, [axis("fraction", "0.5,1.5")]).cells()
    assert error.value.field == "pruning.fraction"
