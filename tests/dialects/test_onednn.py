"""oneDNN's descriptors: which sizes fit, the windows they mean, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import UnstrideError, parse
from unstride.dialects import onednn
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Spec
from unstride.errors import Reason
from unstride.geometry import Axis, Layer


def deconvolution(dst: int, words: str = "strides=[2], padding_l=[0]") -> Spec:
    """A deconvolution with one channel to ``dst`` elements."""
    return parse(f"dnnl.deconvolution_forward(src, weights, dst=[1, 1, {dst}], {words})")


def fits(spec: Spec, size: int, kernel: int = 3) -> bool:
    """Whether the descriptor is accepted for this source size."""
    try:
        spec.read((1, 1, size), (1, 1, kernel))
    except UnstrideError as error:
        if error.argument != "dst":
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("size", "accepted"),
    [
        (4, {9, 10}),
        # one element: the division rounds towards zero, so sizes below the kernel fit as well
        (1, {2, 3, 4}),
        # no element: the quotient is −1
        (0, {0, 1}),
    ],
)
def test_destination_sizes_that_fit(size: int, accepted: set[int]) -> None:
    assert {dst for dst in range(15) if fits(deconvolution(dst), size)} == accepted


@pytest.mark.parametrize(
    ("dst", "words", "expected"),
    [
        (8, "strides=[2], padding_l=[1]", (1, 0)),
        (7, "strides=[2], padding_l=[1]", (1, 1)),
        (8, "strides=[2], padding_l=[0], padding_r=[1]", (0, 1)),
        (10, "strides=[2], padding_l=[0], padding_r=[-1]", (0, -1)),
        (8, "strides=[1], padding_l=[0], dilates=[1]", (0, 0)),
    ],
)
def test_windows_of_four_elements(dst: int, words: str, expected: tuple[int, int]) -> None:
    (axis,) = deconvolution(dst, words).read((1, 1, 4), (1, 1, 3)).axes
    assert (axis.large, axis.before, axis.after) == (dst, *expected)


def test_forward_destination() -> None:
    code = "dnnl.convolution_forward(src, weights, dst=[1, 1, {}], strides=[2], padding_l=[0])"
    assert [dst for dst in range(5) if fits(parse(code.format(dst)), 6)] == [2]
    # a kernel that is one element too large for the source still gives one output
    assert [dst for dst in range(5) if fits(parse(code.format(dst)), 2)] == [1]


def test_weights_have_the_output_channels_first_and_groups_before_them() -> None:
    plain = parse("dnnl.deconvolution_forward(src, weights, dst=[1, 6, 9], strides=[2], padding_l=[0])")
    assert plain.read((1, 4, 4), (6, 4, 3)).small_channels == 4
    grouped = parse("dnnl.deconvolution_forward(src, weights, dst=[1, 6, 9], strides=[2], padding_l=[0], groups=2)")
    layer = grouped.read((1, 4, 4), (2, 3, 2, 3))
    assert (layer.groups, layer.small_channels, layer.large_channels) == (2, 4, 6)
    with pytest.raises(UnstrideError) as caught:
        grouped.read((1, 4, 4), (1, 6, 4, 3))
    assert caught.value.reason is Reason.GROUPS
    forward = parse("dnnl.convolution_forward(src, weights, dst=[1, 6, 2], strides=[1], padding_l=[0])")
    assert forward.output_shape((1, 4, 4), (6, 4, 3)) == (1, 6, 2)


@pytest.mark.parametrize(
    ("words", "reason", "argument"),
    [
        ("dst=[1, 1, 9], strides=[0], padding_l=[0]", Reason.STRIDE, "strides"),
        ("dst=[1, 1, 9], strides=2, padding_l=[0]", Reason.STRIDE, "strides"),
        ("dst=[1, 1, 9], strides=[2], padding_l=[-1]", Reason.PADDING, "padding_l"),
        ("dst=[1, 1, 9], strides=[2], padding_l=[0], padding_r=[-2]", Reason.PADDING, "padding_r"),
        ("dst=[1, 1, 9], strides=[2], padding_l=[0], dilates=[-1]", Reason.DILATION, "dilates"),
        ("dst=[9], strides=[2], padding_l=[0]", Reason.RANK, "dst"),
        ("dst=[1, 2, 9], strides=[2], padding_l=[0]", Reason.OUTPUT_SHAPE, "dst"),
        ("dst=[2, 1, 9], strides=[2], padding_l=[0]", Reason.OUTPUT_SHAPE, "dst"),
        ("dst=[1, 1, 11], strides=[2], padding_l=[0]", Reason.OUTPUT_SHAPE, "dst"),
        ("dst=[1, 1, 9, 9], strides=[2, 2], padding_l=[0, 0]", Reason.RANK, "input dimensions"),
        ("strides=[2], padding_l=[0]", Reason.ARGUMENT, None),
    ],
)
def test_refused_descriptors(words: str, reason: Reason, argument: str | None) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(f"dnnl.deconvolution_forward(src, weights, {words})").read((1, 1, 4), (1, 1, 3))
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


def test_a_negative_start_is_composed() -> None:
    refusal = onednn.write(Layer((Axis(4, 10, 3, stride=2, before=-1),), 1, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None


@st.composite
def primitives(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """A primitive whose sizes fit unless they are clamped to 0, its source's shape and its weights' shape."""
    rank = draw(st.integers(1, 3))

    def ints(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank))

    small, kernel, strides, dilates, begin = ints(1, 5), ints(1, 4), ints(1, 4), ints(0, 2), ints(0, 2)
    end = [draw(st.integers(1 - stride, 3)) for stride in strides]
    large = [
        max((n - 1) * s + d * (k - 1) + k - b - e, 0) + draw(st.integers(0, s - 1))
        for n, k, s, d, b, e in zip(small, kernel, strides, dilates, begin, end, strict=True)
    ]
    groups = draw(st.sampled_from((0, 1, 2)))
    into, out = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    transposed = draw(st.booleans())
    source, destination = (small, large) if transposed else (large, small)
    code = (
        f"dnnl.{'de' * transposed}convolution_forward(src, weights, bias=b, "
        f"dst={[1, out * max(groups, 1), *destination]}, strides={strides}, dilates={dilates}, padding_l={begin}, "
        f"padding_r={end}{f', groups={groups}' if groups else ''})"
    )
    return parse(code), (1, into * max(groups, 1), *source), (groups,) * (groups > 0) + (out, into, *kernel)


@given(primitives())
def test_round_trip(drawn: tuple[Spec, tuple[int, ...], tuple[int, ...]]) -> None:
    try:
        drawn[0].read(*drawn[1:])
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's word for a case that is not meant
    check_round_trip(*drawn, every=True)
