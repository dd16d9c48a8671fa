"""The Keras layers: weights, dtypes, configs, names, and the errors of wrong use."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from unstride import Reason, UnstrideError
from unstride.compat import keras
from unstride.compat.keras import layers

ALL = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)


@pytest.mark.parametrize("kind", ALL)
def test_first_call_builds(kind: Any) -> None:
    layer = kind(5, 2, strides=2)
    rank = layer.rank
    assert not layer.built
    assert layer.weights == []
    y = layer(np.ones((2, *(4,) * rank, 3)))
    channels = (5, 3) if "Transpose" in kind.__name__ else (3, 5)
    assert [weight.shape for weight in layer.weights] == [(*(2,) * rank, *channels), (5,)]
    assert [weight.name for weight in layer.weights] == ["kernel", "bias"]
    assert layer.count_params() == 2**rank * 15 + 5
    assert y.shape == layer.compute_output_shape((2, *(4,) * rank, 3))


@pytest.mark.parametrize("kind", ALL)
def test_config_goes_round_through_json(kind: Any) -> None:
    layer = kind(
        4,
        3,
        padding="same",
        activation="leaky_relu",
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=7),
        bias_initializer=keras.initializers.Constant(0.5),
        kernel_regularizer=keras.regularizers.L2(0.1),
        kernel_constraint="max_norm",
        dtype="float16",
        trainable=False,
        name="mine",
    )
    config = layer.get_config()
    again = kind.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    x = np.ones((1, *(4,) * layer.rank, 2))
    assert (layer(x) == again(x)).all()
    assert layer(x).dtype == np.float16
    assert (layer.get_weights()[1] == 0.5).all()


def test_three_dimensional_transpose_takes_data_format_before_output_padding() -> None:
    layer = layers.Conv3DTranspose(1, 3, 2, "same", "channels_last", 0)
    assert layer.compute_output_shape((1, 4, 4, 4, 1)) == (1, 7, 7, 7, 1)
    assert layers.Conv2DTranspose(1, 3, 2, "same", 0).compute_output_shape((1, 4, 4, 1)) == (1, 7, 7, 1)


def test_names_are_numbered_by_class() -> None:
    keras.utils.clear_session()
    names = [each(1, 1).name for each in (*ALL, layers.Conv2DTranspose, layers.Conv2DTranspose)]
    assert names[4:] == ["conv2d_transpose", "conv3d_transpose", "conv2d_transpose_1", "conv2d_transpose_2"]
    assert layers.Conv2D(1, 1, name="mine").name == "mine"
    assert keras.Sequential().name == "sequential"


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.bool_, np.float16, np.float64])
def test_inputs_are_cast_to_the_layers_type(kind: type) -> None:
    y = layers.Conv2D(1, 1, kernel_initializer="ones")(np.ones((1, 2, 2, 1), kind))
    assert y.dtype == np.float32
    assert (y == 1).all()


def test_mixed_precision_computes_in_half_and_keeps_single() -> None:
    layer = layers.Conv2D(1, 1, dtype="mixed_float16", kernel_initializer="ones")
    assert layer(np.ones((1, 2, 2, 1))).dtype == np.float16
    assert layer.kernel.dtype == "float32"


def test_channels_first_is_the_same_computation() -> None:
    x = np.random.default_rng(0).integers(-3, 4, (2, 5, 6, 4))
    last, first = (
        layers.Conv2DTranspose(3, (2, 3), (2, 1), "same", data_format=order)
        for order in ("channels_last", "channels_first")
    )
    y = last(x)
    first.build((2, 4, 5, 6))
    first.set_weights(last.get_weights())
    assert np.array_equal(first(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1), y)


def test_causal_output_depends_on_the_past_only() -> None:
    layer = layers.Conv1D(1, 3, padding="causal", dilation_rate=2, kernel_initializer="ones", use_bias=False)
    impulse = np.zeros((1, 8, 1))
    impulse[0, 3] = 1
    assert layer(impulse).ravel().tolist() == [0, 0, 0, 1, 0, 1, 0, 1]


def test_groups_see_their_own_channels_only() -> None:
    layer = layers.Conv2D(4, 1, groups=2, kernel_initializer="ones", use_bias=False)
    assert layer(np.array([1, 2, 10, 20]).reshape(1, 1, 1, 4)).ravel().tolist() == [3, 3, 30, 30]
    assert layer.kernel.shape == (1, 1, 2, 4)


def test_activation_may_be_a_callable() -> None:
    x = np.array([-1.0, 4.0]).reshape(1, 1, 2, 1)
    layer = layers.Conv2D(1, 1, activation=np.square, kernel_initializer="ones")
    assert layer(x).ravel().tolist() == [1, 16]
    assert layers.Conv2D(1, 1, activation="relu", kernel_initializer="ones")(x).ravel().tolist() == [0, 4]


def test_input_symbol_gives_the_shape_only() -> None:
    y = layers.Conv2DTranspose(512, 3, strides=2, padding="same")(keras.Input((8, 8, 4)))
    assert y.shape == (None, 16, 16, 512)


def test_unknown_sizes_stay_unknown() -> None:
    layer = layers.Conv2D(7, (5, 3), dilation_rate=3)
    assert layer.compute_output_shape((None, None, 20, 2)) == (None, None, 14, 7)
    layer.build((None, None, None, 2))
    assert layer.kernel.shape == (5, 3, 2, 7)


def test_set_weights_changes_all_or_nothing() -> None:
    layer = layers.Conv2D(3, 2)
    layer.build((None, 4, 4, 1))
    before = layer.get_weights()
    with pytest.raises(UnstrideError) as caught:
        layer.set_weights([np.ones((2, 2, 1, 3)), np.ones(4)])
    assert caught.value.reason is Reason.KERNEL
    assert caught.value.argument == "bias.shape"
    assert all(np.array_equal(old, new) for old, new in zip(before, layer.get_weights(), strict=True))
    layer.set_weights([np.ones((2, 2, 1, 3)), [1, 2, 3]])
    assert layer(np.ones((1, 2, 2, 1))).ravel().tolist() == [5, 6, 7]


def test_weights_are_copied_in_and_out() -> None:
    layer = layers.Conv2D(1, 1)
    layer.build((None, 2, 2, 1))
    given = np.full((1, 1, 1, 1), 2.0, np.float32)
    layer.set_weights([given, [0]])
    given[:] = 9
    layer.get_weights()[0][:] = 9
    assert layer.kernel.numpy().item() == 2


def _built() -> Any:
    layer = layers.Conv2D(1, 2)
    layer.build((None, 4, 4, 3))
    return layer


WRONG: dict[str, tuple[Any, Reason, str | None]] = {
    "unknown argument": (lambda: layers.Conv2D(1, 1, foo=2), Reason.ARGUMENT, None),
    "missing argument": (lambda: layers.Conv2D(1), Reason.ARGUMENT, None),
    "groups of a transposed layer": (lambda: layers.Conv2DTranspose(2, 1, groups=2), Reason.GROUPS, "groups"),
    "filters": (lambda: layers.Conv2D(0, 1), Reason.CHANNELS, "filters"),
    "strides": (lambda: layers.Conv2D(1, 1, strides=0), Reason.STRIDE, "strides"),
    "output padding": (
        lambda: layers.Conv2DTranspose(1, 3, strides=2, output_padding=2),
        Reason.OUTPUT_PADDING,
        "output_padding",
    ),
    "causal in two dimensions": (lambda: layers.Conv2D(1, 1, padding="causal"), Reason.PADDING, "padding"),
    "activation": (lambda: layers.Conv2D(1, 1, activation="nope"), Reason.ARGUMENT, "activation"),
    "initializer": (lambda: layers.Conv2D(1, 1, bias_initializer="nope"), Reason.ARGUMENT, "bias_initializer"),
    "regularizer": (lambda: layers.Conv2D(1, 1, kernel_regularizer="nope"), Reason.ARGUMENT, "kernel_regularizer"),
    "constraint": (lambda: layers.Conv2D(1, 1, kernel_constraint="nope"), Reason.ARGUMENT, "kernel_constraint"),
    "dtype": (lambda: layers.Conv2D(1, 1, dtype="int8"), Reason.DTYPE, "dtype"),
    "name": (lambda: layers.Conv2D(1, 1, name="a/b"), Reason.ARGUMENT, "name"),
    "trainable": (lambda: layers.Conv2D(1, 1, trainable=1), Reason.ARGUMENT, "trainable"),
    "low rank": (lambda: layers.Conv2D(1, 1, lora_rank=2), Reason.UNSUPPORTED, "lora_rank"),
    "rank of the input": (lambda: layers.Conv2D(1, 1)(np.ones((4, 4, 3))), Reason.RANK, "input dimensions"),
    "other channels": (lambda: _built()(np.ones((1, 4, 4, 2))), Reason.CHANNELS, "inputs.shape"),
    "built twice": (lambda: _built().build((None, 4, 4, 3)), Reason.ARGUMENT, "input_shape"),
    "channels not known": (lambda: layers.Conv2D(1, 1).build((1, 4, 4, None)), Reason.CHANNELS, "input_shape"),
    "complex input": (lambda: _built()(np.ones((1, 4, 4, 3), complex)), Reason.DTYPE, "inputs.dtype"),
    "text": (lambda: _built()([["a"]]), Reason.DTYPE, "inputs.dtype"),
    "ragged input": (lambda: _built()([[1], [1, 2]]), Reason.DTYPE, "inputs"),
    "empty output": (lambda: layers.Conv2D(1, 3)(np.ones((1, 2, 2, 1))), Reason.SIZE, "input_size"),
    "too few weights": (lambda: _built().set_weights([1]), Reason.ARGUMENT, "weights"),
    "weights before built": (lambda: layers.Conv2D(1, 1).set_weights([1]), Reason.ARGUMENT, "weights"),
    "count before built": (lambda: layers.Conv2D(1, 1).count_params(), Reason.ARGUMENT, None),
    "kernel that fits no memory": (
        lambda: layers.Conv2D(10**9, 10**3).build((None, None, None, 10**3)),
        Reason.TOO_LARGE,
        None,
    ),
    "initializer of another shape": (
        lambda: layers.Conv2D(1, 2, kernel_initializer=np.ones((2, 2, 1, 1))).build((1, 4, 4, 3)),
        Reason.KERNEL,
        "initializer.shape",
    ),
    "input of no shape": (keras.Input, Reason.ARGUMENT, "shape"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_names_the_argument(case: str) -> None:
    call, reason, argument = WRONG[case]
    with pytest.raises(UnstrideError) as caught:
        call()
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


def test_kernel_is_no_attribute_before_built() -> None:
    with pytest.raises(AttributeError, match="before it is built"):
        layers.Conv2D(1, 1).kernel  # noqa: B018 - the access is the test
