"""OpenVINO's operations: the windows that its CPU plugin computes, what it refuses, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import UnstrideError, parse
from unstride.dialects import openvino
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Spec
from unstride.errors import Reason
from unstride.geometry import Axis, Layer

PLAIN = "opset13.convolution_backprop_data(data, filters, "
GROUPED = "opset13.group_convolution_backprop_data(data, filters, "


def window(code: str, size: int = 4, kernel: int = 3) -> tuple[int, int]:
    """Output size and ``before`` of the only axis, for one group of one channel."""
    spec = parse(code)
    grouped = ".group_" in spec.call
    (axis,) = spec.read((1, 1, size), (1,) * (2 + grouped) + (kernel,)).axes
    return axis.large if spec.transposed else axis.small, axis.before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("[2])", (9, 0)),
        ("[2], pads_begin=[1], pads_end=[1], output_padding=[1])", (8, 1)),
        ("[2], output_padding=[5])", (14, 0)),
        ("[2], output_padding=[-1])", (8, 0)),
        ("[2], pads_end=[-2])", (11, 0)),
        ("[2], pads_begin=[1], auto_pad='valid')", (9, 0)),
        ("[2], auto_pad='same_upper')", (9, 0)),
        ("[2], auto_pad='same_lower', output_padding=[1])", (10, 0)),
        ("[2], [8], auto_pad='same_upper')", (8, 1)),
        ("[2], [8], auto_pad='SAME_LOWER')", (8, 0)),
        ("[2], opset13.constant([8]), auto_pad='same_upper')", (8, 1)),
        ("[2], output_shape=np.array([12], np.int64))", (12, 0)),
        ("[], dilations=[2])", (8, 0)),
    ],
)
def test_transposed_windows(arguments: str, expected: tuple[int, int]) -> None:
    assert window(PLAIN + arguments) == expected
    assert window(GROUPED + arguments) == expected


def test_only_the_plain_operation_keeps_pads_with_an_output_shape() -> None:
    assert window(PLAIN + "[2], [6], pads_begin=[2])") == (6, 2)
    assert window(GROUPED + "[2], [6], pads_begin=[2])") == (6, 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("[1], [0], [0], [1])", (2, 0)),
        ("[2], [2], [1], [1])", (3, 2)),
        ("[2], [2], [1], [1], 'valid')", (1, 0)),
        ("[2], [0], [0], [1], 'same_upper')", (2, 0)),
        ("[2], [0], [0], [1], 'same_lower')", (2, 1)),
        ("[1], [0], [0], [2], 'same_upper')", (4, 2)),
    ],
)
def test_forward_windows(arguments: str, expected: tuple[int, int]) -> None:
    assert window("opset13.convolution(data, filters, " + arguments) == expected
    assert window("opset13.group_convolution(data, filters, " + arguments) == expected


@pytest.mark.parametrize(
    ("code", "reason", "argument"),
    [
        (PLAIN + "2)", Reason.STRIDE, "strides"),
        (PLAIN + "[0])", Reason.STRIDE, "strides"),
        (PLAIN + "[2, 2])", Reason.STRIDE, "strides"),
        (PLAIN + "[2], dilations=[0])", Reason.DILATION, "dilations"),
        (PLAIN + "[2], pads_begin=[-1])", Reason.PADDING, "pads_begin"),
        (PLAIN + "[2], auto_pad='same')", Reason.PADDING, "auto_pad"),
        (PLAIN + "[2], auto_pad='')", Reason.PADDING, "auto_pad"),
        (PLAIN + "[2], output_padding=[0, 0])", Reason.OUTPUT_PADDING, "output_padding"),
        (PLAIN + "[2], [1, 1, 8])", Reason.OUTPUT_SHAPE, "output_shape"),
        (PLAIN + "[2], [-1])", Reason.OUTPUT_SHAPE, "output_shape"),
        (PLAIN + "[2], wanted)", Reason.EXPRESSION, "output_shape"),
        (PLAIN + "[2], pads_begin=[5], pads_end=[5])", Reason.SIZE, "large_size"),
        ("opset13.convolution(x, w, [1], [0], [-1], [1])", Reason.PADDING, "pads_end"),
        ("opset13.convolution(x, w, [2], [0], [0], [2])", Reason.SIZE, "input_shape"),
    ],
)
def test_refused_arguments(code: str, reason: Reason, argument: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code).read((1, 1, 4), (1, 1, 3))
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


def test_grouped_filters_have_the_groups_first() -> None:
    transposed = parse(GROUPED + "[2])")
    assert transposed.output_shape((1, 4, 4), (2, 2, 3, 3)) == (1, 6, 9)
    forward = parse("opset13.group_convolution(data, filters, [1], [0], [0], [1])")
    assert forward.output_shape((1, 4, 4), (2, 3, 2, 3)) == (1, 6, 2)
    with pytest.raises(UnstrideError) as caught:
        transposed.read((1, 4, 4), (1, 4, 3, 3))
    assert caught.value.reason is Reason.GROUPS


def test_one_tap_that_changes_no_size_moves_nothing() -> None:
    assert window(PLAIN + "[1], [4], pads_begin=[1])", kernel=1) == (4, 0)
    assert window(PLAIN + "[1], pads_begin=[1], pads_end=[-1])", kernel=1) == (4, 0)
    assert window(PLAIN + "[1], [3], pads_begin=[1])", kernel=1) == (3, 1)
    with pytest.raises(UnstrideError) as caught:
        parse(GROUPED + "[1, 1], pads_begin=[1, 0], pads_end=[-1, 0])").read((1, 1, 4, 4), (1, 1, 1, 1, 1))
    assert caught.value.reason is Reason.UNSUPPORTED
    refusal = openvino.write(Layer((Axis(4, 4, 1, before=1),), 1, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 2, 2, 2, 2)])
def test_ranks(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(PLAIN + "[2])").read(shape, (1, 1, 3))
    assert caught.value.reason is Reason.RANK


def test_empty_batch_and_empty_axis() -> None:
    spec = parse(PLAIN + "[2])")
    assert spec.output_shape((0, 1, 4), (1, 1, 3)) == (0, 1, 9)
    with pytest.raises(UnstrideError) as caught:
        spec.read((1, 1, 0), (1, 1, 3))
    assert caught.value.reason is Reason.SIZE


def test_bias_is_a_step_of_its_own() -> None:
    refusal = openvino.write(Layer((Axis(4, 9, 3, stride=2),), 2, 2, bias=True))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert refusal.composition.add_bias
    assert refusal.composition.spec.call == "openvino.opset13.convolution_backprop_data"


@st.composite
def operations(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """An operation, its data's shape and its filters' shape; not every one can be read."""
    rank = draw(st.integers(1, 3))

    def ints(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank))

    size, kernel, strides, dilations = ints(1, 6), ints(1, 4), ints(1, 4), ints(1, 3)
    groups = draw(st.sampled_from((0, 1, 2, 3)))
    small, large = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    filters = (groups,) * (groups > 0) + (small, large, *kernel)
    word = draw(st.sampled_from(("explicit", "EXPLICIT", "valid", "same_upper", "SAME_LOWER")))
    name = f"{'group_' * (groups > 0)}convolution"
    if draw(st.booleans()):
        words = f"{strides}, {ints(0, 3)}, {ints(0, 3)}, {dilations}, {word!r}"
        data = (1, large * max(groups, 1), *size)
    else:
        given = {"pads_begin": ints(0, 3), "pads_end": ints(-2, 3), "output_padding": ints(-1, 4)}
        given |= {"output_shape": ints(1, 12), "dilations": dilations}
        chosen = draw(st.sets(st.sampled_from(sorted(given))))
        words = ", ".join([str(strides), f"auto_pad={word!r}", *(f"{key}={given[key]}" for key in sorted(chosen))])
        name, data = f"{name}_backprop_data", (1, small * max(groups, 1), *size)
    return parse(f"openvino.opset13.{name}(data, filters, {words})"), data, filters


@given(operations())
def test_round_trip(drawn: tuple[Spec, tuple[int, ...], tuple[int, ...]]) -> None:
    try:
        drawn[0].read(*drawn[1:])
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's word for a case that is not meant
    check_round_trip(*drawn, every=True)
