"""Keras 2's dialect: where it differs from Keras 3, its length helpers, and that reading and writing are inverse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip, check_source
from unstride import Reason, UnstrideError, parse
from unstride.dialects import keras2
from unstride.dialects.spec import Source, Spec
from unstride.geometry import DataLayout


@pytest.mark.parametrize(
    ("code", "length", "large", "before"),
    [
        ("conv_utils.deconv_output_length(20, 3, 'same', stride=10)", 20, 200, 0),
        ("conv_utils.deconv_output_length(20, 3, 'valid', stride=10)", 20, 200, 0),
        ("conv_utils.deconv_output_length(4, 3, 'same', stride=2)", 4, 8, 0),
        ("conv_utils.deconv_output_length(4, 3, 'same', 0, 2)", 4, 7, 1),
        ("conv_utils.deconv_output_length(4, 3, 'full', stride=2)", 4, 5, 2),
        ("conv_utils.deconv_output_length(4, 3, 'full', 0, 2)", 4, 5, 2),
        ("conv_utils.deconv_output_length(4, 3, 'full', 1, 2)", 4, 6, 2),
        ("conv_utils.deconv_output_length(None, 3, 'valid', 5, 2)", 4, 14, 0),
        ("conv_utils.deconv_output_length(n, 3, 'valid', stride=2, dilation=2)", 4, 11, 0),
        ("conv_utils.deconv_length(height, 2, 3, 'same', None)", 4, 8, 0),
        ("conv_utils.deconv_length(height, 2, 3, 'same', 1)", 4, 8, 0),
        ("conv_utils.deconv_length(height, 2, 3, 'full', None, 2)", 4, 3, 4),
    ],
)
def test_lengths(code: str, length: int, large: int, before: int) -> None:
    spec = parse(code, "keras2")
    axis = spec.read((length,)).axes[0]
    assert (axis.large, axis.before) == (large, before)
    assert spec.output_shape((length,)) == (large,)
    assert spec.output_shape((1, length, 1)) == (1, large, 1)
    check_source(spec)


@given(
    st.integers(1, 30),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 4),
    st.none() | st.integers(-2, 9),
    st.data(),
)
def test_lengths_follow_the_helper(
    length: int, kernel: int, stride: int, dilation: int, extra: int | None, data: st.DataObject
) -> None:
    padding = data.draw(st.sampled_from(("valid", "same", "full")))
    span = kernel + (kernel - 1) * (dilation - 1)
    if extra is None:
        inferred = {"valid": max(span - stride, 0), "same": 0, "full": -(stride + span - 2)}
        expected = length * stride + inferred[padding]
    else:
        crop = {"valid": 0, "same": span // 2, "full": span - 1}[padding]
        expected = (length - 1) * stride + span - 2 * crop + extra
    spec = keras2.deconv_length(length, stride, kernel, padding, extra, dilation)
    if expected < 0:
        with pytest.raises(UnstrideError):
            spec.read((length,))
    else:
        assert spec.output_shape((length,)) == (expected,)


@pytest.mark.parametrize(
    ("code", "input_shape", "reason"),
    [
        ("tf_keras.layers.Conv1DTranspose(1, 4, 2, 'same', 0)", (1, 4, 1), Reason.OUTPUT_SHAPE),
        ("tf_keras.layers.Conv2DTranspose(1, 3, dilation_rate=(1, 2))", (1, 4, 4, 1), Reason.DILATION),
        ("tf_keras.layers.Conv2DTranspose(1, 3, strides=2, dilation_rate=2)", (1, 4, 4, 1), Reason.DILATION),
        ("tf_keras.layers.Conv2DTranspose(1, 3, strides=2, output_padding=2)", (1, 4, 4, 1), Reason.OUTPUT_PADDING),
        ("tf_keras.layers.Conv2DTranspose(1, 3, padding='full')", (1, 4, 4, 1), Reason.PADDING),
        ("tf_keras.layers.Conv2DTranspose(1, 3, padding='causal')", (1, 4, 4, 1), Reason.PADDING),
        ("tf_keras.layers.Conv2DTranspose(3, 3, groups=2)", (1, 4, 4, 4), Reason.GROUPS),
        ("tf_keras.layers.Conv1D(1, 5)", (1, 3, 1), Reason.SIZE),
        ("conv_utils.deconv_output_length(4, 3, 'same')", (4,), Reason.STRIDE),
        ("conv_utils.deconv_output_length(4, 3, 'causal', stride=2)", (4,), Reason.PADDING),
        ("conv_utils.deconv_output_length(5, 3, 'same', stride=2)", (4,), Reason.SIZE),
        ("conv_utils.deconv_output_length(4, 3, 'same', stride=2)", (1, 4, 2), Reason.CHANNELS),
        ("conv_utils.deconv_output_length(4, 3, 'full', stride=1)", (1, 4, 2, 2), Reason.RANK),
        ("conv_utils.deconv_output_length(1, 9, 'full', stride=1)", (1,), Reason.SIZE),
    ],
)
def test_rejected(code: str, input_shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "keras2").read(input_shape)
    assert caught.value.reason is reason


def test_groups_of_a_transposed_layer_are_ignored() -> None:
    spec = parse("tf_keras.layers.Conv2DTranspose(4, 3, groups=2)", "keras2")
    assert spec.read((1, 4, 4, 4)).groups == 1


def test_a_dilation_in_three_dimensions_is_ignored() -> None:
    axes = parse("tf_keras.layers.Conv3DTranspose(1, 3, dilation_rate=2)", "keras2").read((1, 4, 4, 4, 1)).axes
    assert [(axis.large, axis.dilation) for axis in axes] == [(6, 1)] * 3


def test_an_input_one_short_gives_an_empty_output() -> None:
    assert parse("tf_keras.layers.Conv1D(3, 3)", "keras2").output_shape((1, 2, 1)) == (1, 0, 3)


def test_output_padding_comes_before_data_format_in_three_dimensions() -> None:
    spec = parse("tf_keras.layers.Conv3DTranspose(4, 3, 2, 'same', 0, 'channels_first')", "keras2")
    assert spec.output_shape((1, 2, 3, 3, 3)) == (1, 4, 5, 5, 5)


def test_keras_3_takes_an_ambiguous_line_first() -> None:
    assert parse("keras.layers.Conv2DTranspose(1, 3)").dialect == "keras"
    assert parse("keras2.layers.Conv2DTranspose(1, 3)").dialect == "keras2"
    assert parse("keras.utils.conv_utils.deconv_length(n, 2, 3, 'same', None)").dialect == "keras2"


@st.composite
def layers(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """A layer with an input; it may be one that Keras rejects."""
    rank, transposed = draw(st.integers(1, 3)), draw(st.booleans())
    one = st.integers(1, 4)
    words: dict[str, Any] = {"padding": draw(st.sampled_from(("same", "valid", "Same", "causal")))}
    words[draw(st.sampled_from(("strides", "dilation_rate")))] = draw(one | st.tuples(*(one,) * rank))
    if transposed and draw(st.booleans()):
        words["output_padding"] = draw(st.integers(0, 3))
    groups = 1 if transposed else draw(st.integers(1, 3))
    if groups > 1:
        words["groups"] = groups
    first = draw(st.booleans())
    if first:
        words["data_format"] = "channels_first"
    inner, outer = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    size = draw(st.tuples(*(st.integers(1, 9),) * rank))
    kernel = draw(st.tuples(*(st.integers(1, 5),) * rank))
    form: Any = keras2.FORMS[rank - 1 + 3 * transposed]
    spec = form(outer, kernel, use_bias=draw(st.booleans()), activation=Source("tf.nn.relu"), **words)
    return spec, (DataLayout.first(rank) if first else DataLayout.last(rank)).join(2, inner, size)


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    try:
        spec, input_shape = data.draw(layers())
        spec.read(input_shape)
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's own form
    check_round_trip(spec, input_shape, every=True)
