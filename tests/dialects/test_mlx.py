"""MLX's dialect: PyTorch's rule where MLX computes it, a complaint where it does not; read and write are inverse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import mlx
from unstride.dialects.spec import Source, Spec

X, W = Source("x"), Source("w")


def test_output_padding_has_no_limit() -> None:
    (axis,) = mlx.ConvTranspose1d(3, 4, 3, 2, 1, output_padding=7).read((1, 5, 3)).axes
    assert (axis.large, axis.before, axis.after) == (16, 1, -6)


def test_padding_beyond_the_kernel_is_what_mlx_computes_at_stride_1_only() -> None:
    assert mlx.conv_transpose1d(X, W, padding=3).output_shape((1, 5, 1), (1, 3, 1)) == (1, 1, 1)


def test_padding_beyond_the_kernel_is_refused_at_a_stride_with_the_composition() -> None:
    with pytest.raises(UnstrideError) as caught:
        mlx.conv_transpose1d(X, W, stride=2, padding=3).read((1, 4, 1), (1, 3, 1))
    assert caught.value.reason is Reason.UNSUPPORTED
    assert caught.value.hint == (
        "use padding=2, output_padding=0, then drop 1 elements at the start and 1 at the end of this axis"
    )
    wanted = range(3, 9 - 3)  # of the full extent of 9
    (axis,) = mlx.conv_transpose1d(X, W, stride=2, padding=2).read((1, 4, 1), (1, 3, 1)).axes
    assert range(axis.before + 1, axis.before + axis.large - 1) == wanted


@pytest.mark.parametrize(("flip", "flipped"), [(False, True), (True, False)])
def test_a_spaced_input_is_a_transposed_convolution_of_the_reversed_kernel(flip: bool, flipped: bool) -> None:
    spec = mlx.conv_general(X, W, padding=((2,), (3,)), input_dilation=2, flip=flip)
    layer = spec.read((1, 4, 5), (6, 3, 5))
    assert (layer.transposed, layer.axes[0].before, layer.axes[0].after) == (True, 0, -1)
    assert spec.weight_layout(1).flipped is flipped


@pytest.mark.parametrize(("flip", "flipped"), [(False, False), (True, True)])
def test_a_slid_kernel_is_a_convolution(flip: bool, flipped: bool) -> None:
    spec = mlx.conv_general(X, W, stride=2, padding=((1, 0), (2, 3)), flip=flip)
    assert spec.output_shape((1, 6, 7, 5), (6, 3, 3, 5)) == (1, 4, 4, 6)
    assert spec.weight_layout(2).flipped is flipped


def test_negative_padding_drops_elements_of_a_convolution() -> None:
    (axis,) = mlx.conv1d(X, W, padding=-1).read((1, 6, 1), (1, 3, 1)).axes
    assert (axis.small, axis.before, axis.after) == (2, -1, -1)


REJECTED: list[tuple[str, tuple[int, ...], tuple[int, ...], Reason]] = [
    ("mlx.core.conv1d(x, w, stride=(2,))", (1, 5, 3), (4, 3, 3), Reason.STRIDE),
    ("mlx.core.conv2d(x, w, padding=[1])", (1, 5, 5, 3), (4, 3, 3, 3), Reason.PADDING),
    ("mlx.core.conv2d(x, w)", (5, 5, 3), (4, 3, 3, 3), Reason.RANK),
    ("mlx.core.conv1d(x, w)", (1, 2, 3), (4, 3, 3), Reason.SIZE),
    ("mlx.core.conv1d(x, w, stride=3)", (1, 2, 3), (4, 3, 3), Reason.SIZE),
    ("mlx.core.conv1d(x, w)", (1, 5, 3), (4, 3, 2), Reason.CHANNELS),
    ("mlx.core.conv1d(x, w, groups=2)", (1, 5, 4), (3, 3, 2), Reason.GROUPS),
    ("mlx.core.conv3d(x, w, groups=2)", (1, 5, 5, 5, 4), (4, 3, 3, 3, 2), Reason.GROUPS),
    ("mlx.core.conv_transpose1d(x, w, padding=2)", (1, 2, 3), (4, 3, 3), Reason.SIZE),
    ("mlx.core.conv_general(x, w, stride=2, input_dilation=2)", (1, 5, 3), (4, 3, 3), Reason.UNSUPPORTED),
    ("mlx.core.conv_general(x, w, padding=-1, input_dilation=2)", (1, 5, 3), (4, 3, 3), Reason.UNSUPPORTED),
    ("mlx.core.conv_general(x, w, padding=([1], [2], [3]))", (1, 5, 3), (4, 3, 3), Reason.PADDING),
    ("mlx.core.conv_general(x, w, padding=([-2], [-4]))", (1, 5, 3), (4, 3, 3), Reason.UNSUPPORTED),
    ("mlx.core.conv_general(x, w)", (5, 3), (4, 3), Reason.RANK),
    ("mlx.nn.Conv2d(4, 6, 3, groups=3)", (1, 5, 5, 4), (6, 3, 3, 2), Reason.GROUPS),
    ("mlx.nn.Conv2d(4, 6, 3)", (1, 5, 5, 3), (6, 3, 3, 4), Reason.CHANNELS),
    ("mlx.nn.Conv1d(4, 6, (3,))", (1, 5, 4), (6, 3, 4), Reason.KERNEL),
    ("mlx.nn.ConvTranspose2d(4, 6, 3, groups=2)", (1, 5, 5, 4), (6, 3, 3, 2), Reason.ARGUMENT),
]


@pytest.mark.parametrize(("code", "shape", "kernel", "reason"), REJECTED)
def test_what_mlx_rejects(code: str, shape: tuple[int, ...], kernel: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "mlx").read(shape, kernel)
    assert caught.value.reason is reason


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """Any form with any of its arguments, an input shape and a kernel shape."""
    form: Any = draw(st.sampled_from(mlx.FORMS))
    general = form is mlx.conv_general
    rank = draw(st.integers(1, 3)) if general else form.rank
    grouped = (form.functional and rank < 3) or form in (mlx.Conv1d, mlx.Conv2d)
    groups = draw(st.integers(1, 2)) if grouped else 1
    made, taken = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    sizes, taps = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4))

    def per_axis(least: int, most: int) -> Any:
        numbers = st.integers(least, most)
        return draw(numbers if rank == 1 and not general else st.tuples(*[numbers] * rank))

    words: dict[str, Any] = {"groups": groups} if grouped else {}
    if general:
        words |= {"padding": (per_axis(-1, 3), per_axis(-1, 3)), "kernel_dilation": per_axis(1, 3)}
        words |= {draw(st.sampled_from(["stride", "input_dilation"])): per_axis(1, 3), "flip": draw(st.booleans())}
    else:
        words |= {"stride": per_axis(1, 3), "padding": per_axis(-1, 3), "dilation": per_axis(1, 3)}
        if form.transposed:
            words["output_padding"] = per_axis(-1, 4)
    shape, kernel = (2, *sizes, taken), (made, *taps, taken // groups)
    if form.functional:
        return form(X, W, **words), shape, kernel
    return form(taken, made, taps[0] if rank == 1 else taps, bias=draw(st.booleans()), **words), shape, kernel


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
