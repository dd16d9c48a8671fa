"""MXNet's dialect: adj and target_shape, a bias that is off by default; read and write are inverse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import mxnet
from unstride.dialects.spec import Spec


@pytest.mark.parametrize(
    ("words", "large", "before", "after"),
    [
        ("", 9, 0, 0),
        (", pad=(1,)", 7, 1, 1),
        (", pad=(1,), adj=(1,)", 8, 1, 0),
        (", target_shape=(8,)", 8, 1, 0),
        (", target_shape=(7,)", 7, 1, 1),
        (", target_shape=(6,), pad=(5,), adj=(9,)", 6, 2, 1),
    ],
)
def test_target_shape_replaces_pad_and_adj(words: str, large: int, before: int, after: int) -> None:
    spec = parse(f"mx.sym.Deconvolution(data, kernel=(3,), stride=(2,), num_filter=1{words})")
    (axis,) = spec.read((1, 1, 4)).axes
    assert (axis.large, axis.before, axis.after) == (large, before, after)


def test_a_deconvolution_has_no_bias_unless_asked() -> None:
    assert not mxnet.Deconvolution(kernel=3, num_filter=1).bias_present
    assert mxnet.Convolution(kernel=3, num_filter=1).bias_present


def test_channels_last_moves_the_weights_as_well() -> None:
    spec = mxnet.Deconvolution(kernel=(3, 2), num_filter=6, num_group=2, layout="NHWC")
    layer = spec.read((1, 5, 5, 4))
    assert spec.kernel_shape(layer) == (4, 3, 2, 3)
    assert spec.output_shape((1, 5, 5, 4)) == (1, 7, 6, 6)


REJECTED: list[tuple[str, tuple[int, ...], Reason]] = [
    ("mx.nd.Convolution(x, w, b, num_filter=4)", (1, 3, 5), Reason.ARGUMENT),
    ("mx.nd.Deconvolution(x, w, b, kernel=(3,), num_filter=4)", (1, 3, 5), Reason.ARGUMENT),
    ("mx.nd.Convolution(x, w, b, kernel=(3, 3), stride=2, num_filter=4)", (1, 3, 5, 5), Reason.STRIDE),
    ("mx.nd.Convolution(x, w, b, kernel=(3, 3), num_filter=4)", (1, 3, 5), Reason.RANK),
    ("mx.nd.Convolution(x, w, b, kernel=(3, 3, 3, 3), num_filter=4)", (1, 3, 5), Reason.RANK),
    ("mx.nd.Deconvolution(x, w, kernel=(3, 3, 3), dilate=(2, 1, 1), num_filter=4)", (1, 3, 5, 5, 5), Reason.DILATION),
    ("mx.nd.Convolution(x, w, b, kernel=(3,), num_filter=4)", (1, 3, 2), Reason.SIZE),
    ("mx.nd.Convolution(x, w, b, kernel=(3,), num_filter=4, num_group=2)", (1, 3, 5), Reason.GROUPS),
    ("mx.nd.Convolution(x, w, b, kernel=(3,), num_filter=4, layout='NWC')", (1, 5, 3), Reason.DATA_FORMAT),
    ("mx.nd.Convolution(x, w, b, kernel=(3,), pad=(-1,), num_filter=4)", (1, 3, 5), Reason.PADDING),
    ("mx.nd.Deconvolution(x, w, kernel=(3,), stride=(2,), adj=(2,), num_filter=4)", (1, 3, 5), Reason.OUTPUT_PADDING),
    ("mx.nd.Deconvolution(x, w, kernel=(3,), target_shape=(8,), num_filter=4)", (1, 3, 5), Reason.OUTPUT_SHAPE),
    ("mx.nd.Deconvolution(x, w, kernel=(3,), target_shape=(6,), num_filter=4)", (1, 3, 5), Reason.OUTPUT_SHAPE),
    ("mx.nd.Deconvolution(x, w, kernel=(3,), pad=(3,), num_filter=4)", (1, 3, 2), Reason.SIZE),
    ("mx.nd.Deconvolution(x, w, kernel=(3,), num_filter=0)", (1, 3, 2), Reason.CHANNELS),
]


@pytest.mark.parametrize(("code", "shape", "reason"), REJECTED)
def test_what_mxnet_rejects(code: str, shape: tuple[int, ...], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "mxnet").read(shape)
    assert caught.value.reason is reason


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """Either operator with any of its arguments, and an input shape."""
    form: Any = draw(st.sampled_from(mxnet.FORMS))
    rank, groups = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    channels, filters = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))

    def shape(least: int, most: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(least, most)] * rank))

    words: dict[str, Any] = {"kernel": shape(1, 4), "stride": shape(1, 3), "num_filter": filters, "num_group": groups}
    words |= {"dilate": shape(1, 3) if rank < 3 else (1, 1, 1), "pad": shape(0, 2), "no_bias": draw(st.booleans())}
    if form.transposed:
        words["adj"] = shape(0, 1)
        if draw(st.booleans()):
            words["target_shape"] = shape(1, 8)
    sizes = shape(1, 6)
    if rank > 1 and draw(st.booleans()):
        return form(layout=("NHWC", "NDHWC")[rank - 2], **words), (2, *sizes, channels)
    return form(**words), (2, channels, *sizes)


@settings(max_examples=150, deadline=None)
@given(specs())
def test_read_and_write_are_inverse(drawn: tuple[Spec, tuple[int, ...]]) -> None:
    spec, shape = drawn
    try:
        spec.read(shape)
    except UnstrideError as error:
        event(f"rejected: {error.code}")
    else:
        check_round_trip(spec, shape, every=True)
