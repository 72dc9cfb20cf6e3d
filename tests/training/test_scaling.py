"""Training in float16: the loss is scaled, and steps that overflow are left out; all resumable."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import normalization
from tfprune.errors import RunError
from tfprune.training import scaling
from tfprune.training.precision import is_slow_here, why_slow
from tfprune.training.prunable import PrunableNetwork
from tfprune.training.trainer import Trainer

SGD = TrainingConfig(epochs="3ep", batch_size=16, optimizer="momentum", learning_rate=0.02)


@pytest.fixture
def make(build_tiny, tiny_data):
    def make(training=SGD, **options):
        prunable = PrunableNetwork(build_tiny(), precision="float16")
        scale = normalization(tiny_data.train.images)
        return Trainer(prunable, tiny_data, training, seed=0, normalization=scale, **options)

    return make


def scale_of(trainer):
    return [variable.numpy().item() for variable in trainer._scale.variables]


def same_bits(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def test_a_step_whose_gradients_overflow_changes_nothing_but_the_count_and_halves_the_scale(make):
    trainer = make(track_movement=True)
    trainer.train(until=2)  # so that moments and moving statistics are not what they began as
    before, moved = trainer.state(), trainer.movement()
    trainer._scale.scale.assign(2.0**40)
    trainer._scale.n_good.assign(5)
    trainer.train(until=3)
    after = trainer.state()
    assert same_bits(before.variables, after.variables)
    n_own = len(trainer.optimizer.variables)
    changed = [
        variable.name
        for variable, a, b in zip(
            trainer.optimizer.variables, before.slots[:n_own], after.slots[:n_own], strict=True
        )
        if a.tobytes() != b.tobytes()
    ]
    assert changed == [trainer.optimizer.iterations.name]
    assert (before.step, after.step) == (2, 3)
    assert scale_of(trainer) == [2.0**39, 0, 1]
    assert same_bits(moved.values(), trainer.movement().values())
    trainer._scale.scale.assign(2.0**10)
    trainer.train(until=4)
    assert scale_of(trainer) == [2.0**10, 1, 0]
    assert not same_bits(after.variables, trainer.state().variables)


@pytest.mark.slow
def test_the_scale_doubles_after_good_steps_up_to_the_largest(make, monkeypatch):
    monkeypatch.setattr(scaling, "GROWS_AFTER", 3)
    monkeypatch.setattr(scaling, "LARGEST", 2.0**8)
    trainer = make()
    trainer._scale.scale.assign(2.0**6)
    found = []
    for step in range(1, 12):
        trainer.train(until=step)
        found.append((np.log2(scale_of(trainer)[0]), scale_of(trainer)[1]))
    doubled = [(6, 1), (6, 2), (7, 0), (7, 1), (7, 2), (8, 0)]
    assert found == [*doubled, (8, 1), (8, 2), (8, 0), (8, 1), (8, 2)]


@pytest.mark.slow
def test_gradients_too_small_for_float16_arrive_because_the_loss_is_scaled(make):
    """Those of conv1 are about 1e-9 here, and float16 ends at 6e-8."""

    def moved(scale):
        trainer = make(dataclasses.replace(SGD, optimizer="sgd", learning_rate=1.0))
        network = trainer.prunable.network
        kernel, bias = network.get_layer("logits").get_weights()
        network.get_layer("logits").set_weights([kernel * 1e-8, bias])
        trainer._scale.scale.assign(scale)
        before = network.get_layer("dense1").get_weights()[1]
        trainer.train(until=1)
        return network.get_layer("dense1").get_weights()[1] - before

    unscaled, scaled = moved(1.0), moved(2.0**15)
    assert not unscaled.any()
    assert scaled.any()
    assert np.abs(scaled).max() < 6e-8


@pytest.mark.slow
def test_what_is_resumed_ends_in_the_same_bits_through_an_overflow(make):
    """The scale is part of the state: another one would leave out other steps."""

    def begun():
        trainer = make()
        trainer._scale.scale.assign(2.0**26)  # overflows a few times, then holds
        return trainer

    whole, first = begun(), begun()
    whole.train()
    first.train(until=2)
    assert scale_of(first)[2] == 2  # both steps were left out: halved to 2^24
    resumed = make()
    resumed.restore(first.state())
    assert scale_of(resumed) == scale_of(first)
    resumed.train()
    assert same_bits(whole.state().variables, resumed.state().variables)
    assert same_bits(whole.state().slots, resumed.state().slots)
    assert scale_of(whole)[0] < 2.0**24
    start = first.state()
    whole.restart_optimizer(start)
    assert scale_of(whole) == scale_of(first)


@pytest.mark.slow
def test_pruned_weights_stay_zero_and_kept_ones_keep_all_their_bits(make, tiny_data):
    trainer = make(dataclasses.replace(SGD, epochs="40ep"))
    rng = np.random.default_rng(7)
    masks = {t.name: rng.random(t.shape) < 0.7 for t in trainer.prunable.tensors}
    trainer.prunable.set_masks(masks)
    trainer.train()
    assert trainer.evaluate(tiny_data.test).accuracy > 0.9
    for name, weight in trainer.prunable.weights().items():
        assert weight.dtype == np.float32
        assert not weight[~masks[name]].any()
        assert np.mean(weight[masks[name]].view(np.uint32) & 0x1FFF != 0) > 0.9
    assert trainer.n_traces == 1


@pytest.mark.slow
def test_the_step_computes_in_float16_with_the_output_layer_in_float32(make):
    import tensorflow as tf

    trainer = make()
    trainer.train(until=1)
    (program,) = trainer._programs
    order = tf.constant(np.arange(50, dtype=np.int32))
    given = order, None, None, None, tf.constant(0), tf.constant(0), tf.constant(1)
    graph = program.get_concrete_function(*given).graph.as_graph_def()
    found = {}
    for function in [graph, *graph.library.function]:
        for node in getattr(function, "node_def", getattr(function, "node", ())):
            if node.op in ("Conv2D", "MatMul"):
                found.setdefault(node.op, []).append(node.attr["T"].type)
    assert set(found["Conv2D"]) == {tf.float16.as_datatype_enum}
    assert found["MatMul"].count(tf.float32.as_datatype_enum) == 3  # logits, and back twice


@pytest.mark.slow
def test_training_is_given_up_where_gradients_overflow_without_any_scale(make, monkeypatch):
    monkeypatch.setattr(scaling, "HOPELESS", 3)
    trainer = make()
    network = trainer.prunable.network
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel * 1e8, bias])
    trainer._scale.scale.assign(scaling.LEAST)
    with pytest.raises(RunError) as caught:
        trainer.train()
    assert str(caught.value) == (
        "gradients overflow float16 even unscaled: the last 4 steps were left out. Use "
        "--precision bfloat16 or float32, or lower --learning-rate."
    )
    assert scale_of(trainer)[0] == scaling.LEAST


@pytest.mark.parametrize(
    ("flags", "slow"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", True),
        ("flags\t\t: fpu avx512f avx512_fp16", False),
        ("Features\t: fp asimd fphp asimdhp", False),
        ("Features\t: fp asimd bf16", True),
    ],
)
def test_a_processor_without_float16_is_known_by_its_flags(tmp_path, flags, slow):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{flags}\n")
    assert is_slow_here("float16", cpuinfo) is slow
    assert why_slow("float16") == (
        "The device has no float16 instructions (CPU: avx512_fp16, amx_fp16; GPU: compute "
        "capability 7.0): this is slower than --precision float32."
    )
    assert why_slow("bfloat16") == (
        "The device has no bfloat16 instructions (CPU: avx512_bf16, amx_bf16; GPU: compute "
        "capability 8.0): this is slower than --precision float32."
    )
