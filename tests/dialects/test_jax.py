"""JAX's dialect: what its words and pairs mean, its axis orders, which call is which direction; read and write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip, check_source
from unstride import Reason, UnstrideError, parse
from unstride.dialects import jax
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, Layer, WeightLayout

X, W = Source("x"), Source("w")


def axis(code: str, size: int, kernel: int) -> Axis:
    spec = parse(code, "jax")
    first = "general" in code
    return spec.read((1, 1, size) if first else (1, size, 1), (1, 1, kernel) if first else (kernel, 1, 1)).axes[0]


@pytest.mark.parametrize(
    ("arguments", "size", "kernel", "large", "before"),
    [
        ("(2,), 'SAME'", 4, 3, 8, 0),
        ("(2,), 'VALID'", 4, 3, 9, 0),
        ("(4,), 'VALID'", 4, 3, 16, 0),
        ("(2,), [(0, 0)]", 4, 3, 5, 2),
        ("(2,), [(1, 2)]", 4, 3, 8, 1),
        ("(2,), [(0, 0)], use_consistent_padding=True", 4, 3, 9, 0),
        ("(2,), [(1, 0)], use_consistent_padding=True", 4, 3, 8, 1),
        ("(2,), [(1, 0), (9, 9)], use_consistent_padding=True", 4, 3, 8, 1),
        ("(1,), 'SAME'", 4, 4, 4, 1),
        ("(1,), 'same'", 4, 4, 4, 2),
        ("(1,), 'same_lower'", 4, 4, 4, 1),
        ("(1,), 'valid'", 4, 4, 1, 3),
        ("(2,), 'SAME', rhs_dilation=(3,)", 4, 3, 8, 2),
        ("(2,), [(-3, -3)]", 4, 3, 0, 5),
        ("(2,), 'SAME'", 0, 3, 1, 0),
        ("(2,), 'VALID'", 0, 3, 2, 0),
    ],
)
def test_conv_transpose_windows(arguments: str, size: int, kernel: int, large: int, before: int) -> None:
    found = axis(f"jax.lax.conv_transpose(x, w, {arguments})", size, kernel)
    assert (found.large, found.before) == (large, before)


@pytest.mark.parametrize(
    ("arguments", "size", "kernel", "output", "before"),
    [
        ("(1,), [(1, 1)], (2,)", 4, 3, 7, 1),
        ("(2,), 'SAME'", 8, 3, 4, 0),
        ("(2,), 'SAME_LOWER'", 8, 3, 4, 1),
        ("(2,), 'same_lower'", 8, 3, 4, 1),
        ("(2,), 'VALID', (1,)", 8, 3, 3, 0),
        ("(2,), 'VALID'", 1, 3, 0, 0),
        ("(2,), [(-3, -2)]", 9, 3, 1, -3),
    ],
)
def test_conv_general_dilated_windows(arguments: str, size: int, kernel: int, output: int, before: int) -> None:
    found = axis(f"jax.lax.conv_general_dilated(x, w, {arguments})", size, kernel)
    assert (found.large if found.small == size else found.small, found.before) == (output, before)


def test_lhs_dilation_makes_a_transposed_layer() -> None:
    spec = jax.conv_general_dilated(X, W, (1, 1), ((1, 1), (1, 1)), (2, 1), feature_group_count=2)
    layer = spec.read((1, 4, 5, 5), (6, 2, 3, 3))
    assert spec.transposed
    assert (layer.transposed, layer.groups, layer.large_channels) == (True, 2, 6)
    assert spec.weight_layout(2).flipped
    assert not jax.conv_general_dilated(X, W, (1, 1), "SAME", (1, 1)).transposed


def test_transpose_kernel_swaps_the_channels_and_keeps_the_taps() -> None:
    plain, swapped = (jax.conv_transpose(X, W, (2, 2), "SAME", transpose_kernel=each) for each in (False, True))
    assert plain.weight_layout(2) == WeightLayout("01SL", flipped=True)
    assert swapped.weight_layout(2) == WeightLayout("01LS")


def test_the_kernels_letters_set_the_order_of_the_axes() -> None:
    spec = parse("lax.conv_transpose(x, w, (2, 3), 'VALID', dimension_numbers=('NHWC', 'WHIO', 'NCHW'))")
    assert spec.output_shape((1, 4, 6, 2), (3, 5, 2, 7)) == (1, 7, 14, 13)


def test_dimension_numbers_in_positions() -> None:
    numbers = "lax.ConvDimensionNumbers((0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 1, 2, 3))"
    spec = parse(f"lax.conv_transpose(x, w, (2, 2), 'SAME', dimension_numbers={numbers})")
    assert spec.output_shape((1, 4, 4, 2), (3, 3, 2, 5)) == (1, 5, 8, 8)
    check_source(spec)


def test_dimension_numbers_made_in_the_line() -> None:
    numbers = "lax.conv_dimension_numbers(x.shape, w.shape, ('NWC', 'WIO', 'NWC'))"
    spec = parse(f"jax.lax.conv_general_dilated(x, w, (2,), 'SAME', dimension_numbers={numbers})")
    assert spec.output_shape((1, 9, 2), (3, 2, 5)) == (1, 5, 5)


GENERAL, TRANSPOSE = "jax.lax.conv_general_dilated(x, w, {})", "jax.lax.conv_transpose(x, w, {})"
REJECTED: list[tuple[str, Reason]] = [
    (TRANSPOSE.format("2, 'SAME'"), Reason.STRIDE),
    (TRANSPOSE.format("(2, 2), 'SAME'"), Reason.STRIDE),
    (TRANSPOSE.format("(0,), 'SAME'"), Reason.STRIDE),
    (TRANSPOSE.format("(2,), 'SAME_LOWER'"), Reason.PADDING),
    (TRANSPOSE.format("(2,), 'same'"), Reason.PADDING),
    (TRANSPOSE.format("(1,), 'FULL'"), Reason.PADDING),
    (TRANSPOSE.format("(1,), 'same', use_consistent_padding=True"), Reason.PADDING),
    (TRANSPOSE.format("(2,), 1"), Reason.PADDING),
    (TRANSPOSE.format("(2,), [1]"), Reason.PADDING),
    (TRANSPOSE.format("(2,), [(1, 1), (1, 1)]"), Reason.PADDING),
    (TRANSPOSE.format("(2,), [(-9, 0)]"), Reason.PADDING),
    (TRANSPOSE.format("(2,), 'SAME', rhs_dilation=2"), Reason.DILATION),
    (TRANSPOSE.format("(2,), 'SAME', dimension_numbers=('NCHW', 'OIHW', 'NCHW')"), Reason.RANK),
    (TRANSPOSE.format("(2,), 'SAME', dimension_numbers=('nhc', 'hio', 'nhc')"), Reason.DATA_FORMAT),
    (TRANSPOSE.format("(2,), 'SAME', dimension_numbers=('NHC', 'WIO', 'NHC')"), Reason.DATA_FORMAT),
    (TRANSPOSE.format("(2,), 'SAME', dimension_numbers=dn"), Reason.EXPRESSION),
    (TRANSPOSE.format("(2,), 'SAME', feature_group_count=2"), Reason.ARGUMENT),
    (GENERAL.format("(1,), 'SAME', (2,)"), Reason.PADDING),
    (GENERAL.format("(2,), [(1, 1)], (2,)"), Reason.UNSUPPORTED),
    (GENERAL.format("(1,), 'SAME', batch_group_count=2"), Reason.UNSUPPORTED),
    (GENERAL.format("(1,), 'SAME', feature_group_count=2, batch_group_count=2"), Reason.GROUPS),
    (GENERAL.format("(1,), 'SAME', feature_group_count=0"), Reason.GROUPS),
    (GENERAL.format("(1,), 'SAME', feature_group_count=2"), Reason.CHANNELS),
    (GENERAL.format("(1,), 'SAME', lhs_dilation=1"), Reason.DILATION),
]


@pytest.mark.parametrize(("code", "reason"), REJECTED)
def test_what_jax_rejects(code: str, reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "jax").read((1, 4, 4), (4, 4, 4))
    assert caught.value.reason is reason


def test_two_dilations_name_their_composition() -> None:
    with pytest.raises(UnstrideError, match=r"take the spatial slice \[::2, ::3\]"):
        jax.conv_general_dilated(X, W, (2, 3), ((1, 1), (1, 1)), (2, 1))


def test_groups_are_said_by_conv_general_dilated() -> None:
    layer = Layer((Axis(4, 8, 3, stride=2),), 4, 6, groups=2)
    written = jax.write(layer)
    assert isinstance(written, jax.conv_general_dilated)
    assert written.code() == (
        "jax.lax.conv_general_dilated(x, w, (1,), ((2, 1),), lhs_dilation=(2,), feature_group_count=2)"
    )


def test_a_bias_is_added_in_a_step_of_its_own() -> None:
    refusal = jax.write(Layer((Axis(4, 8, 3, stride=2),), 4, 6, bias=True))
    assert isinstance(refusal, Refusal)
    assert refusal.composition
    assert refusal.composition.add_bias
    assert refusal.composition.spec.code() == "jax.lax.conv_transpose(x, w, (2,), 'SAME')"


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """Either function with any of its arguments, an input shape and a kernel shape."""
    rank = draw(st.integers(1, 3))
    sizes, taps, strides = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4, 4))
    orders = tuple("".join(draw(st.permutations(letters + "HWD"[:rank]))) for letters in ("NC", "OI", "NC"))
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 6), st.integers(0, 6))] * rank))
    small, large, groups = (draw(st.integers(1, 3)) for _ in range(3))
    words: dict[str, Any] = {"rhs_dilation": draw(st.none() | st.tuples(*[st.integers(1, 3)] * rank))}
    words["dimension_numbers"] = orders
    kind = draw(st.sampled_from(["transpose", "spaced", "forward"]))
    if kind == "transpose":
        groups, swap = 1, draw(st.booleans())
        padding = draw(st.sampled_from(["SAME", "VALID", pads]))
        consistent = draw(st.booleans())
        spec: Spec = jax.conv_transpose(
            X, W, strides, padding, transpose_kernel=swap, use_consistent_padding=consistent, **words
        )
        channels = {"I": large, "O": small} if swap else {"I": small, "O": large}
    else:
        channels = {"I": small, "O": large * groups}
        words["feature_group_count"] = groups
        if kind == "spaced":
            spec = jax.conv_general_dilated(X, W, (1,) * rank, pads, strides, **words)
        else:
            padding = draw(st.sampled_from(["SAME", "VALID", "SAME_LOWER", pads]))
            spec = jax.conv_general_dilated(X, W, strides, padding, **words)
    axes = [letter for letter in orders[1] if letter in "HWD"]
    data = {"N": 2, "C": small * groups} | dict(zip(axes, sizes, strict=True))
    kernel = channels | dict(zip(axes, taps, strict=True))
    return spec, tuple(data[letter] for letter in orders[0]), tuple(kernel[letter] for letter in orders[1])


def is_read(spec: Spec, *shapes: tuple[int, ...]) -> bool:
    try:
        return bool(spec.read(*shapes).axes)
    except UnstrideError as error:
        return error.reason is not Reason.PADDING


@given(specs())
def test_read_and_write_are_inverse(given_spec: tuple[Spec, tuple[int, ...], tuple[int, ...]]) -> None:
    spec, *shapes = given_spec
    assume(is_read(spec, *shapes))  # some crop more than there is
    check_round_trip(*given_spec, every=True)
