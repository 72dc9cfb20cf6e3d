"""Patterns against tfmot's own: the masks that its wrapper computes for the same kernel."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tfmots_mask(layer, input_shape, kernel, *, sparsity=0.5, **pattern):
    """The mask that tfmot's wrapper lays on a kernel at its first training step."""
    import tensorflow as tf
    from tensorflow_model_optimization.sparsity.keras import ConstantSparsity, prune_low_magnitude

    wrapper = prune_low_magnitude(layer, ConstantSparsity(sparsity, begin_step=1), **pattern)
    wrapper.build((1, *input_shape))
    wrapper.layer.kernel.assign(kernel)
    wrapper.pruning_step.assign(0)
    wrapper(tf.zeros((1, *input_shape)), training=True)
    mask = wrapper.pruning_vars[0][1].numpy()
    np.testing.assert_array_equal(wrapper.layer.kernel.numpy(), kernel * mask)
    return mask.astype(bool)


def our_mask(kind, kernel, strategy, *, rate=0.5):
    tensor = PrunableTensor("layer", kind, kernel.shape)
    context = PruningContext(
        tensors=(tensor,), weights={"layer": kernel}, masks=full_masks((tensor,))
    )
    return prune(context, strategy=strategy, scope="layer", rates=rate)["layer"]


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 2), (3, 7)])
@pytest.mark.parametrize("n_inputs", [8, 10, 15])
def test_n_of_m_inputs_of_a_neuron_are_those_that_tfmot_keeps(keras, n, m, n_inputs):
    kernel = draw((n_inputs, 6), seed=n_inputs)
    theirs = tfmots_mask(keras.layers.Dense(6), (n_inputs,), kernel, sparsity_m_by_n=(m - n, m))
    ours = our_mask("dense", kernel, f"n-m:n={n},m={m}", rate=1 - n / m)
    np.testing.assert_array_equal(ours, theirs)
    assert not ours.all()


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 3)])
@pytest.mark.parametrize("n_inputs", [8, 6, 3])
def test_n_of_m_input_channels_at_a_window_position_are_those_that_tfmot_keeps(
    keras, n, m, n_inputs
):
    kernel = draw((3, 2, n_inputs, 5), seed=n_inputs)
    theirs = tfmots_mask(
        keras.layers.Conv2D(5, (3, 2)), (4, 4, n_inputs), kernel, sparsity_m_by_n=(m - n, m)
    )
    ours = our_mask("conv", kernel, f"n-m:n={n},m={m}", rate=1 - n / m)
    np.testing.assert_array_equal(ours, theirs)
    assert not ours.all()


def test_of_equal_weights_tfmot_keeps_the_first_and_we_the_last(keras):
    ones = np.ones((8, 1), np.float32)
    theirs = tfmots_mask(keras.layers.Dense(1), (8,), ones, sparsity_m_by_n=(2, 4))
    assert theirs[:, 0].tolist() == [True, True, False, False] * 2
    assert our_mask("dense", ones, "n-m")[:, 0].tolist() == [False, False, True, True] * 2


def test_tfmot_groups_the_filters_of_a_transposed_convolution_and_we_its_inputs(keras):
    kernel = draw((1, 1, 4, 8))
    layer = keras.layers.Conv2DTranspose(4, 1)
    theirs = tfmots_mask(layer, (4, 4, 8), kernel, sparsity_m_by_n=(2, 4))
    ours = our_mask("transposed", kernel, "n-m")
    assert (theirs.sum(axis=2) == 2).all()  # of the four filters, at every input
    assert (ours.reshape(4, 2, 4).sum(axis=2) == 2).all()  # of four inputs, in every filter
    assert not (ours.sum(axis=2) == 2).all()


@pytest.mark.parametrize(("height", "width"), [(1, 4), (4, 1), (2, 2), (3, 4)])
@pytest.mark.parametrize("sparsity", [0.25, 0.5, 0.75])
def test_blocks_are_those_that_tfmot_keeps(keras, height, width, sparsity):
    kernel = draw((12, 8))
    theirs = tfmots_mask(
        keras.layers.Dense(8), (12,), kernel, sparsity=sparsity,
        block_size=(height, width), block_pooling_type="AVG",
    )  # fmt: skip
    ours = our_mask("dense", kernel, f"block:height={height},width={width}", rate=sparsity)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.mean() == 1 - sparsity


def test_a_block_that_one_row_is_missing_of_is_tfmots_too(keras):
    kernel = draw((11, 8))  # 6 x 4 blocks, those of the last row 1 x 2
    theirs = tfmots_mask(
        keras.layers.Dense(8), (11,), kernel, block_size=(2, 2), block_pooling_type="AVG"
    )
    np.testing.assert_array_equal(our_mask("dense", kernel, "block:height=2,width=2"), theirs)


def test_where_more_is_missing_tfmot_ranks_shifted_windows_and_we_the_blocks_themselves(keras):
    """Of 6 columns in blocks of 4 SAME padding makes windows of 3 and 3."""
    kernel = np.full((4, 6), 100, np.float32)
    kernel[:2] = [3, 3, 3, 9, 4, 4]  # blocks: 4.5 and 4; tfmot's windows: 3 and 5.67
    theirs = tfmots_mask(
        keras.layers.Dense(6), (4,), kernel, sparsity=0.25,
        block_size=(2, 4), block_pooling_type="AVG",
    )  # fmt: skip
    ours = our_mask("dense", kernel, "block:height=2,width=4", rate=0.25)
    np.testing.assert_array_equal(theirs[:2], [[False] * 4 + [True] * 2] * 2)
    np.testing.assert_array_equal(ours[:2], [[True] * 4 + [False] * 2] * 2)
    assert theirs[2:].all()
    assert ours[2:].all()


@pytest.mark.parametrize(
    ("sparsity", "kept_by_tfmot", "kept_by_us"), [(0.28, 14, 15), (0.25, 15, 15)]
)
def test_tfmot_rounds_what_is_kept_and_we_round_what_goes_down(
    keras, sparsity, kept_by_tfmot, kept_by_us
):
    kernel = draw((10, 8))  # twenty blocks
    theirs = tfmots_mask(
        keras.layers.Dense(8), (10,), kernel, sparsity=sparsity,
        block_size=(1, 4), block_pooling_type="AVG",
    )  # fmt: skip
    assert theirs.sum() == 4 * kept_by_tfmot
    assert our_mask("dense", kernel, "block", rate=sparsity).sum() == 4 * kept_by_us


def test_tfmot_knows_blocks_of_dense_kernels_only(keras):
    with pytest.raises(ValueError, match="2-dimensional weights"):
        tfmots_mask(keras.layers.Conv2D(8, 3), (4, 4, 4), draw((3, 3, 4, 8)), block_size=(1, 4))
    assert our_mask("conv", draw((3, 3, 4, 8)), "block").mean() == 0.5
