"""LiteRT's dialect: the two operators, what they reject, and that reading and writing are inverse."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip, check_source
from unstride import Reason, UnstrideError, parse
from unstride.dialects import tflite
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Spec
from unstride.geometry import Axis, Layer


@pytest.mark.parametrize(
    ("code", "input_shape", "kernel_shape", "windows"),
    [
        ("output_shape=[1, 8, 7, 3], stride_h=2, stride_w=2", (1, 4, 4, 2), (3, 3, 3, 2), [(8, 0), (7, 1)]),
        (
            "output_shape=[1, 9, 10, 3], padding='VALID', stride_h=2, stride_w=2",
            (1, 4, 4, 2),
            (3, 3, 3, 2),
            [(9, 0), (10, 0)],
        ),
        ("[1, 12, 4, 3], weights, x, stride_w=1, stride_h=3", (1, 4, 4, 2), (3, 2, 1, 2), [(12, 0), (4, 0)]),
    ],
)
def test_transposed(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], windows: list[tuple[int, int]]
) -> None:
    spec = parse(f"TRANSPOSE_CONV({code})", "tflite")
    layer = spec.read(input_shape, kernel_shape)
    assert [(axis.large, axis.before) for axis in layer.axes] == windows
    assert spec.kernel_shape(layer) == kernel_shape
    assert layer.bias
    check_source(spec)


def test_forward() -> None:
    spec = parse("CONV_2D(padding='SAME', stride_h=2, stride_w=1, dilation_w_factor=2, bias=None)", "tflite")
    layer = spec.read((1, 7, 9, 4), (6, 3, 3, 2))
    assert [(axis.small, axis.before, axis.dilation) for axis in layer.axes] == [(4, 1, 1), (9, 2, 2)]
    assert (layer.groups, layer.bias) == (2, False)
    assert spec.output_shape((1, 7, 9, 4), (6, 3, 3, 2)) == (1, 4, 9, 6)


@pytest.mark.parametrize(
    ("code", "kernel_shape", "reason"),
    [
        ("TRANSPOSE_CONV(output_shape=[1, 9, 8, 3], stride_h=2, stride_w=2)", (3, 3, 3, 2), Reason.OUTPUT_SHAPE),
        ("TRANSPOSE_CONV(output_shape=[2, 8, 8, 3], stride_h=2, stride_w=2)", (3, 3, 3, 2), Reason.OUTPUT_SHAPE),
        ("TRANSPOSE_CONV(output_shape=[1, 8, 8, 4], stride_h=2, stride_w=2)", (3, 3, 3, 2), Reason.OUTPUT_SHAPE),
        ("TRANSPOSE_CONV(output_shape=[8, 8], stride_h=2, stride_w=2)", (3, 3, 3, 2), Reason.OUTPUT_SHAPE),
        ("TRANSPOSE_CONV(output_shape=[1, 8, 8, 3], stride_h=2, stride_w=2)", (3, 3, 3, 1), Reason.CHANNELS),
        ("TRANSPOSE_CONV(output_shape=[1, 8, 8, 3], stride_h=2, stride_w=2)", (3, 3, 3), Reason.KERNEL),
        ("TRANSPOSE_CONV(output_shape=[1, 8, 8, 3], stride_h=2)", (3, 3, 3, 2), Reason.ARGUMENT),
        ("TRANSPOSE_CONV(output_shape=[1, 8, 8, 3], stride_h=0, stride_w=2)", (3, 3, 3, 2), Reason.STRIDE),
        ("CONV_2D(padding='EXPLICIT', stride_h=1, stride_w=1)", (3, 3, 3, 2), Reason.PADDING),
        ("CONV_2D(padding='VALID', stride_h=1, stride_w=1, dilation_h_factor=0)", (3, 3, 3, 2), Reason.DILATION),
        ("CONV_2D(padding='VALID', stride_h=1, stride_w=1)", (3, 6, 3, 2), Reason.SIZE),
        ("CONV_2D(padding='VALID', stride_h=1, stride_w=1)", (3, 3, 3, 3), Reason.GROUPS),
    ],
)
def test_rejected(code: str, kernel_shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "tflite").read((1, 4, 4, 2), kernel_shape)
    assert caught.value.reason is reason


def test_one_axis_is_refused() -> None:
    assert isinstance(tflite.write(Layer((Axis(4, 8, 3, 2),), 1, 1)), Refusal)


def test_a_dilated_transposed_layer_is_composed_with_a_stretched_kernel() -> None:
    refusal = tflite.write(Layer((Axis(4, 8, 3, dilation=2), Axis(4, 6, 3)), 1, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert refusal.composition.kernel_dilation == (2, 1)


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """An operator with an input and a kernel; it may be one that LiteRT rejects."""
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4))
    (height, width), (tall, wide), (down, right) = draw(pair), draw(pair), draw(pair)
    inner, outer = draw(pair)
    padding = draw(st.sampled_from(("SAME", "VALID")))
    bias = draw(st.sampled_from((None, tflite.TRANSPOSE_CONV.bias)))
    if draw(st.booleans()):
        groups, (down_spread, right_spread) = draw(st.integers(1, 3)), draw(pair)
        spec: Spec = tflite.CONV_2D(
            padding=padding,
            stride_h=down,
            stride_w=right,
            bias=bias,
            dilation_h_factor=down_spread,
            dilation_w_factor=right_spread,
        )
        return spec, (2, height * 2, width * 2, inner * groups), (outer * groups, tall, wide, inner)
    least = {"SAME": (1, 1), "VALID": (tall, wide)}[padding]
    large = ((height - 1) * down + least[0], (width - 1) * right + least[1])
    extra = draw(st.integers(0, down - 1)), draw(st.integers(0, right - 1))
    shape = (2, large[0] + extra[0], large[1] + extra[1], outer)
    spec = tflite.TRANSPOSE_CONV(shape, padding=padding, stride_h=down, stride_w=right, bias=bias)
    return spec, (2, height, width, inner), (outer, tall, wide, inner)


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    spec, input_shape, kernel_shape = data.draw(specs())
    try:
        spec.read(input_shape, kernel_shape)
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's own form
    check_round_trip(spec, input_shape, kernel_shape, every=True)
