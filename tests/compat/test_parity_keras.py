"""Keras itself, asked live: the same values, configs, summaries, activations; each reads the other's configs."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from unstride.compat import keras as here

from .calls import check_same, integers, needs

pytestmark = needs("keras")


@pytest.fixture(scope="module")
def real() -> Any:
    """Keras itself, imported when a test first asks for it."""
    return import_module("keras")


def pick(draw: np.random.Generator, low: int, high: int, rank: int) -> tuple[int, ...]:
    return tuple(draw.integers(low, high + 1, rank).tolist())


@pytest.mark.parametrize("seed", range(24))
def test_conv_layers(seed: int) -> None:
    draw, rank = np.random.default_rng(seed), seed % 3 + 1
    groups, taps = seed % 2 + 1 if rank < 3 else 1, pick(draw, 1, 3, rank)
    x = integers(draw, (2, *pick(draw, 6, 9, rank), 2 * groups))
    kernel, bias = integers(draw, (*taps, 2, 3 * groups)), integers(draw, (3 * groups,))
    padding = draw.choice(["valid", "same", "causal"] if rank == 1 else ["valid", "same"])
    # with a stride two above the kernel TensorFlow's three-dimensional SAME drops elements in front
    step = int(draw.integers(1, 4 if rank < 3 else 3))
    words = f"strides={step}, padding='{padding}', groups={groups}, activation='relu'"
    check_same("keras", f"keras.layers.Conv{rank}D({3 * groups}, {taps}, {words})", x, kernel, bias)


@pytest.mark.parametrize("seed", range(24))
def test_conv_transpose_layers(seed: int) -> None:
    draw, rank = np.random.default_rng(seed), seed % 3 + 1
    taps, strides = pick(draw, 1, 4, rank), pick(draw, 1, 3, rank)
    x = integers(draw, (2, *pick(draw, 2, 5, rank), 2))
    kernel, bias = integers(draw, (*taps, 3, 2)), integers(draw, (3,))
    padding = draw.choice(["valid", "same"])
    words = f"strides={strides}, padding='{padding}', use_bias={seed % 2 == 0}"
    code = f"keras.layers.Conv{rank}DTranspose(3, {taps}, {words})"
    check_same("keras", code, x, kernel, bias if seed % 2 == 0 else None)


@pytest.mark.parametrize("stride", [2, 3])
def test_output_padding(stride: int) -> None:
    draw = np.random.default_rng(stride)
    x, kernel = integers(draw, (1, 4, 3, 2)), integers(draw, (3, 3, 1, 2))
    for extra in range(stride):
        words = f"strides={stride}, padding='same', output_padding={extra}, use_bias=False"
        check_same("keras", f"keras.layers.Conv2DTranspose(1, 3, {words})", x, kernel)


# --- configs

LAYERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Conv1D", {"filters": 4, "kernel_size": 2, "padding": "causal", "groups": 2, "dilation_rate": 2}),
    ("Conv2D", {"filters": 3, "kernel_size": (1, 2), "activation": "swish", "trainable": False, "dtype": "float16"}),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "kernel_regularizer": "l2", "kernel_constraint": "max_norm"}),
    ("Conv3D", {"filters": 3, "kernel_size": 2, "padding": "SAME", "data_format": "channels_first"}),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2, "output_padding": 1}),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "use_bias": False, "dtype": "mixed_float16"}),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "bias_constraint": "non_neg", "activation": "gelu"}),
    ("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "kernel_initializer": "orthogonal", "activation": None}),
)


@pytest.mark.parametrize(("name", "arguments"), LAYERS, ids=str)
def test_layer_config(real: Any, name: str, arguments: dict[str, Any]) -> None:
    theirs = getattr(real.layers, name)(name="mine", **arguments)
    ours = getattr(here.layers, name)(name="mine", **arguments)
    assert ours.get_config() == theirs.get_config()
    assert type(ours).from_config(theirs.get_config()).get_config() == theirs.get_config()
    assert type(theirs).from_config(ours.get_config()).get_config() == theirs.get_config()


def test_automatic_names(real: Any) -> None:
    for keras in (real, here):
        keras.utils.clear_session()
    kinds = ("Conv2DTranspose", "Conv2D", "Conv2DTranspose", "Conv1DTranspose", "Conv3D")
    names = [[getattr(keras.layers, kind)(1, 1).name for kind in kinds] for keras in (real, here)]
    assert names[0] == names[1]


@pytest.mark.parametrize("name", sorted({each.__name__ for each in here.initializers.CLASSES} - {"Constant"}))
def test_initializer_config(real: Any, name: str) -> None:
    theirs, ours = real.initializers.get(name), here.initializers.get(name)
    assert here.initializers.serialize(ours) == real.initializers.serialize(theirs)


def test_constant_initializer_config(real: Any) -> None:
    """By its name alone Keras cannot make this one."""
    theirs, ours = real.initializers.Constant(2.5), here.initializers.Constant(2.5)
    assert here.initializers.serialize(ours) == real.initializers.serialize(theirs)


@pytest.mark.parametrize("name", ["max_norm", "min_max_norm", "non_neg", "unit_norm"])
def test_constraint_config(real: Any, name: str) -> None:
    ours = here.constraints.serialize(here.constraints.get(name))
    assert ours == real.constraints.serialize(real.constraints.get(name))


@pytest.mark.parametrize("kind", ["L1", "L2", "L1L2", "OrthogonalRegularizer"])
def test_regularizer_config(real: Any, kind: str) -> None:
    """With a factor that single precision holds; Keras rounds some of them to it."""
    arguments = (
        {"factor": 0.5} if kind.startswith("Orth") else {each.lower(): 0.5 for each in ("L1", "L2") if each in kind}
    )
    ours = here.regularizers.serialize(getattr(here.regularizers, kind)(**arguments))
    assert ours == real.regularizers.serialize(getattr(real.regularizers, kind)(**arguments))


def test_fans() -> None:
    compute_fans = import_module("keras.src.initializers.random_initializers").compute_fans
    for shape in ((), (3,), (3, 5), (2, 3, 5), (3, 3, 8, 5), (2, 2, 2, 4, 1)):
        assert here.initializers.compute_fans(shape) == compute_fans(shape)


# --- models


def _stack(keras: Any) -> Any:
    model = keras.Sequential(name="stack")
    model.add(keras.layers.Conv2D(3, 3, activation="relu", name="a"))
    model.add(keras.layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="b", trainable=False))
    return model


def test_model_config_summary_and_weights(real: Any) -> None:
    for keras in (real, here):
        keras.utils.clear_session()
    theirs, ours = _stack(real), _stack(here)
    x = integers(np.random.default_rng(0), (1, 6, 7, 2))
    texts: list[list[str]] = [[], []]
    for model, lines in zip((theirs, ours), texts, strict=True):
        model.summary(line_length=80, print_fn=lines.append)
        model(x)
        model.summary(line_length=80, print_fn=lines.append)
        model.summary(line_length=80, print_fn=lines.append, show_trainable=True)
    assert texts[0] == texts[1]
    assert ours.get_config() == theirs.get_config()
    assert ours.output_shape == theirs.output_shape
    assert ours.count_params() == theirs.count_params()
    whole = [integers(np.random.default_rng(1), weight.shape) for weight in ours.get_weights()]
    for model in (theirs, ours):
        model.set_weights(whole)
    assert np.array_equal(ours(x), theirs(x).numpy())
    read_here = here.Sequential.from_config(json.loads(json.dumps(theirs.get_config())))
    read_there = real.Sequential.from_config(json.loads(json.dumps(ours.get_config())))
    for model in (read_here, read_there):
        model.set_weights(whole)
    assert np.array_equal(read_here(x), read_there(x).numpy())


# --- activations


@pytest.mark.parametrize("name", [*here.activations.BY_NAME, "swish", "hard_swish"])
def test_activation(real: Any, name: str) -> None:
    x = np.linspace(-6, 6, 243, dtype=np.float32).reshape(3, -1, order="F")
    theirs = real.activations.get(name)(real.ops.convert_to_tensor(x)).numpy()
    ours = here.activations.get(name)(x)
    assert ours.dtype == theirs.dtype
    # two short formulas, each rounded a few times: 16 units of rounding of the largest magnitude involved
    scale = np.maximum(1, np.maximum(np.abs(x), np.abs(theirs)))
    assert (np.abs(ours - theirs) <= 16 * np.finfo(np.float32).eps * scale).all()
    assert here.activations.serialize(here.activations.get(name)) == real.activations.serialize(
        real.activations.get(name)
    )
