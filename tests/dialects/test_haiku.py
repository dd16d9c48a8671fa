"""Haiku's dialect: SAME by default, output_shape as in TensorFlow, pad functions, both data formats; read and write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import haiku
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Spec
from unstride.geometry import Axis, Layer


@pytest.mark.parametrize(
    ("words", "size", "large", "before"),
    [
        ({}, 4, 8, 0),
        ({"padding": "VALID"}, 4, 9, 0),
        ({"stride": 4, "padding": "VALID"}, 4, 16, 0),
        ({"padding": ((1, 2),)}, 4, 8, 1),
        ({"stride": 1, "padding": "same"}, 4, 4, 1),
        ({"output_shape": 7}, 4, 7, 1),
        ({"output_shape": 8}, 4, 8, 0),
        ({"output_shape": [9], "padding": "VALID"}, 4, 9, 0),
        ({"output_shape": 10, "padding": "VALID"}, 4, 10, 0),
        ({"output_shape": 0}, 0, 1, 0),
        ({"output_shape": -1}, 0, 0, 1),
        ({"output_shape": 2, "padding": "VALID"}, 0, 3, 0),
    ],
)
def test_transposed_windows(words: dict[str, Any], size: int, large: int, before: int) -> None:
    (axis,) = haiku.Conv1DTranspose(1, 3, **{"stride": 2} | words).read((1, size, 1)).axes
    assert (axis.large, axis.before) == (large, before)


@pytest.mark.parametrize(
    ("padding", "before", "after"),
    [
        ("(1, 2)", (1, 1), (2, 2)),
        ("[(1, 2)]", (1, 1), (2, 2)),
        ("[(1, 2), (3, 4)]", (1, 3), (2, 4)),
        ("'VALID'", (0, 0), (0, 0)),
        ("hk.pad.causal", (4, 4), (0, 0)),
        ("[hk.pad.same, hk.pad.reverse_causal]", (2, 0), (2, 4)),
        ("(hk.pad.full,)", (4, 4), (4, 4)),
    ],
)
def test_a_convolution_takes_pairs_and_functions(padding: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    axes = parse(f"hk.Conv2D(1, 3, rate=2, padding={padding})").read((1, 9, 9, 1)).axes
    assert (tuple(axis.before for axis in axes), tuple(axis.after for axis in axes)) == (before, after)


@pytest.mark.parametrize(
    ("data_format", "shape", "output"),
    [
        ("NHWC", (1, 4, 5, 2), (1, 8, 10, 3)),
        ("channels_first", (1, 2, 4, 5), (1, 3, 8, 10)),
        ("NC...", (2, 4, 5), (3, 8, 10)),
        ("BTHD", (4, 5, 2), (8, 10, 3)),
    ],
)
def test_data_formats(data_format: str, shape: tuple[int, ...], output: tuple[int, ...]) -> None:
    assert haiku.Conv2DTranspose(3, 3, 2, data_format=data_format).output_shape(shape) == output


REJECTED: list[tuple[str, tuple[int, ...], Reason]] = [
    ("hk.Conv1DTranspose(3, 3, 2, output_shape=9)", (1, 4, 2), Reason.OUTPUT_SHAPE),
    ("hk.Conv1DTranspose(3, 3, 2, output_shape=8, padding='VALID')", (1, 4, 2), Reason.OUTPUT_SHAPE),
    ("hk.Conv1DTranspose(3, 3, 2, output_shape=8, padding='same')", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1DTranspose(3, 3, 2, output_shape=8, padding=[(1, 1)])", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1DTranspose(3, 3, 2, output_shape=(8, 8))", (1, 4, 2), Reason.OUTPUT_SHAPE),
    ("hk.Conv1DTranspose(3, 3, 2, padding='same')", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1DTranspose(3, 3, padding='FULL')", (1, 4, 2), Reason.PADDING),
    ("hk.Conv2DTranspose(3, 3, padding=(1, 1))", (1, 4, 4, 2), Reason.PADDING),
    ("hk.Conv2DTranspose(3, 3, padding=[(1, 1)])", (1, 4, 4, 2), Reason.PADDING),
    ("hk.Conv1DTranspose(3, 3, rate=2)", (1, 4, 2), Reason.ARGUMENT),
    ("hk.Conv1D(3, 3, padding=1)", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1D(3, 3, padding=(1, 2, 3))", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1D(3, 3, padding=[])", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1D(3, 3, padding=lambda span: (0, span))", (1, 4, 2), Reason.EXPRESSION),
    ("hk.Conv1D(3, 3, padding=[hk.pad.same, hk.pad.same])", (1, 4, 2), Reason.PADDING),
    ("hk.Conv1D(3, 3, data_format='nwc')", (1, 4, 2), Reason.DATA_FORMAT),
    ("hk.Conv1D(3, 3, feature_group_count=2)", (1, 4, 2), Reason.GROUPS),
    ("hk.Conv1D(4, 3, feature_group_count=0)", (1, 4, 2), Reason.GROUPS),
    ("hk.Conv2D(4, (3, 3, 3))", (1, 4, 4, 2), Reason.KERNEL),
    ("hk.Conv2D(4, 3)", (1, 1, 4, 4, 2), Reason.RANK),
]


@pytest.mark.parametrize(("code", "shape", "reason"), REJECTED)
def test_what_haiku_rejects(code: str, shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "haiku").read(shape)
    assert caught.value.reason is reason


@pytest.mark.parametrize(("groups", "dilation"), [(2, 1), (1, 3), (2, 2)])
def test_groups_and_dilation_become_compositions(groups: int, dilation: int) -> None:
    refusal = haiku.write(Layer((Axis(4, 9, 2, stride=2, dilation=dilation, before=0),), 4, 6, groups))
    assert isinstance(refusal, Refusal)
    assert refusal.composition
    assert refusal.composition.split == groups
    assert refusal.composition.kernel_dilation == ((dilation,) if dilation > 1 else ())


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """Any layer with any of its arguments, and an input shape."""
    form: Any = draw(st.sampled_from(haiku.FORMS))
    rank, last = int(form.call.partition("Conv")[2][0]), draw(st.booleans())
    sizes, taps, strides = (draw(st.tuples(*[st.integers(1, most)] * rank)) for most in (6, 4, 4))
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 6), st.integers(0, 6))] * rank))
    groups = 1 if form.transposed else draw(st.integers(1, 3))
    channels, features = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    words: dict[str, Any] = {"stride": strides, "with_bias": draw(st.booleans())}
    words["padding"] = draw(st.sampled_from(["SAME", "VALID", pads]))
    words["data_format"] = "channels_last" if last else "channels_first"
    if not form.transposed:
        words |= {"rate": draw(st.integers(1, 3)), "feature_group_count": groups}
    elif isinstance(words["padding"], str) and draw(st.booleans()):
        least = zip(sizes, taps, strides, strict=True)
        valid = words["padding"] == "VALID"
        words["output_shape"] = tuple(
            (n - 1) * s + (k if valid else 1) + draw(st.integers(0, s - 1)) for n, k, s in least
        )
    return form(features, taps, **words), (2, *sizes, channels) if last else (2, channels, *sizes)


@given(specs())
def test_read_and_write_are_inverse(given_spec: tuple[Spec, tuple[int, ...]]) -> None:
    check_round_trip(*given_spec, every=True)
