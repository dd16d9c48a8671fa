"""Core ML's operations: windows, what is refused, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import UnstrideError, parse
from unstride.dialects import coreml
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Spec
from unstride.errors import Reason
from unstride.geometry import Axis, Layer


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("strides=[2]", (9, 0)),
        ("strides=[2], pad=[1, 1]", (9, 0)),
        ("strides=[2], pad_type='same'", (8, 0)),
        ("strides=[2], pad_type='custom', pad=[1, 0]", (8, 1)),
        ("strides=[2], pad_type='custom'", (9, 0)),
        ("strides=[5], pad_type='same'", (20, 0)),
        ("dilations=[2]", (8, 0)),
        ("strides=[2], output_shape=[1, 1, 10]", (10, 0)),
        ("strides=[2], pad_type='same', output_shape=[1, 1, 7]", (7, 1)),
        ("strides=[2], pad_type='custom', pad=[1, 1], output_shape=[1, 1, 8]", (8, 1)),
    ],
)
def test_transposed_windows_of_four_elements(words: str, expected: tuple[int, int]) -> None:
    (axis,) = parse(f"mb.conv_transpose(x=x, weight=w, {words})").read((1, 1, 4), (1, 1, 3)).axes
    assert (axis.large, axis.before) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("strides=[2]", (1, 0)),
        ("strides=[2], pad_type='same'", (2, 0)),
        ("strides=[2], pad_type='same_lower'", (2, 1)),
        ("pad_type='custom', pad=[1, 2]", (5, 1)),
        ("pad_type='same', dilations=[2]", (4, 2)),
    ],
)
def test_forward_windows_of_four_elements(words: str, expected: tuple[int, int]) -> None:
    (axis,) = parse(f"mb.conv(x=x, weight=w, {words})").read((1, 1, 4), (1, 1, 3)).axes
    assert (axis.small, axis.before) == expected


def test_pads_go_axis_by_axis() -> None:
    spec = parse("mb.conv(x=x, weight=w, pad_type='custom', pad=[1, 0, 2, 1])")
    assert spec.output_shape((1, 1, 4, 5), (1, 1, 3, 2)) == (1, 1, 3, 7)


@pytest.mark.parametrize(
    ("code", "reason", "argument"),
    [
        ("mb.conv(x=x, weight=w, strides=2)", Reason.STRIDE, "strides"),
        ("mb.conv(x=x, weight=w, strides=[0])", Reason.STRIDE, "strides"),
        ("mb.conv(x=x, weight=w, dilations=[2])", Reason.SIZE, "output_shape"),
        ("mb.conv(x=x, weight=w, pad_type='SAME')", Reason.PADDING, "pad_type"),
        ("mb.conv(x=x, weight=w, pad_type='custom', pad=[1])", Reason.PADDING, "pad"),
        ("mb.conv(x=x, weight=w, groups=2)", Reason.CHANNELS, "kernel_shape"),
        ("mb.conv(x, w)", Reason.ARGUMENT, None),
        ("mb.conv_transpose(x=x, weight=w, pad_type='same_lower')", Reason.PADDING, "pad_type"),
        ("mb.conv_transpose(x=x, weight=w, output_padding=[1])", Reason.ARGUMENT, None),
        ("mb.conv_transpose(x=x, weight=w, pad_type='custom', pad=[3, 3])", Reason.SIZE, "output_shape"),
        ("mb.conv_transpose(x=x, weight=w, output_shape=[6])", Reason.OUTPUT_SHAPE, "output_shape"),
        ("mb.conv_transpose(x=x, weight=w, output_shape=[1, 2, 6])", Reason.OUTPUT_SHAPE, "output_shape"),
        ("mb.conv_transpose(x=x, weight=w, output_shape=[1, 1, 7])", Reason.OUTPUT_SHAPE, "output_shape"),
    ],
)
def test_refused_arguments(code: str, reason: Reason, argument: str | None) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code).read((1, 1, 4), (1, 1, 3))
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 2, 2, 2, 2)])
def test_ranks(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse("mb.conv(x=x, weight=w)").read(shape, (1, 1, 3))
    assert caught.value.reason is Reason.RANK


def test_a_negative_start_is_composed() -> None:
    refusal = coreml.write(Layer((Axis(4, 10, 3, stride=2, before=-1),), 1, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None


@st.composite
def operations(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """An operation, its input's shape and its weights' shape; not every one can be read."""
    rank = draw(st.integers(1, 3))

    def ints(least: int, most: int, entries: int = rank) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=entries, max_size=entries))

    size, kernel, strides, dilations = ints(1, 6), ints(1, 4), ints(1, 4), ints(1, 3)
    groups, small, large = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    transposed = draw(st.booleans())
    words = ("valid", "same", "custom") if transposed else ("valid", "same", "same_lower", "custom")
    given: dict[str, object] = {"strides": strides, "dilations": dilations, "groups": groups, "bias": "b"}
    given |= {"pad_type": draw(st.sampled_from(words)), "pad": ints(0, 2, 2 * rank)}
    if transposed:
        bounds = zip(size, strides, kernel, dilations, strict=True)
        sizes = [max((n - 1) * s + d * (k - 1) + draw(st.integers(-2, s)), 1) for n, s, k, d in bounds]
        given["output_shape"] = [1, large * groups, *sizes]
    chosen = draw(st.sets(st.sampled_from(sorted(set(given) - {"groups"})))) | {"groups"}
    text = ", ".join(f"{name}={given[name]!r}" for name in sorted(chosen))
    code = f"mb.conv{'_transpose' * transposed}(x=x, weight=w, {text})"
    return parse(code), (1, groups * (small if transposed else large), *size), (groups * small, large, *kernel)


@given(operations())
def test_round_trip(drawn: tuple[Spec, tuple[int, ...], tuple[int, ...]]) -> None:
    try:
        drawn[0].read(*drawn[1:])
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's word for a case that is not meant
    check_round_trip(*drawn, every=True)
