"""Configurations survive YAML, identify a computation, and presets say what the paper says."""

from __future__ import annotations

import pytest
import yaml

from tfprune.config import (
    ConfigError,
    RunConfig,
    config_hash,
    flatten,
    from_dict,
    load_preset,
    override,
    preset_names,
    run_name,
    settings,
    to_dict,
    to_yaml,
)
from tfprune.errors import InputError

VARIED = {
    "data": {"dataset": "cifar10", "augment": True, "image_size": 24},
    "training": {"epochs": "500it", "schedule": "step", "decay_at": ["100it", "2ep"]},
    "pruning": {
        "scope": "layer",
        "conv_fraction": 0.1,
        "layer_fractions": {"conv1": 0.05},
        "exclude": ["*_shortcut"],
        "rewind_to": "20it",
    },
    "comparison": {"measures": ["cka"], "layout": "mean"},
    "seed": 3,
    "replicates": 2,
}


@pytest.mark.parametrize("nested", [{}, VARIED])
def test_yaml_brings_back_the_same_configuration(nested):
    config = from_dict(nested)
    again = from_dict(yaml.safe_load(to_yaml(config)))
    assert again == config
    assert config_hash(again) == config_hash(config)


def test_every_setting_but_where_data_lies_changes_the_hash():
    plain = config_hash(RunConfig())
    assert config_hash(from_dict({"data": {"data_dir": "elsewhere"}})) == plain
    changed = [{"seed": 1}, {"training": {"epochs": "16ep"}}, {"comparison": {"layout": "mean"}}]
    hashes = {config_hash(from_dict(nested)) for nested in changed}
    assert len(hashes | {plain}) == 4


def test_equal_settings_written_differently_have_one_hash():
    first = from_dict({"training": {"epochs": 15, "learning_rate": 2e-3}, "pruning": {"levels": 5}})
    assert config_hash(first) == config_hash(RunConfig())


def test_options_override_a_preset_without_changing_it():
    preset = load_preset("lth-conv4")
    changed = from_dict(override(preset, {"pruning.levels": 3, "seed": 9}))
    assert (changed.pruning.levels, changed.seed, changed.model.name) == (3, 9, "conv4")
    assert from_dict(preset).pruning.levels == 20


def test_the_default_run_is_the_quick_preset():
    assert from_dict(load_preset("digits-quick")) == RunConfig()


# iterations, batch, optimizer, rate, share of convolutions / dense / output: Frankle & Carbin
# 2019, figure 2; a global scope has one share and leaves the output layer out
LTH = {
    "lth-lenet300": ("mnist", "lenet300", 50_000, 60, "adam", 1.2e-3, (0.2, 0.2, 0.1)),
    "lth-conv2": ("cifar10", "conv2", 20_000, 60, "adam", 2e-4, (0.1, 0.2, 0.1)),
    "lth-conv4": ("cifar10", "conv4", 25_000, 60, "adam", 3e-4, (0.1, 0.2, 0.1)),
    "lth-conv6": ("cifar10", "conv6", 30_000, 60, "adam", 3e-4, (0.15, 0.2, 0.1)),
    "lth-resnet20": ("cifar10", "resnet20", 30_000, 128, "momentum", 0.1, None),
    "lth-vgg19": ("cifar10", "vgg19", 112_000, 64, "momentum", 0.1, None),
}


@pytest.mark.parametrize("name", LTH)
def test_presets_hold_the_settings_of_the_lottery_ticket_paper(name):
    dataset, model, steps, batch, optimizer, rate, shares = LTH[name]
    config = from_dict(load_preset(name))
    training, pruning = config.training, config.pruning
    assert (config.data.dataset, config.model.name) == (dataset, model)
    assert (str(training.epochs), training.batch_size) == (f"{steps}it", batch)
    assert (training.optimizer, training.learning_rate) == (optimizer, rate)
    if shares is None:
        assert (pruning.scope, pruning.fraction) == ("global", 0.2)
        assert "logits" in pruning.exclude
        decays = [moment.count for moment in training.decay_at]
        assert training.momentum == 0.9
        assert decays == {"lth-resnet20": [20_000, 25_000], "lth-vgg19": [56_000, 84_000]}[name]
    else:
        conv = pruning.fraction if pruning.conv_fraction is None else pruning.conv_fraction
        assert (conv, pruning.dense_fraction, pruning.output_fraction) == shares
        assert pruning.scope == "layer"


# what each differs in from the preset in which the paper finds no ticket
FINDING = {
    "lth-resnet20-warmup": ("lth-resnet20", {"learning_rate": 0.03, "warmup": "20000it"}),
    "lth-resnet20-rewind": ("lth-resnet20", {"rewind_to": "500it"}),
    "lth-vgg19-warmup": ("lth-vgg19", {"warmup": "10000it"}),
    "lth-vgg19-rewind": ("lth-vgg19", {"rewind_to": "100it"}),
}


