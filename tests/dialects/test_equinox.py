"""Equinox's dialect: no batch axis, an output_padding that shortens SAME, two argument orders; read and write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import equinox
from unstride.dialects.spec import Source, Spec

KEY = Source("key")


@pytest.mark.parametrize(
    ("words", "large", "before", "after"),
    [
        ({}, 9, 0, 0),
        ({"padding": 1}, 7, 1, 1),
        ({"padding": 1, "output_padding": 1}, 8, 1, 0),
        ({"padding": "VALID", "output_padding": 1}, 10, 0, -1),
        ({"padding": "SAME"}, 8, 0, 1),
        ({"padding": "same_lower"}, 8, 1, 0),
        ({"padding": "SAME", "output_padding": 1}, 7, 1, 1),
        ({"padding": "SAME", "stride": 4}, 16, 0, -1),
        ({"padding": "SAME_LOWER", "stride": 4}, 16, 0, -1),
        ({"padding": "VALID", "stride": 4}, 15, 0, 0),
        ({"padding": ((2, 1),)}, 6, 2, 1),
        ({"padding": -1}, 11, -1, -1),
        ({"output_padding": -1}, 8, 0, 1),
    ],
)
def test_transposed_windows(words: dict[str, Any], large: int, before: int, after: int) -> None:
    arguments: dict[str, Any] = {"stride": 2, "key": KEY} | words
    for spec in (equinox.ConvTranspose1d(1, 1, 3, **arguments), equinox.ConvTranspose(1, 1, 1, 3, **arguments)):
        (axis,) = spec.read((1, 4)).axes
        assert (axis.large, axis.before, axis.after) == (large, before, after)


def test_the_general_form_takes_padding_first() -> None:
    named = parse("eqx.nn.ConvTranspose2d(2, 3, 3, 2, 1, 0, key=key)")
    general = parse("eqx.nn.ConvTranspose(2, 2, 3, 3, 2, 1, 0, key=key)")
    assert isinstance(named, equinox.ConvTranspose2d)
    assert isinstance(general, equinox.ConvTranspose)
    assert (named.output_padding, named.padding) == (1, 0)
    assert (general.output_padding, general.padding) == (0, 1)


def test_weights_are_in_a_convolutions_order_with_the_taps_reversed() -> None:
    spec = equinox.ConvTranspose2d(4, 6, (3, 2), groups=2, key=KEY)
    layer = spec.read((4, 5, 5), (6, 2, 3, 2))
    assert spec.weight_layout(2).flipped
    assert not equinox.Conv2d(4, 6, 3, key=KEY).weight_layout(2).flipped
    assert (layer.small_channels, layer.large_channels, layer.groups) == (4, 6, 2)


def test_a_mode_without_padding_changes_nothing() -> None:
    spec = equinox.Conv1d(1, 1, 3, padding_mode="reflect", key=KEY)
    assert spec.output_shape((1, 9)) == (1, 7)


def test_a_pasted_nn_line_with_a_key_is_equinoxs() -> None:
    assert parse("nn.ConvTranspose(2, 3, 4, 3, key=key)").call == "equinox.nn.ConvTranspose"


REJECTED: list[tuple[str, tuple[int, ...], Reason]] = [
    ("eqx.nn.ConvTranspose1d(2, 3, 3)", (2, 4), Reason.ARGUMENT),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, key=key)", (1, 2, 4), Reason.RANK),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, key=key)", (3, 4), Reason.CHANNELS),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, 2, 2, key=key)", (2, 4), Reason.OUTPUT_PADDING),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, 2, 2, dilation=3, key=key)", (2, 4), Reason.OUTPUT_PADDING),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, 2, 'SAME', key=key)", (2, 4), Reason.OUTPUT_PADDING),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, padding='FULL', key=key)", (2, 4), Reason.PADDING),
    ("eqx.nn.ConvTranspose2d(2, 3, 3, padding=(1, (1, 2)), key=key)", (2, 4, 4), Reason.PADDING),
    ("eqx.nn.ConvTranspose2d(2, 3, 3, padding=(1,), key=key)", (2, 4, 4), Reason.PADDING),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, padding_mode='REFLECT', key=key)", (2, 4), Reason.PADDING),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, padding=1, padding_mode='CIRCULAR', key=key)", (2, 4), Reason.PADDING),
    ("eqx.nn.ConvTranspose1d(2, 3, 3, padding='SAME', padding_mode='CIRCULAR', key=key)", (2, 4), Reason.UNSUPPORTED),
    ("eqx.nn.Conv1d(2, 3, 3, padding=1, padding_mode='wrap', key=key)", (2, 4), Reason.PADDING),
    ("eqx.nn.Conv1d(2, 3, 3, padding=1, padding_mode='reflect', key=key)", (2, 4), Reason.UNSUPPORTED),
    ("eqx.nn.Conv1d(2, 3, 3, groups=2, key=key)", (2, 4), Reason.GROUPS),
    ("eqx.nn.Conv1d(0, 3, 3, key=key)", (0, 4), Reason.CHANNELS),
    ("eqx.nn.Conv1d(2, 3, 3, padding=-4, key=key)", (2, 4), Reason.PADDING),
    ("eqx.nn.Conv(0, 2, 3, 3, key=key)", (2,), Reason.RANK),
]


@pytest.mark.parametrize(("code", "shape", "reason"), REJECTED)
def test_what_equinox_rejects(code: str, shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "equinox").read(shape)
    assert caught.value.reason is reason


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """Any layer with any of its arguments, and an input shape."""
    form: Any = draw(st.sampled_from(equinox.FORMS))
    named = form.call[-1] == "d"
    rank, groups = int(form.call[-2]) if named else draw(st.integers(1, 4)), draw(st.integers(1, 3))
    sizes, taps, strides = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4, 4))
    channels, features = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    pads = draw(st.tuples(*[st.tuples(st.integers(-1, 3), st.integers(-1, 3))] * rank))
    words: dict[str, Any] = {"stride": strides, "dilation": draw(st.integers(1, 3)), "groups": groups}
    words["padding"] = draw(st.sampled_from(["SAME", "SAME_LOWER", "VALID", 1, tuple(low for low, _ in pads), pads]))
    words["use_bias"] = draw(st.booleans())
    if form.transposed:
        words["output_padding"] = tuple(draw(st.integers(0, stride - 1)) for stride in strides)
    first = () if named else (rank,)
    return form(*first, channels, features, taps, key=KEY, **words), (channels, *sizes)


def is_read(spec: Spec, *shapes: tuple[int, ...]) -> bool:
    try:
        return bool(spec.read(*shapes).axes)
    except UnstrideError as error:
        return error.reason is not Reason.PADDING


@given(specs())
def test_read_and_write_are_inverse(given_spec: tuple[Spec, tuple[int, ...]]) -> None:
    spec, *shapes = given_spec
    assume(is_read(spec, *shapes))  # some crop more than there is
    check_round_trip(*given_spec, every=True)
