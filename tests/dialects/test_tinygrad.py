"""tinygrad's dialect: padding in PyTorch's pad order, any rank, its own 'same'; read and write are inverse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import tinygrad
from unstride.dialects.spec import Source, Spec

X, W = Source("x"), Source("w")


def test_a_method_of_any_tensor_is_read() -> None:
    spec = parse("y = x.conv_transpose2d(w, stride=2, padding=1, output_padding=(1, 0))")
    assert spec == tinygrad.conv_transpose2d(X, W, stride=2, padding=1, output_padding=(1, 0))
    assert spec.output_shape((1, 8, 5, 5), (8, 4, 3, 3)) == (1, 4, 10, 9)


def test_one_method_serves_every_rank() -> None:
    spec = tinygrad.conv_transpose2d(X, W, stride=2)
    assert spec.output_shape((1, 3, 4), (3, 2, 3)) == (1, 2, 9)
    assert spec.output_shape((1, 3, 2, 2, 2, 2), (3, 2, 2, 2, 2, 2)) == (1, 2, 4, 4, 4, 4)


@pytest.mark.parametrize("form", [tinygrad.conv2d, tinygrad.conv_transpose2d])
def test_padding_per_side_names_the_last_axis_first(form: Any) -> None:
    rows, columns = form(X, W, padding=(1, 2, 3, 0)).read((1, 1, 9, 9), (1, 1, 3, 3)).axes
    assert (rows.before, rows.after, columns.before, columns.after) == (3, 0, 1, 2)


def test_padding_beyond_the_kernel_crops_zeros_that_lie_between_the_elements() -> None:
    assert tinygrad.conv_transpose2d(X, W, stride=2, padding=3).output_shape((1, 1, 4), (1, 1, 3)) == (1, 1, 3)


def test_strides_are_not_looked_at_where_none_is_above_1() -> None:
    assert tinygrad.conv_transpose2d(X, W, stride=0).output_shape((1, 1, 4), (1, 1, 3)) == (1, 1, 6)
    with pytest.raises(UnstrideError) as caught:
        tinygrad.conv_transpose2d(X, W, stride=(0, 2)).read((1, 1, 4, 4), (1, 1, 3, 3))
    assert caught.value.reason is Reason.STRIDE


def test_same_takes_the_dilations_in_reverse_order() -> None:
    spec = tinygrad.Conv2d(1, 1, (2, 3), padding="SAME", dilation=(2, 3))
    assert spec.output_shape((1, 1, 9, 9)) == (1, 1, 10, 7)


def test_a_transposed_layer_takes_same_as_a_crop() -> None:
    assert tinygrad.ConvTranspose2d(1, 1, (2, 3), padding="same").output_shape((1, 1, 9, 9)) == (1, 1, 9, 9)


def test_output_channels_are_rounded_down_without_a_bias() -> None:
    assert tinygrad.ConvTranspose1d(4, 5, 2, groups=2, bias=False).output_shape((1, 4, 5)) == (1, 4, 6)


REJECTED: list[tuple[str, tuple[int, ...], tuple[int, ...], Reason]] = [
    ("x.conv2d(w)", (3, 5), (4, 3), Reason.RANK),
    ("x.conv2d(w)", (1, 3, 5), (4, 3, 3, 3), Reason.KERNEL),
    ("x.conv2d(w)", (1, 3, 2), (4, 3, 3), Reason.SIZE),
    ("x.conv2d(w, stride=(2,))", (1, 3, 6, 6), (4, 3, 3, 3), Reason.STRIDE),
    ("x.conv2d(w, padding=(1, 1, 1))", (1, 3, 6, 6), (4, 3, 3, 3), Reason.PADDING),
    ("x.conv2d(w, padding=(-3, 5))", (1, 3, 2), (4, 3, 1), Reason.PADDING),
    ("x.conv2d(w, groups=2)", (1, 4, 6), (3, 2, 3), Reason.GROUPS),
    ("x.conv_transpose2d(w, padding=2)", (1, 4, 2), (4, 3, 3), Reason.SIZE),
    ("x.conv_transpose2d(w, stride=2)", (1, 4, 0), (4, 3, 3), Reason.SIZE),
    ("x.conv_transpose2d(w)", (1, 3, 6), (4, 3, 3), Reason.CHANNELS),
    ("tinygrad.nn.Conv2d(3, 4, 3, padding='valid')", (1, 3, 6, 6), (4, 3, 3, 3), Reason.PADDING),
    ("tinygrad.nn.Conv2d(3, 4, 3, stride=(1, 1), padding='same')", (1, 3, 6, 6), (4, 3, 3, 3), Reason.STRIDE),
    ("tinygrad.nn.Conv2d(3, 4, 3)", (1, 3, 6), (4, 3, 3, 3), Reason.RANK),
    ("tinygrad.nn.Conv1d(3, 4, (3,))", (1, 3, 6), (4, 3, 3), Reason.KERNEL),
    ("tinygrad.nn.Conv2d(4, 5, 3, groups=2)", (1, 4, 6, 6), (5, 2, 3, 3), Reason.GROUPS),
    ("tinygrad.nn.ConvTranspose2d(4, 5, 3, groups=2)", (1, 4, 6, 6), (4, 2, 3, 3), Reason.GROUPS),
]


@pytest.mark.parametrize(("code", "shape", "kernel", "reason"), REJECTED)
def test_what_tinygrad_rejects(code: str, shape: tuple[int, ...], kernel: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "tinygrad").read(shape, kernel)
    assert caught.value.reason is reason


def test_what_is_never_read_need_not_be_dropped() -> None:
    spec = parse("x.conv2d(w, stride=3, padding=(3, -1))", "tinygrad")
    layer = check_round_trip(spec, (1, 1, 1), (1, 1, 1), every=True)
    assert (layer.axes[0].before, layer.axes[0].after) == (3, -3)


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """Any form with any of its arguments, an input shape and a kernel shape."""
    form: Any = draw(st.sampled_from(tinygrad.FORMS))
    single = form.call.endswith("1d")
    rank, groups = 1 if single else draw(st.integers(1, 4)), draw(st.integers(1, 2))
    small, large = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    sizes, taps = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4))
    sides = st.tuples(*[st.integers(-1, 3)] * 2 * rank)
    words: dict[str, Any] = {
        "stride": draw(st.integers(1, 3)),
        "dilation": draw(st.tuples(*[st.integers(1, 3)] * rank)),
        "groups": groups,
        "padding": draw(st.integers(-1, 2) | sides),
    }
    if form.transposed:
        words["output_padding"] = draw(st.tuples(*[st.integers(-1, 4)] * rank))
    shape, kernel = (2, small if form.transposed else large, *sizes), (small, large // groups, *taps)
    if form.functional:
        return form(X, W, draw(st.sampled_from([None, Source("b")])), **words), shape, kernel
    if draw(st.booleans()):
        words |= {"padding": "same", "stride": 1}
    channels = (small, large) if form.transposed else (large, small)
    return form(*channels, taps[0] if single else taps, bias=draw(st.booleans()), **words), shape, kernel


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