@pytest.mark.parametrize("name", FINDING)
def test_presets_that_find_tickets_differ_from_the_others_in_what_they_say_alone(name):
    base, changed = FINDING[name]
    ours, theirs = (flatten(to_dict(from_dict(load_preset(n)))) for n in (name, base))
    found = {key.rpartition(".")[2]: ours[key] for key in ours if ours[key] != theirs[key]}
    assert found == changed


def test_the_preset_of_imagenet_holds_the_settings_of_openlth():
    """models/imagenet_resnet.py of facebookresearch/open_lth, `default_hparams`."""
    config = from_dict(load_preset("imagenet-resnet50"))
    training, data = config.training, config.data
    assert (training.optimizer, training.momentum, training.learning_rate) == ("momentum", 0.9, 0.4)
    assert (str(training.epochs), str(training.warmup)) == ("90ep", "5ep")
    assert [str(moment) for moment in training.decay_at] == ["30ep", "60ep", "80ep"]
    assert (training.decay_factor, training.weight_decay, training.batch_size) == (0.1, 1e-4, 1024)
    assert (config.pruning.scope, config.pruning.fraction) == ("global", 0.2)
    assert (data.image_size, data.resize, data.crop, data.augment) == (224, "crop", "resized", True)


def test_every_preset_is_valid_and_says_what_it_is():
    for name, summary in preset_names().items():
        assert isinstance(from_dict(load_preset(name)), RunConfig)
        assert len(summary) > 20


def test_presets_say_whether_the_paper_finds_winning_tickets_in_them():
    """Frankle & Carbin 2019, section 4: none at rate 0.1 without warm-up."""
    said = preset_names()
    none = {name for name, summary in said.items() if "find no winning ticket" in summary}
    assert none == {base for base, _ in FINDING.values()}
    assert {name for name, summary in said.items() if "who find tickets" in summary} == set(FINDING)


def test_an_unknown_preset_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"unknown preset 'lth-conv5'; did you mean 'lth-conv"):
        load_preset("lth-conv5")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pruning: [1", r"is not valid YAML"),
        ("- 1\n- 2", r"should hold settings by section .*; it holds a list"),
        ("pruning: 3", r"expected settings of pruning; got 3"),
    ],
)
def test_a_broken_file_is_refused_with_what_was_expected(tmp_path, text, reason):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        from_dict(load_preset(str(path)))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"can't be read: .*No such file"):
        load_preset(str(tmp_path / "none.yaml"))


def test_a_file_of_ones_own_is_a_preset(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("pruning: {levels: 2}\n")
    assert from_dict(load_preset(str(path))).pruning.levels == 2


def test_a_run_is_named_by_what_it_is():
    name = run_name(from_dict(VARIED))
    assert name.startswith("magnitude 20%x5 20it digits-cnn cifar10 seeds 3-4 ")
    assert name.endswith(config_hash(from_dict(VARIED))[:6])


def test_wrong_settings_in_a_file_name_their_place():
    with pytest.raises(ConfigError, match=r"^training\.batch_size: expected a whole number"):
        from_dict({"training": {"batch_size": "many"}})


def test_to_dict_holds_every_setting():
    nested = to_dict(RunConfig())
    assert nested["pruning"]["rewind_to"] == "init"
    assert nested["training"]["epochs"] == "15ep"


@pytest.mark.parametrize(
    ("name", "rate", "warmup", "rewind_to"),
    [
        ("lth-resnet20-warmup", 0.03, "20000it", "init"),
        ("lth-vgg19-warmup", 0.1, "10000it", "init"),
        ("lth-resnet20-rewind", 0.1, "0it", "500it"),
        ("lth-vgg19-rewind", 0.1, "0it", "100it"),
    ],
)
def test_where_the_paper_finds_no_ticket_there_is_a_preset_in_which_one_is_found(
    name, rate, warmup, rewind_to
):
    """Frankle & Carbin 2019, sections 4 (warm-up); Frankle et al. 2019 (rewinding)."""
    found, plain = load_preset(name), load_preset(name.rpartition("-")[0])
    training = from_dict(found).training
    assert (training.learning_rate, str(training.warmup)) == (rate, warmup)
    assert found["pruning"] == {**plain["pruning"], "rewind_to": rewind_to}
    changed = {"learning_rate": rate, "warmup": warmup}
    assert {**found["training"], **changed} == {**plain["training"], **changed}


def test_the_preset_of_lenet_holds_out_five_thousand_images_of_mnist():
    assert round(load_preset("lth-lenet300")["data"]["validation_fraction"] * 60_000) == 5_000


def test_on_and_off_need_no_quotes_where_they_are_words():
    """YAML reads them as truth values."""
    for name, item in settings().items():
        choices = item.metadata.get("choices", ())
        if "on" in choices and "off" in choices:
            for text in ("on", "off"):
                nested = yaml.safe_load(f"{name}: {text}")
                found = flatten(to_dict(from_dict(override({}, nested))))[name]
                assert found == text
    assert from_dict({"training": {"xla": True}}) == from_dict({"training": {"xla": "on"}})
