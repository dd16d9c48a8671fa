"""Arguments of the wrong kind: an UnstrideError that names them, never an error of Python or NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unstride import Reason, UnstrideError
from unstride.compat import jax, keras
from unstride.compat import tensorflow as tf
from unstride.compat.keras import initializers, layers

EMPTY: dict[str, int] = {}
NOTHING: list[int] = []
ARRAY, WHOLE = np.ones(2), np.array([1, 2])
X, W = np.ones((1, 4, 4, 2), np.float32), np.ones((2, 2, 2, 2), np.float32)


def built() -> Any:
    layer = layers.Conv2D(2, 2)
    layer.build(X.shape)
    return layer


def model() -> Any:
    return keras.Sequential([keras.Input(X.shape[1:]), layers.Conv2D(2, 2)])


def layer(**words: Any) -> Any:
    return layers.Conv2D(**{"filters": 2, "kernel_size": 2, **words})


def described(*entries: Any) -> dict[str, Any]:
    return {"layers": list(entries)}


def lax(**words: Any) -> Any:
    return jax.lax.conv_transpose(X, W, (1, 1), "VALID", **words)


def dilated(**words: Any) -> Any:
    return jax.lax.conv_general_dilated(X, W, (1, 1), "VALID", **words)


PLAIN = "must be a plain value, not an array"
LIST = "must be a list of"
MAPPING = "must be a dictionary from names to values"
NUMBER = "must be a finite number"
SHAPE = "must be a sequence of non-negative integers and None"
ELEMENTS = "must be an element type of numbers"
SWITCH = "must be True or False"

A = Reason.ARGUMENT
CASES: list[tuple[Any, Any, Reason, str, str]] = [
    # call, its wrong argument, the reason, the argument's name, how the rule begins
    *((lambda v: built().set_weights(v), v, A, "weights", LIST) for v in (None, 5, "a", EMPTY, np.array(1))),
    *((lambda v: built().compute_output_shape(v), v, Reason.SIZE, "input_shape", SHAPE) for v in (None, 5, "abcd")),
    *((lambda v: model().compute_output_shape(v), v, Reason.SIZE, "input_shape", SHAPE) for v in (None, 5)),
    *((layers.Conv2D.from_config, v, A, "config", MAPPING) for v in (None, 5, "a", [1], ARRAY, {1: 2})),
    *((initializers.Constant.from_config, v, A, "config", MAPPING) for v in (None, 5, "a", ARRAY)),
    *((layers.InputLayer.from_config, v, A, "config", MAPPING) for v in (None, 5)),
    (layers.InputLayer.from_config, {"filters": 2}, A, "config", "InputLayer"),
    *((keras.Sequential.from_config, v, A, "config", MAPPING) for v in (None, 5, "a", [1], ARRAY, {1: 2})),
    *(
        (lambda v: keras.Sequential.from_config({"layers": v}), v, A, "config['layers']", LIST)
        for v in (None, 5, EMPTY)
    ),
    *(
        (lambda v: keras.Sequential.from_config(described(v)), v, A, "config['layers'] entry", MAPPING)
        for v in (None, 5, "a", ARRAY)
    ),
    *(
        (
            lambda v: keras.Sequential.from_config(described({"class_name": v, "config": {}})),
            v,
            Reason.UNSUPPORTED,
            "class_name",
            "is no layer here",
        )
        for v in (None, 5, "Layer", "Input", "Dense", ARRAY)
    ),
    *(
        (
            lambda v: keras.Sequential.from_config(described({"class_name": "Conv2D", "config": v})),
            v,
            A,
            "config",
            MAPPING,
        )
        for v in (None, 5, {1: 2})
    ),
    (
        lambda v: keras.Sequential.from_config({"layers": [], "build_input_shape": v}),
        5,
        Reason.SIZE,
        "input_shape",
        SHAPE,
    ),
    *((keras.Sequential, v, A, "layers", LIST) for v in (5, "a", layers.Conv2D(2, 2))),
    (lambda v: keras.Sequential([v]), 5, A, "layer", "must be a layer"),
    *((lambda v: model().get_layer(v), v, A, "name", "must be a text") for v in (5, ARRAY)),
    (lambda v: model().get_layer(index=v), ARRAY, A, "index", "must be an integer"),
    *((lambda v: layer(dtype={"config": v}), v, A, "dtype['config']", MAPPING) for v in (None, 5, "a", ARRAY)),
    *((lambda v: layer(dtype=v), v, Reason.DTYPE, "dtype", ELEMENTS) for v in (5, ARRAY, WHOLE)),
    (lambda v: layer(dtype=v), "bfloat16", Reason.DTYPE, "dtype", "must be one of float16"),
    *((lambda v: keras.Input((4,), dtype=v), v, Reason.DTYPE, "dtype", ELEMENTS) for v in (5, ARRAY)),
    *((lambda v: layer(use_bias=v), v, A, "use_bias", PLAIN) for v in (ARRAY, WHOLE, ARRAY > 0)),
    *((lambda v, n=n: layer(**{n: v}), ARRAY, A, n, PLAIN) for n in ("padding", "data_format", "lora_rank", "strides")),
    (lambda v: layer(lora_rank=v), WHOLE, Reason.UNSUPPORTED, "lora_rank", "low-rank"),
    *((initializers.Constant, v, A, "value", "must be a number") for v in ("a", None, object())),
    (
        lambda v: layer(kernel_initializer=initializers.Constant(v)).build(X.shape),
        np.ones(3),
        Reason.KERNEL,
        "value",
        "must be a number, or fit",
    ),
    *((initializers.RandomNormal, v, A, "mean", NUMBER) for v in ("a", None, [1], float("inf"))),
    *((lambda v: initializers.RandomNormal(stddev=v), v, A, "stddev", rule) for v, rule in (("a", NUMBER),)),
    (lambda v: initializers.RandomNormal(stddev=v), -1, A, "stddev", "must not be negative"),
    (lambda v: initializers.RandomUniform(2.5, v), 1, A, "maxval", "must be at least minval"),
    (lambda v: initializers.TruncatedNormal(stddev=v), "a", A, "stddev", NUMBER),
    *((initializers.VarianceScaling, v, A, "scale", NUMBER) for v in ("a", None, ARRAY)),
    (initializers.Orthogonal, "a", A, "gain", NUMBER),
    *(
        (
            lambda v: initializers.GlorotUniform(1, v, (0,))((2, 2)),
            v,
            A,
            "input_axes",
            rule,
        )
        for v, rule in (((9,), "must name axes"), (5, LIST))
    ),
    *((keras.utils.set_random_seed, v, A, "seed", "must be an integer") for v in (None, "a", ARRAY)),
    *(
        (lambda v: model().summary(v), v, A, "line_length", "must be an integer of at least 1")
        for v in ("a", ARRAY, -5, 0)
    ),
    *((lambda v: model().summary(show_trainable=v), v, A, "show_trainable", SWITCH) for v in ("a", ARRAY)),
    *((lambda v: model().summary(print_fn=v), v, A, "print_fn", "must take a text") for v in ("a", 5)),
    *(
        (lambda v, call=call: call(preferred_element_type=v), v, Reason.DTYPE, "preferred_element_type", ELEMENTS)
        for call in (lax, dilated)
        for v in (5, "abc", NOTHING, ARRAY, "O", "M8[s]")
    ),
    *((lambda v: lax(transpose_kernel=v), v, A, "transpose_kernel", PLAIN) for v in (ARRAY, WHOLE)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[3]}-{type(case[1]).__name__}")
def test_wrong_kind_is_named(case: tuple[Any, Any, Reason, str, str]) -> None:
    call, value, reason, argument, rule = case
    with pytest.raises(UnstrideError) as caught:
        call(value)
    assert (caught.value.reason, caught.value.argument) == (reason, argument)
    assert caught.value.rule.startswith(rule), caught.value.rule
    received: Any = caught.value.value
    assert np.array_equal(received, value) if isinstance(value, np.ndarray) else received == value


def test_config_of_another_class_says_what_is_unknown() -> None:
    with pytest.raises(UnstrideError, match="filters"):
        keras.Sequential.from_config(described({"class_name": "InputLayer", "config": {"filters": 2}}))


def test_weights_may_come_from_a_generator() -> None:
    source, target = built(), built()
    target.set_weights(weight for weight in source.get_weights())
    assert all(map(np.array_equal, source.get_weights(), target.get_weights()))


def test_an_array_without_axes_is_a_plain_value() -> None:
    assert layer(use_bias=np.zeros((), bool)).use_bias is False
    assert layer(strides=np.array(2)).strides == (2, 2)


def test_a_constant_may_be_an_array() -> None:
    values = initializers.Constant(np.array([1, 2]))((3, 2))
    assert values.tolist() == [[1, 2]] * 3


def test_version_ones_functions_are_version_twos() -> None:
    assert tf.compat.v1.nn is tf.nn
    y = tf.compat.v1.nn.conv2d(X, W, strides=1, padding="VALID")
    assert np.array_equal(y, np.full((1, 3, 3, 2), 8, np.float32))
