"""Training in bfloat16 leaves float32 networks, masks and evaluations behind."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import normalization
from tfprune.errors import InputError
from tfprune.training.precision import is_slow_here
from tfprune.training.prunable import PrunableNetwork, plain_copy
from tfprune.training.trainer import Trainer

SGD = TrainingConfig(epochs="3ep", batch_size=16, optimizer="momentum", learning_rate=0.02)


@pytest.fixture
def make(build_tiny, tiny_data):
    def make(precision, training=SGD):
        prunable = PrunableNetwork(build_tiny(), precision=precision)
        scale = normalization(tiny_data.train.images)
        return Trainer(prunable, tiny_data, training, seed=0, normalization=scale)

    return make


def half_masks(trainer):
    rng = np.random.default_rng(7)
    return {t.name: rng.random(t.shape) < 0.5 for t in trainer.prunable.tensors}


def test_the_network_starts_from_the_same_bits_and_computes_the_same_outside_training(make):
    wide, narrow = make("float32"), make("bfloat16")
    x = np.random.default_rng(0).random((4, 6, 6, 1), np.float32)
    pairs = zip(wide.state().variables, narrow.state().variables, strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    assert narrow.prunable.network(x).dtype == "float32"
    np.testing.assert_array_equal(narrow.prunable.network(x), wide.prunable.network(x))


def test_a_step_computes_in_bfloat16_with_the_output_layer_in_float32(make):
    trainer = make("bfloat16")
    trainer.train(until=1)
    (program,) = trainer._programs
    graph = program.get_concrete_function(*_arguments()).graph.as_graph_def()
    found = {}
    for function in [graph, *graph.library.function]:
        for node in getattr(function, "node_def", getattr(function, "node", ())):
            if node.op in ("Conv2D", "MatMul"):
                found.setdefault(node.op, []).append(node.attr["T"].type)
    bfloat16, float32 = 14, 1
    assert set(found["Conv2D"]) == {bfloat16}
    assert set(found["MatMul"]) == {bfloat16, float32}
    assert found["MatMul"].count(float32) == 3  # forward and two backward of the logits


def _arguments():
    import tensorflow as tf

    order = tf.constant(np.arange(50, dtype=np.int32))
    return order, None, None, None, tf.constant(0), tf.constant(0), tf.constant(1)


@pytest.mark.slow
def test_steps_differ_from_float32_by_rounding_only(make):
    wide, narrow = make("float32"), make("bfloat16")
    start = wide.prunable.weights()
    for trainer in (wide, narrow):
        trainer.train(until=4)
    for name, weight in wide.prunable.weights().items():
        step = np.linalg.norm(weight - start[name])
        difference = np.linalg.norm(weight - narrow.prunable.weights()[name])
        assert 0 < difference < 0.1 * step


def test_kernels_keep_all_their_bits_and_pruned_ones_stay_zero(make):
    """A kernel that had passed through bfloat16 would have 16 zero bits at its end."""
    trainer = make("bfloat16")
    masks = half_masks(trainer)
    trainer.prunable.set_masks(masks)
    trainer.train()
    for name, weight in trainer.prunable.weights().items():
        assert weight.dtype == np.float32
        assert np.count_nonzero(weight[~masks[name]]) == 0
        kept = weight[masks[name]].view(np.uint32)
        assert np.mean(kept & 0xFFFF != 0) > 0.9
        assert (trainer.prunable.masks()[name] == masks[name]).all()


@pytest.mark.slow
def test_bfloat16_learns_the_three_classes_and_trains_to_the_same_bits_again(make, tiny_data):
    training = dataclasses.replace(SGD, epochs="40ep")
    first, second = make("bfloat16", training), make("bfloat16", training)
    start = first.state()
    for trainer in (first, second):
        trainer.train()
    assert first.evaluate(tiny_data.test).accuracy > 0.9
    pairs = list(zip(first.state().variables, second.state().variables, strict=True))
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    first.restore(start)
    first.train()
    again = zip(first.state().variables, second.state().variables, strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in again)
    assert first.n_traces == 1


def test_copies_and_saved_files_are_plain_float32_models(make, keras, tmp_path):
    trainer = make("bfloat16")
    trainer.train(until=2)
    stripped = trainer.prunable.stripped()
    assert {layer.dtype_policy.name for layer in stripped.layers} == {"float32"}
    stripped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    x = np.random.default_rng(0).random((4, 6, 6, 1), np.float32)
    np.testing.assert_array_equal(loaded(x), trainer.prunable.network(x))
    np.testing.assert_array_equal(plain_copy(trainer.prunable.network)(x), loaded(x))


def test_an_unknown_precision_is_refused(build_tiny):
    with pytest.raises(InputError) as caught:
        PrunableNetwork(build_tiny(), precision="fp8")
    assert str(caught.value) == ("unknown precision 'fp8'. Known: float32, bfloat16, float16.")


@pytest.mark.parametrize(
    ("flags", "slow"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", True),
        ("flags\t\t: fpu avx512f avx512_bf16", False),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile", False),
        ("Features\t: fp asimd bf16", False),
        ("Features\t: fp asimd", True),
        ("model name\t: unknown", False),
    ],
)
def test_a_processor_without_bfloat16_is_known_by_its_flags(tmp_path, flags, slow):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{flags}\n\nprocessor\t: 1\n{flags}\n")
    assert is_slow_here("bfloat16", cpuinfo) is slow
    assert not is_slow_here("float32", cpuinfo)
    assert not is_slow_here("bfloat16", tmp_path / "nowhere")
