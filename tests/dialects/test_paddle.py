"""PaddlePaddle's dialect: its own SAME, its forms of padding, output_size at the call; read and write are inverse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import paddle
from unstride.dialects.spec import Source, Spec

X, W = Source("x"), Source("w")


@pytest.mark.parametrize(
    ("small", "kernel", "stride", "dilation", "large", "before"),
    [(4, 3, 2, 1, 8, 0), (4, 3, 3, 1, 10, 1), (4, 5, 3, 1, 10, 2), (4, 2, 4, 1, 14, 0), (5, 3, 1, 2, 5, 1)],
)
def test_same_is_measured_on_the_input(
    small: int, kernel: int, stride: int, dilation: int, large: int, before: int
) -> None:
    spec = paddle.Conv1DTranspose(1, 1, kernel, stride, "SAME", dilation=dilation)
    (axis,) = spec.read((1, 1, small)).axes
    assert (axis.large, axis.before, axis.dilation) == (large, before, 1)


def test_same_resets_the_dilation_of_a_convolution() -> None:
    assert paddle.Conv2D(1, 1, 3, padding="same", dilation=4).read((1, 1, 9, 9)).axes[0].dilation == 1


@pytest.mark.parametrize(
    ("padding", "data_format"),
    [
        ([1, 2, 3, 4], "NCHW"),
        ([(0, 0), (0, 0), (1, 2), (3, 4)], "NCHW"),
        ([(0, 0), (1, 2), (3, 4), (0, 0)], "NHWC"),
    ],
)
def test_padding_has_a_form_for_each_side(padding: Any, data_format: str) -> None:
    spec = paddle.Conv2DTranspose(2, 3, 5, padding=padding, data_format=data_format)
    rows, columns = spec.read((1, 2, 7, 8) if data_format == "NCHW" else (1, 7, 8, 2)).axes
    assert (rows.before, rows.after, columns.before, columns.after) == (1, 2, 3, 4)


def test_a_kernel_that_does_not_fit_gives_one_element_where_the_stride_is_longer() -> None:
    assert paddle.Conv1D(1, 1, 2, 3, dilation=2).output_shape((1, 1, 2)) == (1, 1, 1)
    assert paddle.Conv1D(1, 1, 2, 3, dilation=3).output_shape((1, 1, 2)) == (1, 1, 1)


def test_output_size_is_given_at_the_call() -> None:
    spec = parse("paddle.nn.Conv2DTranspose(16, 33, 3, stride=2, padding=1)(x, output_size=[12, 11])")
    assert spec.output_shape((1, 16, 6, 6)) == (1, 33, 12, 11)


def test_an_output_may_be_empty_where_paddle_survives_it() -> None:
    assert paddle.Conv2D(2, 2, (1, 4)).output_shape((1, 2, 2, 3)) == (1, 2, 2, 0)
    with pytest.raises(UnstrideError):
        paddle.Conv2D(2, 2, (2, 6), padding=1).read((1, 2, 4, 3))


REJECTED: list[tuple[str, tuple[int, ...], Reason]] = [
    ("paddle.nn.Conv1DTranspose(1, 1, 3, output_padding=1, dilation=2)", (1, 1, 5), Reason.OUTPUT_PADDING),
    ("paddle.nn.Conv1DTranspose(1, 1, 3, 2, output_padding=2)", (1, 1, 5), Reason.OUTPUT_PADDING),
    ("paddle.nn.Conv1DTranspose(1, 1, 3, 2)(x, output_size=13)", (1, 1, 5), Reason.OUTPUT_SHAPE),
    ("paddle.nn.Conv1DTranspose(1, 1, 3, 2, output_padding=1)(x, output_size=12)", (1, 1, 5), Reason.OUTPUT_PADDING),
    ("paddle.nn.Conv2D(4, 6, 3, groups=4)", (1, 4, 5, 5), Reason.GROUPS),
    ("paddle.nn.Conv2D(4, 6, 3)", (4, 5, 5), Reason.RANK),
    ("paddle.nn.Conv2D(4, 6, 3)", (1, 5, 5, 4), Reason.CHANNELS),
    ("paddle.nn.Conv2D(4, 6, 3)", (1, 4, 1, 5), Reason.SIZE),
    ("paddle.nn.Conv2D(4, 6, 3, data_format='NHWC')", (1, 2, 5, 4), Reason.SIZE),
    ("paddle.nn.Conv2D(4, 6, 3, data_format='NLC')", (1, 5, 5, 4), Reason.DATA_FORMAT),
    ("paddle.nn.Conv2D(4, 6, 3, padding=[(1, 1), (1, 1)])", (1, 4, 5, 5), Reason.PADDING),
    ("paddle.nn.Conv2D(4, 6, 3, padding=[(1, 1), (0, 0), (1, 1), (1, 1)])", (1, 4, 5, 5), Reason.PADDING),
    ("paddle.nn.Conv2D(4, 6, 3, padding=-1)", (1, 4, 5, 5), Reason.PADDING),
    ("paddle.nn.Conv2D(4, 6, 3, padding='full')", (1, 4, 5, 5), Reason.PADDING),
    ("paddle.nn.Conv2D(4, 6, 3, stride=[2])", (1, 4, 5, 5), Reason.STRIDE),
    ("paddle.nn.Conv2D(4, 6, 3, padding_mode='reflect')", (1, 4, 5, 5), Reason.UNSUPPORTED),
    ("paddle.nn.Conv2D(4, 6, 3, weight_attr=False)", (1, 4, 5, 5), Reason.ARGUMENT),
]


@pytest.mark.parametrize(("code", "shape", "reason"), REJECTED)
def test_what_paddle_rejects(code: str, shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "paddle").read(shape)
    assert caught.value.reason is reason


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """Any form with any of its arguments, an input shape and a kernel shape."""
    form: Any = draw(st.sampled_from(paddle.FORMS))
    rank = int(form.call[form.call.lower().rindex("conv") + 4])
    groups, last = draw(st.integers(1, 2)), draw(st.booleans())
    small, large = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    sizes, taps = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4))
    pairs = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
    none = ((0, 0),)
    words: dict[str, Any] = {
        "stride": draw(st.integers(1, 3)),
        "dilation": draw(st.tuples(*[st.integers(1, 3)] * rank)),
        "groups": groups,
        "padding": draw(
            st.sampled_from(
                ["SAME", "valid", 1, sum(pairs, ()), (*none, *pairs, *none) if last else (*none, *none, *pairs)]
            )
        ),
    }
    if last:
        words["data_format"] = ("NLC", "NHWC", "NDHWC")[rank - 1]
    if form.transposed:
        words["output_padding"] = draw(st.integers(0, 2))
    channels = small if form.transposed else large
    shape = (2, *sizes, channels) if last else (2, channels, *sizes)
    if form.functional:
        bias = draw(st.sampled_from([None, Source("b")]))
        return form(X, W, bias, **words), shape, (small, large // groups, *taps)
    first = (small, large) if form.transposed else (large, small)
    bias_attr = draw(st.sampled_from([None, False]))
    return form(*first, taps, bias_attr=bias_attr, **words), shape, (small, large // groups, *taps)


@settings(max_examples=150, deadline=None)
@given(specs())
def test_read_and_write_are_inverse(drawn: tuple[Spec, tuple[int, ...], tuple[int, ...]]) -> None:
    spec, shape, kernel = drawn
    try:
        spec.read(shape, kernel)
    except UnstrideError as error:
        event(f"rejected: {error.code}")
    else:
        check_round_trip(spec, shape, kernel, every=True)
