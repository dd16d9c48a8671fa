"""``run`` and ``prepare`` on the public face: the seed's numbers, layouts, activations, bias, prepared calls."""

from __future__ import annotations

import numpy as np
import pytest

from unstride import Reason, UnstrideError, gradients, parse, prepare, run
from unstride.engine.execute import ENGINES

X = np.array([[2, 1], [3, 2]])
KERNEL = np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]])
KERAS = [[2, 4, 3, 2], [4, 0, 4, 0], [3, 10, 7, 6], [6, 0, 7, 0]]
LECTURE = [[0, 4, 0, 1], [10, 7, 6, 3], [0, 7, 0, 2], [6, 3, 4, 2]]


def test_the_seed_in_keras_and_in_the_lecture() -> None:
    keras = parse("tf.keras.layers.Conv2DTranspose(1, (3, 3), strides=(2, 2), padding='same', output_padding=1)")
    assert run(keras, X.reshape(1, 2, 2, 1), KERNEL.reshape(3, 3, 1, 1))[0, :, :, 0].tolist() == KERAS
    torch = parse("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)")
    assert run(torch, X.reshape(1, 1, 2, 2), KERNEL.reshape(1, 1, 3, 3))[0, 0].tolist() == LECTURE
    assert run(torch, X.reshape(1, 2, 2), KERNEL.reshape(1, 1, 3, 3))[0].tolist() == LECTURE


@pytest.mark.parametrize("engine", [row.name for row in ENGINES if row.available()])
@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_any_engine_may_be_named(engine: str, dtype: str) -> None:
    """Keras keeps its data channels-last, PyTorch channels-first: a view with its axes moved, and none."""
    x, kernel = X.astype(dtype), KERNEL.astype(dtype)
    keras = parse("keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same')")
    y = run(keras, x.reshape(1, 2, 2, 1), kernel.reshape(3, 3, 1, 1), engine=engine)
    assert (y.dtype.name, y[0, :, :, 0].tolist()) == (dtype, KERAS)
    torch = parse("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)")
    y = run(torch, x.reshape(1, 1, 2, 2), kernel.reshape(1, 1, 3, 3), engine=engine)
    assert (y.dtype.name, y[0, 0].tolist()) == (dtype, LECTURE)


def test_prepared_answers_as_run() -> None:
    spec = parse("keras.layers.Conv2DTranspose(3, 4, strides=3, padding='same', activation='relu')")
    rng = np.random.default_rng(0)
    x, kernel, bias = (rng.standard_normal(shape).astype("float32") for shape in ((2, 5, 4, 2), (4, 4, 3, 2), (3,)))
    prepared = prepare(spec, kernel, bias, input_shape=x.shape)
    np.testing.assert_array_equal(prepared(x), run(spec, x, kernel, bias))
    with pytest.raises(UnstrideError) as caught:
        prepared(x[:, :4])
    assert caught.value.reason is Reason.SIZE


def test_an_activation_is_applied() -> None:
    line = "keras.layers.Conv1DTranspose(1, 2, activation={})"
    x, kernel = np.array([[[1.0], [-2.0]]]), np.ones((2, 1, 1))
    assert run(parse(line.format("None")), x, kernel).ravel().tolist() == [1, -1, -2]
    assert run(parse(line.format("'relu'")), x, kernel).ravel().tolist() == [1, 0, 0]
    assert run(parse(line.format("tf.nn.relu")), x, kernel).ravel().tolist() == [1, 0, 0]
    assert run(parse(line.format("'relu'")), x.astype(int), kernel.astype(int)).ravel().tolist() == [1, 0, 0]
    with pytest.raises(UnstrideError) as caught:
        run(parse(line.format("layers.LeakyReLU(0.2)")), x, kernel)
    assert caught.value.reason is Reason.UNSUPPORTED


def test_a_bias_needs_a_layer_that_has_one() -> None:
    x, kernel = np.ones((1, 1, 3)), np.ones((1, 1, 2))
    with pytest.raises(UnstrideError) as caught:
        run(parse("torch.nn.ConvTranspose1d(1, 1, 2, bias=False)"), x, kernel, np.ones(1))
    assert caught.value.argument == "bias"
    with pytest.raises(UnstrideError) as caught:
        run(parse("torch.nn.ConvTranspose1d(1, 1, 2)"), x, kernel, np.ones(2))
    assert caught.value.reason is Reason.CHANNELS


def test_the_result_is_laid_out_as_the_framework_lays_it_out() -> None:
    spec = parse("jax.lax.conv_transpose(x, w, (2,), 'VALID', dimension_numbers=('NCH', 'HIO', 'NHC'))")
    assert run(spec, np.ones((1, 2, 3)), np.ones((2, 2, 5))).shape == (1, 6, 5)


def test_an_activation_that_another_generation_computes_otherwise() -> None:
    line = "tf_keras.layers.Conv1DTranspose(1, 1, use_bias=False, activation='hard_sigmoid')"
    x, kernel = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
    with pytest.raises(UnstrideError, match="x / 5"):
        run(parse(line, "keras2"), x, kernel)
    assert run(parse(line.removeprefix("tf_")), x, kernel).item() == 0.5


LINES = {
    "keras.layers.Conv2DTranspose(3, (3, 2), strides=2, padding='same')": (2, 4, 5, 2),
    "keras.layers.Conv2D(4, 3, strides=2, padding='same', data_format='channels_first', groups=2)": (2, 4, 5, 6),
    "torch.nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)": (2, 4, 5),
    "flax.linen.ConvTranspose(3, (3, 3), strides=(2, 2))": (2, 3, 4, 2),
    "equinox.nn.ConvTranspose2d(2, 3, 3, stride=2, key=key)": (2, 4, 5),
}


@pytest.mark.parametrize("line", LINES)
def test_gradients_are_the_adjoints(line: str) -> None:
    """The output is linear in the input, in the kernel and in the bias: each gradient gives the same sum, exactly."""
    spec, shape = parse(line), LINES[line]
    draw = np.random.default_rng(3)
    layer = spec.read(shape)
    x, kernel, bias = (
        draw.integers(-4, 5, size).astype(np.float64) for size in (shape, spec.kernel_shape(layer), layer.out_channels)
    )
    grad = draw.integers(-4, 5, spec.output_shape(shape)).astype(np.float64)
    found = gradients(spec, x, grad, kernel)
    assert found.x.shape == x.shape
    assert found.kernel.shape == kernel.shape
    assert found.bias is not None
    plain = run(spec, x, kernel)
    assert (plain * grad).sum() == (found.x * x).sum() == (found.kernel * kernel).sum()
    assert ((run(spec, x, kernel, bias) - plain) * grad).sum() == (found.bias * bias).sum()
    with pytest.raises(UnstrideError, match="must have the output's shape"):
        gradients(spec, x, grad[..., :-1], kernel)
