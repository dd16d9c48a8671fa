"""ONNX nodes as ONNX Runtime computes them, and their round trips."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import UnstrideError, parse
from unstride.dialects import onnx
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source
from unstride.errors import Reason
from unstride.geometry import Axis, Layer

INPUT, KERNEL = (1, 1, 4), (1, 1, 3)
"""n = 4, k = 3; with stride 2 the full extent is 9"""


def window(code: str, size: int = 4, kernel: int = 3) -> tuple[int, int, int]:
    """Output size, before and after of the only axis."""
    spec = parse(code, "onnx")
    (axis,) = spec.read((1, 1, size), (1, 1, kernel)).axes
    return axis.large if spec.transposed else axis.small, axis.before, axis.after


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ConvTranspose(strides=[2])", (9, 0, 0)),
        ("ConvTranspose(strides=[2], pads=[1, 1])", (7, 1, 1)),
        ("ConvTranspose(strides=[2], pads=[1, 1], output_padding=[1])", (8, 1, 0)),
        ("ConvTranspose(strides=[2], pads=[0, 3])", (6, 0, 3)),
        ("ConvTranspose(strides=[2], auto_pad='VALID')", (9, 0, 0)),
        ("ConvTranspose(strides=[2], auto_pad='SAME_UPPER')", (8, 0, 1)),
        ("ConvTranspose(strides=[2], auto_pad='SAME_LOWER')", (8, 1, 0)),
        # output_padding moves the window of SAME_UPPER but leaves its length
        ("ConvTranspose(strides=[2], auto_pad='SAME_UPPER', output_padding=[1])", (8, 1, 0)),
        ("ConvTranspose(strides=[2], output_shape=[8])", (8, 1, 0)),
        ("ConvTranspose(strides=[2], output_shape=[8], auto_pad='SAME_UPPER')", (8, 0, 1)),
        ("ConvTranspose(strides=[2], output_shape=[8], pads=[5, 5])", (8, 1, 0)),
        ("ConvTranspose(strides=[2], output_shape=[10])", (10, 0, -1)),
        ("ConvTranspose(strides=[2], output_shape=[3])", (3, 3, 3)),
        ("ConvTranspose(dilations=[2])", (8, 0, 0)),
        ("Conv()", (2, 0, 0)),
        ("Conv(pads=[2, 1], strides=[2])", (3, 2, 1)),
        ("Conv(strides=[2], auto_pad='SAME_UPPER')", (2, 0, 1)),
        ("Conv(strides=[2], auto_pad='SAME_LOWER')", (2, 1, 0)),
    ],
)
def test_windows_of_four_elements(code: str, expected: tuple[int, int, int]) -> None:
    assert window(code) == expected


def test_same_is_no_longer_than_the_full_extent() -> None:
    assert window("ConvTranspose(strides=[3], auto_pad='SAME_UPPER')", kernel=2) == (11, 0, 0)


@pytest.mark.parametrize(
    ("code", "reason", "argument"),
    [
        ("ConvTranspose(strides=2)", Reason.STRIDE, "strides"),
        ("ConvTranspose(strides=[0])", Reason.STRIDE, "strides"),
        ("ConvTranspose(strides=[])", Reason.STRIDE, "strides"),
        ("ConvTranspose(strides=[1, 1])", Reason.STRIDE, "strides"),
        ("ConvTranspose(dilations=[0])", Reason.DILATION, "dilations"),
        ("ConvTranspose(pads=[1])", Reason.PADDING, "pads"),
        ("ConvTranspose(pads=[-1, 0])", Reason.PADDING, "pads"),
        ("ConvTranspose(pads=[0, 0], auto_pad='VALID')", Reason.PADDING, "pads"),
        ("ConvTranspose(pads=[0, 0], auto_pad='')", Reason.PADDING, "pads"),
        ("ConvTranspose(auto_pad='same')", Reason.PADDING, "auto_pad"),
        ("ConvTranspose(group=0)", Reason.GROUPS, "group"),
        ("ConvTranspose(kernel_shape=[2])", Reason.KERNEL, "kernel_shape"),
        ("ConvTranspose(output_padding=[1])", Reason.OUTPUT_PADDING, "output_padding"),
        ("ConvTranspose(output_padding=[2], strides=[2], dilations=[3])", Reason.OUTPUT_PADDING, "output_padding"),
        ("ConvTranspose(output_shape=[0])", Reason.OUTPUT_SHAPE, "output_shape"),
        ("ConvTranspose(output_shape=[1, 1, 6])", Reason.OUTPUT_SHAPE, "output_shape"),
        ("ConvTranspose(output_shape=[11], strides=[2])", Reason.OUTPUT_SHAPE, "output_shape"),
        ("ConvTranspose(pads=[3, 3])", Reason.SIZE, "output_shape"),
        ("Conv(auto_pad='SAME_UPPER', dilations=[2])", Reason.DILATION, "dilations"),
        ("Conv(output_padding=[1])", Reason.ARGUMENT, None),
        ("Conv(dilations=[2])", Reason.SIZE, "output_shape"),
    ],
)
def test_refused_attributes(code: str, reason: Reason, argument: str | None) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "onnx").read(INPUT, KERNEL)
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


@pytest.mark.parametrize(
    ("x", "w", "reason"),
    [
        ((1, 4), (1, 1, 3), Reason.RANK),
        ((1, 1, 4), (1, 1, 3, 3), Reason.KERNEL),
        ((1, 1, 4), (1, 1, 0), Reason.KERNEL),
        ((1, 2, 4), (1, 1, 3), Reason.CHANNELS),
    ],
)
def test_refused_shapes(x: tuple[int, ...], w: tuple[int, ...], reason: Reason) -> None:
    for spec in (onnx.Conv(), onnx.ConvTranspose()):
        with pytest.raises(UnstrideError) as caught:
            spec.read(x, w)
        assert caught.value.reason is reason


def test_empty_inputs() -> None:
    assert onnx.ConvTranspose().output_shape((0, 1, 4), KERNEL) == (0, 1, 6)
    assert onnx.ConvTranspose(strides=(2,)).output_shape((1, 1, 0), KERNEL) == (1, 1, 1)
    assert onnx.Conv(pads=(2, 2)).output_shape((1, 1, 0), KERNEL) == (1, 1, 2)
    with pytest.raises(UnstrideError) as caught:
        parse("ConvTranspose(strides=[2], output_shape=[1])").read((1, 1, 0), KERNEL)
    assert caught.value.argument == "input_shape"


def test_four_spatial_axes() -> None:
    assert onnx.ConvTranspose().output_shape((1, 1, 2, 2, 2, 2), (1, 1, 2, 2, 2, 2)) == (1, 1, 3, 3, 3, 3)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("op.ConvTranspose(X, W, strides=[2, 2])", onnx.ConvTranspose(Source("X"), Source("W"), strides=(2, 2))),
        ("opset11.Conv(X, W, B, group=2)", onnx.Conv(Source("X"), Source("W"), Source("B"), group=2)),
        (
            "node = onnx.helper.make_node('ConvTranspose', ['x', 'w'], ['y'], 'up', strides=[2, 2], pads=[1, 1, 0, 0])",
            onnx.ConvTranspose("x", "w", strides=(2, 2), pads=(1, 1, 0, 0)),
        ),
        ("make_node('Conv', inputs=('x', 'w', b), outputs=['y'], name='c')", onnx.Conv("x", "w", Source("b"))),
    ],
)
def test_ways_to_write_a_node(code: str, expected: onnx.Conv | onnx.ConvTranspose) -> None:
    assert parse(code) == expected


def test_make_node_of_another_operator_is_unknown() -> None:
    with pytest.raises(UnstrideError) as caught:
        parse("helper.make_node('Gemm', ['Conv', 'w'], ['y'])")
    assert caught.value.reason is Reason.UNKNOWN_CALL


def test_bias_is_open_until_the_inputs_are_written() -> None:
    assert onnx.Conv().bias_present
    assert not onnx.Conv("x", "w").bias_present
    assert not onnx.Conv("x", "w", "").bias_present
    assert onnx.Conv("x", "w", "b").bias_present


def test_a_window_that_starts_before_the_stamps_is_composed() -> None:
    refusal = onnx.write(Layer((Axis(4, 10, 3, stride=2, before=-1),), 1, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert refusal.composition.pad_input == ((1, 0),)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[onnx.Conv | onnx.ConvTranspose, tuple[int, ...], tuple[int, ...]]:
    """A node, its input's shape and its weights' shape; not every one can be read."""
    rank = draw(st.integers(1, 3))

    def ints(least: int, most: int, entries: int = rank) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=entries, max_size=entries))

    transposed, group = draw(st.booleans()), draw(st.integers(1, 3))
    inside, outside = group * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    size, kernel, strides = ints(1, 6), ints(1, 4), ints(1, 4)
    words: dict[str, object] = {"strides": strides, "group": group}
    words["auto_pad"] = draw(st.sampled_from(("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")))
    if draw(st.booleans()):
        words["dilations"] = ints(1, 3)
    if words["auto_pad"] == "NOTSET" and draw(st.booleans()):
        words["pads"] = ints(0, 3, 2 * rank)
    if transposed and draw(st.booleans()):
        words["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in strides]
    if transposed and draw(st.booleans()):
        words["output_shape"] = ints(1, 12)
    inputs = draw(st.sampled_from(((), ("x", "w"), (Source("X"), Source("W"), Source("B")))))
    form = onnx.ConvTranspose if transposed else onnx.Conv
    spec = form(*inputs, **words)  # type: ignore[arg-type]  # the words are drawn
    return spec, (1, inside if transposed else outside * group, *size), (inside, outside, *kernel)


@given(nodes())
def test_round_trip(drawn: tuple[onnx.Conv | onnx.ConvTranspose, tuple[int, ...], tuple[int, ...]]) -> None:
    spec, input_shape, kernel_shape = drawn
    try:
        spec.read(input_shape, kernel_shape)
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's word for a case that is not meant
    layer = check_round_trip(spec, input_shape, kernel_shape, every=True)
    assert prod(layer.output_size) > 0
