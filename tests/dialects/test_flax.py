"""Flax's dialect: linen and nnx told apart, SAME by default, numbers that pad the spaced input; read and write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import flax
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, Layer

RNGS = Source("rngs")


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("nn.ConvTranspose(3, (3, 3))", "flax.linen.ConvTranspose"),
        ("nnx.ConvTranspose(2, 3, (3, 3), rngs=rngs)", "flax.nnx.ConvTranspose"),
        ("nn.Conv(features=3, kernel_size=(3, 3))", "flax.linen.Conv"),
        ("nnx.Conv(2, 3, kernel_size=(3, 3), rngs=nnx.Rngs(0))", "flax.nnx.Conv"),
        ("ConvTranspose(2, 3, (3, 3), rngs=rngs)", "flax.nnx.ConvTranspose"),
        ("nn.Conv(features=8, kernel_size=(3, 3), kernel_init=nn.initializers.ones)(x)", "flax.linen.Conv"),
    ],
)
def test_the_arguments_tell_the_forms_apart(code: str, call: str) -> None:
    assert parse(code).call == call


@pytest.mark.parametrize(
    ("words", "large", "before"),
    [
        ({}, 8, 0),
        ({"padding": "VALID"}, 9, 0),
        ({"padding": 1}, 7, 1),
        ({"padding": 0}, 5, 2),
        ({"padding": ((1, 2),)}, 8, 1),
        ({"padding": "VALID", "strides": 4}, 16, 0),
        ({"strides": None}, 4, 1),
        ({"kernel_dilation": 2}, 8, 1),
    ],
)
def test_conv_transpose_windows(words: dict[str, Any], large: int, before: int) -> None:
    for spec in (
        flax.linen.ConvTranspose(1, 3, **{"strides": (2,)} | words),
        flax.nnx.ConvTranspose(1, 1, 3, **{"strides": (2,)} | words, rngs=RNGS),
    ):
        (axis,) = spec.read((1, 4, 1)).axes
        assert (axis.large, axis.before) == (large, before)


def test_transpose_kernel_sets_the_layout() -> None:
    layouts = [flax.linen.ConvTranspose(3, (3, 3), transpose_kernel=each).weight_layout(2) for each in (False, True)]
    assert [(each.order, each.flipped) for each in layouts] == [("01SL", True), ("01LS", False)]


def test_input_dilation_makes_a_transposed_layer_with_groups() -> None:
    spec = flax.linen.Conv(6, (3,), padding=1, input_dilation=2, feature_group_count=2)
    layer = spec.read((1, 4, 4), (3, 2, 6))
    assert (layer.transposed, layer.groups, layer.output_size) == (True, 2, (7,))
    written = flax.write(Layer((Axis(4, 8, 3, stride=2),), 4, 6, groups=2))
    assert isinstance(written, flax.nnx.Conv)
    assert written.transposed


def test_causal_padding_pads_before() -> None:
    (axis,) = flax.linen.Conv(1, (3,), padding="CAUSAL", kernel_dilation=2).read((1, 9, 1)).axes
    assert (axis.small, axis.before) == (9, 4)


def test_a_batch_axis_may_be_missing() -> None:
    spec = flax.linen.ConvTranspose(3, (3, 3), (2, 2))
    assert spec.output_shape((5, 6, 2)) == (10, 12, 3)
    assert spec.output_shape((7, 5, 6, 2)) == (7, 10, 12, 3)


REJECTED: list[tuple[str, tuple[int, ...], Reason]] = [
    ("nn.ConvTranspose(3, (3,), padding='CIRCULAR')", (1, 4, 2), Reason.UNSUPPORTED),
    ("nn.ConvTranspose(3, (3,), padding='CAUSAL')", (1, 4, 2), Reason.PADDING),
    ("nn.ConvTranspose(3, (3,), strides=2, padding='same')", (1, 4, 2), Reason.PADDING),
    ("nn.ConvTranspose(3, (3,), padding=(1, 1))", (1, 4, 2), Reason.PADDING),
    ("nn.ConvTranspose(3, (1, 1, 1, 1))", (1, 1, 1, 1, 1, 2), Reason.RANK),
    ("nn.ConvTranspose(3, ())", (1, 2), Reason.RANK),
    ("nn.ConvTranspose(3, (3, 3))", (4, 2), Reason.RANK),
    ("nn.ConvTranspose(3, 3)", (1, 4, 4, 2), Reason.UNSUPPORTED),
    ("nn.ConvTranspose(3, (3,))", (0, 2), Reason.SIZE),
    ("nn.ConvTranspose(3, (3,), strides=(2, 2))", (1, 4, 2), Reason.STRIDE),
    ("nn.ConvTranspose(0, (3,))", (1, 4, 2), Reason.CHANNELS),
    ("nnx.ConvTranspose(2, 3, 3)", (1, 4, 2), Reason.ARGUMENT),
    ("nnx.ConvTranspose(2, 3, 3, rngs=rngs)", (1, 4, 3), Reason.CHANNELS),
    ("nnx.ConvTranspose(2, 3, 3, 2, 'SAME', rngs=rngs)", (1, 4, 2), Reason.ARGUMENT),
    ("nn.Conv(3, (3,), padding='REFLECT')", (1, 4, 2), Reason.UNSUPPORTED),
    ("nn.Conv(3, (3, 3), padding='CAUSAL')", (1, 4, 4, 2), Reason.PADDING),
    ("nn.Conv(3, (3,), input_dilation=2)", (1, 4, 2), Reason.PADDING),
    ("nn.Conv(3, (3,), strides=2, input_dilation=2, padding=1)", (1, 4, 2), Reason.UNSUPPORTED),
    ("nn.Conv(3, (3,), feature_group_count=2)", (1, 4, 2), Reason.GROUPS),
    ("nnx.Conv(3, 4, 3, feature_group_count=2, rngs=rngs)", (1, 4, 3), Reason.GROUPS),
    ("nn.Conv(3, (3,), conv_general_dilated=mine)", (1, 4, 2), Reason.UNSUPPORTED),
    ("nn.Conv(3, (0,))", (1, 4, 2), Reason.KERNEL),
]


@pytest.mark.parametrize(("code", "shape", "reason"), REJECTED)
def test_what_flax_rejects(code: str, shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "flax").read(shape)
    assert caught.value.reason is reason


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """Any layer with any of its arguments, and an input shape."""
    form: Any = draw(st.sampled_from(flax.FORMS))
    rank, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sizes, taps, strides = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4, 4))
    channels, features = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 6), st.integers(0, 6))] * rank))
    numbers = [draw(st.integers(0, 3)), tuple(low for low, _ in pads), pads]
    words: dict[str, Any] = {"padding": draw(st.sampled_from(["SAME", "VALID", *numbers]))}
    words |= {"kernel_dilation": draw(st.none() | st.integers(1, 3)), "use_bias": draw(st.booleans())}
    if form.call.endswith("ConvTranspose"):
        words |= {"strides": strides, "transpose_kernel": draw(st.booleans())}
    else:
        words["feature_group_count"] = groups
        if draw(st.booleans()):
            words |= {"input_dilation": strides, "padding": draw(st.sampled_from(numbers))}
        else:
            words["strides"] = strides
    given_spec = (
        form(channels, features, taps, rngs=RNGS, **words) if "nnx" in form.call else form(features, taps, **words)
    )
    return given_spec, (2, *sizes, channels)


@given(specs())
def test_read_and_write_are_inverse(given_spec: tuple[Spec, tuple[int, ...]]) -> None:
    check_round_trip(*given_spec, every=True)
