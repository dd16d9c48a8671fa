"""Keras 3's dialect: what its words mean, what it rejects, and that reading and writing are inverse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip, check_source
from unstride import Reason, UnstrideError, parse
from unstride.dialects import keras
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, DataLayout, Layer

X, KERNEL = Source("x"), Source("kernel")


@pytest.mark.parametrize(
    ("arguments", "size", "large", "before"),
    [
        ("3, strides=2, padding='same'", 4, 8, 0),
        ("3, strides=2, padding='SAME'", 4, 8, 0),
        ("3, strides=2, padding='same', output_padding=0", 4, 7, 1),
        ("3, strides=2, padding='same', output_padding=1", 4, 8, 0),
        ("4, strides=2, padding='same'", 4, 8, 1),
        ("4, strides=2, padding='same', output_padding=0", 4, 6, 2),
        ("2, strides=3, padding='same'", 4, 12, 0),
        ("3, strides=2", 4, 9, 0),
        ("2, strides=3", 4, 12, 0),
        ("2, strides=3, output_padding=0", 4, 11, 0),
        ("3, strides=2, output_padding=1", 4, 10, 0),
        ("3, padding='same', dilation_rate=2", 4, 4, 2),
        ("4, padding='same'", 4, 4, 1),
        ("3, strides=10, padding='same'", 20, 200, 0),
        ("3, strides=10, padding='same', output_padding=4", 20, 195, 0),
    ],
)
def test_transposed_windows(arguments: str, size: int, large: int, before: int) -> None:
    axis = parse(f"keras.layers.Conv1DTranspose(1, {arguments})", "keras").read((1, size, 1)).axes[0]
    assert (axis.large, axis.before) == (large, before)


@pytest.mark.parametrize(
    ("arguments", "size", "small", "before"),
    [
        ("3, strides=2, padding='same'", 8, 4, 0),
        ("3, strides=2, padding='same'", 7, 4, 1),
        ("3, strides=2", 8, 3, 0),
        ("3, padding='causal', dilation_rate=2", 5, 5, 4),
        ("3, strides=2, padding='causal'", 7, 4, 2),
        ("4, padding='same'", 5, 5, 1),
    ],
)
def test_forward_windows(arguments: str, size: int, small: int, before: int) -> None:
    axis = parse(f"keras.layers.Conv1D(1, {arguments})", "keras").read((1, size, 1)).axes[0]
    assert (axis.small, axis.before) == (small, before)


@pytest.mark.parametrize(
    ("code", "input_shape", "kernel_shape", "output_shape"),
    [
        ("keras.layers.Conv2D(4, (3, 2), data_format='channels_first')", (2, 3, 9, 9), (3, 2, 3, 4), (2, 4, 7, 8)),
        ("keras.layers.Conv2D(4, 3, groups=2)", (2, 9, 9, 6), (3, 3, 3, 4), (2, 7, 7, 4)),
        ("keras.layers.Conv2DTranspose(4, 3, 2)", (2, 5, 5, 6), (3, 3, 4, 6), (2, 11, 11, 4)),
        (
            "keras.layers.Conv3DTranspose(4, 3, 2, 'same', 'channels_first', 0)",  # data_format comes first in 3-D only
            (1, 2, 3, 3, 3),
            (3, 3, 3, 4, 2),
            (1, 4, 5, 5, 5),
        ),
        ("keras.ops.conv(x, k)", (1, 9, 6), (3, 2, 6), (1, 7, 6)),
        ("keras.ops.conv(x, k, 2, 'same', None, 2)", (1, 9, 2), (3, 2, 6), (1, 5, 6)),
        ("keras.ops.conv_transpose(x, k, 2, 'valid', 3)", (1, 4, 2), (3, 6, 2), (1, 12, 6)),
        ("keras.ops.conv_transpose(x, k, 2, 'same', dilation_rate=2)", (1, 4, 4, 2), (3, 3, 6, 2), (1, 8, 8, 6)),
    ],
)
def test_layouts(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> None:
    spec = parse(code, "keras")
    assert spec.output_shape(input_shape, kernel_shape) == output_shape
    assert spec.kernel_shape(spec.read(input_shape, kernel_shape)) == kernel_shape


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("keras.layers.Conv2DTranspose(1, 3, strides=2, output_padding=2)", Reason.OUTPUT_PADDING),
        ("keras.layers.Conv2DTranspose(1, 3, strides=(2, 3), output_padding=(1, 3))", Reason.OUTPUT_PADDING),
        ("keras.layers.Conv2DTranspose(1, 3, strides=2, output_padding=-1)", Reason.OUTPUT_PADDING),
        ("keras.layers.Conv2DTranspose(1, 3, strides=(2, 1), dilation_rate=(1, 2))", Reason.DILATION),
        ("keras.layers.Conv2D(1, 3, strides=2, dilation_rate=2)", Reason.DILATION),
        ("keras.layers.Conv2DTranspose(4, 3, groups=2)", Reason.GROUPS),
        ("keras.layers.Conv2D(4, 3, groups=3)", Reason.GROUPS),
        ("keras.layers.Conv2D(4, 3, groups=0)", Reason.GROUPS),
        ("keras.layers.Conv2DTranspose(1, 3, padding='causal')", Reason.PADDING),
        ("keras.layers.Conv2D(1, 3, padding='causal')", Reason.PADDING),
        ("keras.layers.Conv2D(1, 3, padding=1)", Reason.PADDING),
        ("keras.layers.Conv2D(1, 3, padding='full')", Reason.PADDING),
        ("keras.ops.conv(x, k, padding='causal')", Reason.PADDING),
        ("keras.layers.Conv2D(1, 3, data_format='NHWC')", Reason.DATA_FORMAT),
        ("keras.layers.Conv2D(0, 3)", Reason.CHANNELS),
        ("keras.layers.Conv2D(1, (3,))", Reason.KERNEL),
        ("keras.layers.Conv2D(1, 0)", Reason.KERNEL),
        ("keras.layers.Conv2D(1, 3, strides=0)", Reason.STRIDE),
        ("keras.layers.Conv2D(1, 3, stride=2)", Reason.ARGUMENT),
    ],
)
def test_rejected_arguments(code: str, reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "keras")
    assert caught.value.reason is reason
    assert "^" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "input_shape", "kernel_shape", "reason"),
    [
        ("keras.layers.Conv2D(1, 3)", (1, 2, 5, 1), None, Reason.SIZE),
        ("keras.layers.Conv2D(1, 3)", (5, 5, 1), None, Reason.RANK),
        ("keras.layers.Conv2D(4, 3, groups=2)", (1, 5, 5, 3), None, Reason.GROUPS),
        ("keras.layers.Conv2D(4, 3)", (1, 5, 5, 0), None, Reason.CHANNELS),
        ("keras.layers.Conv2D(4, 3)", (1, 5, 5, 2), (3, 3, 4, 2), Reason.KERNEL),
        ("keras.ops.conv(x, k)", (1, 5, 2), None, Reason.KERNEL),
        ("keras.ops.conv(x, k)", (1, 5, 5), (3, 2, 4), Reason.GROUPS),
        ("keras.ops.conv(x, k)", (1, 5, 4), (3, 2, 5), Reason.GROUPS),
        ("keras.ops.conv_transpose(x, k)", (1, 5, 4), (3, 5, 2), Reason.CHANNELS),
        ("keras.ops.conv_transpose(x, k)", (1, 1, 5, 5, 5, 2), (3, 3, 3, 3, 5, 2), Reason.RANK),
    ],
)
def test_rejected_shapes(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None, reason: Reason
) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "keras").read(input_shape, kernel_shape)
    assert caught.value.reason is reason


def test_alternatives_are_the_sizes_that_share_the_input() -> None:
    (window,) = keras.Conv1DTranspose(1, 3, 10, "same").windows((20,), (3,))
    assert window.alternatives == range(191, 201)
    assert window.steps[0].startswith("padding='same', output_padding=None")


def test_every_argument_of_the_prototype_is_read() -> None:
    code = (
        "keras.layers.Conv2DTranspose(8, (3, 3), strides=(1, 1), padding='valid', output_padding=None, "
        "data_format=None, dilation_rate=(1, 1), activation=tf.nn.relu, use_bias=True, "
        "kernel_initializer='glorot_uniform', bias_initializer=keras.initializers.Zeros(), kernel_regularizer=None, "
        "bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, bias_constraint=None, "
        "name='up', dtype='float32', trainable=False, input_shape=(5, 5, 2))"
    )
    spec = parse(code, "keras")
    assert spec.output_shape((1, 5, 5, 2)) == (1, 7, 7, 8)
    check_source(spec)


def test_refusal_composes_what_keras_cannot_say() -> None:
    layer = Layer((Axis(4, 8, 3, 2, before=1),), 2, 3, bias=True)  # PyTorch's padding=1, output_padding=1
    refusal = keras.write(layer)
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert refusal.composition.spec.call == "keras.layers.Conv1DTranspose"
    assert refusal.composition.crop_output == ((1, 0),)


def test_refusal_splits_groups() -> None:
    refusal = keras.write(Layer((Axis(4, 9, 3, 2),), 4, 6, groups=2, bias=True))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert (refusal.composition.split, refusal.composition.spec) == (2, keras.Conv1DTranspose(3, 3, 2))


def sizes(rank: int, least: int, most: int) -> st.SearchStrategy[Any]:
    one = st.integers(least, most)
    return one | st.tuples(*(one,) * rank)


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...] | None]:
    """A spec of any form with an input and, for functions, a kernel; it may be one that Keras rejects."""
    rank, transposed, layer = draw(st.integers(1, 3)), draw(st.booleans()), draw(st.booleans())
    words: dict[str, Any] = {"padding": draw(st.sampled_from(("same", "valid", "SAME", "causal")))}
    if draw(st.booleans()) or not layer:
        words["strides"] = draw(sizes(rank, 1, 4))
    if "strides" not in words or not layer:
        words["dilation_rate"] = draw(sizes(rank, 1, 3))
    if transposed and draw(st.booleans()):
        words["output_padding"] = draw(sizes(rank, 0 if layer else -1, 4))
    if draw(st.booleans()):
        words["data_format"] = draw(st.sampled_from(("channels_first", "channels_last")))
    groups = 1 if transposed else draw(st.integers(1, 3))
    inner, outer = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    first = words.get("data_format") == "channels_first"
    size = draw(st.tuples(*(st.integers(1, 9),) * rank))
    shape = (DataLayout.first(rank) if first else DataLayout.last(rank)).join(2, inner, size)
    kernel = draw(st.tuples(*(st.integers(1, 5),) * rank))
    if not layer:
        form: Any = keras.conv_transpose if transposed else keras.conv
        channels = (outer, inner) if transposed else (inner // groups, outer)
        return form(X, KERNEL, **words), shape, (*kernel, *channels)
    if groups > 1:
        words["groups"] = groups
    form = keras.FORMS[rank - 1 + 3 * transposed]
    return form(outer, kernel, use_bias=draw(st.booleans()), **words), shape, None


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    try:
        spec, input_shape, kernel_shape = data.draw(specs())
        spec.read(input_shape, kernel_shape)
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's own form
    check_round_trip(spec, input_shape, kernel_shape, every=True)
