"""TensorFlow's dialect: the sizes a caller may ask for, how arguments are given, and that it reads what it writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import tensorflow
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, DataLayout, Layer

X, FILTERS = Source("x"), Source("filters")
_FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


@pytest.mark.parametrize(
    ("size", "kernel", "arguments", "legal"),
    [
        (4, 3, "2, 'SAME'", {7: 1, 8: 0}),
        (4, 4, "2, 'SAME'", {7: 1, 8: 1}),
        (4, 2, "3, 'SAME'", {10: 0, 11: 0, 12: 0}),
        (4, 3, "2, 'VALID'", {9: 0, 10: 0}),
        (4, 2, "3, 'VALID'", {11: 0, 12: 0, 13: 0}),
        (4, 3, "2, 'SAME', dilations=2", {7: 2, 8: 1}),
        (20, 3, "10, 'SAME'", dict.fromkeys(range(193, 201), 0) | {191: 1, 192: 0}),
        (1, 3, "2, 'VALID'", {2: 0, 3: 0, 4: 0}),
    ],
)
def test_the_caller_chooses_the_size(size: int, kernel: int, arguments: str, legal: dict[int, int]) -> None:
    for large in range(1, max(legal) + 5):
        spec = parse(f"tf.nn.conv1d_transpose(x, w, [1, {large}, 1], {arguments})")
        if large in legal:
            assert spec.read((1, size, 1), (kernel, 1, 1)).axes[0].before == legal[large]
            continue
        with pytest.raises(UnstrideError) as caught:
            spec.read((1, size, 1), (kernel, 1, 1))
        assert (caught.value.reason, caught.value.argument) == (Reason.OUTPUT_SHAPE, "output_shape")


def test_explicit_padding_crops_and_decides_the_legal_sizes() -> None:
    line = "tf.nn.conv2d_transpose(x, w, [1, {}, 7, 1], 2, [[0, 0], [1, 0], [2, 0], [0, 0]])"
    for large in (8, 9):
        axes = parse(line.format(large)).read((1, 4, 4, 1), (3, 3, 1, 1)).axes
        assert [(axis.large, axis.before) for axis in axes] == [(large, 1), (7, 2)]
    for large in (7, 10):
        with pytest.raises(UnstrideError) as caught:
            parse(line.format(large)).read((1, 4, 4, 1), (3, 3, 1, 1))
        assert caught.value.reason is Reason.OUTPUT_SHAPE


@pytest.mark.parametrize(
    ("code", "input_shape", "kernel_shape", "output_shape"),
    [
        ("tf.nn.conv2d(x, w, 2, 'SAME')", (1, 9, 9, 2), (3, 3, 2, 4), (1, 5, 5, 4)),
        ("tf.nn.conv2d(x, w, [2], 'SAME')", (1, 9, 9, 2), (3, 3, 2, 4), (1, 5, 5, 4)),
        ("tf.nn.conv2d(x, w, (2, 1), 'SAME')", (1, 9, 9, 2), (3, 3, 2, 4), (1, 5, 9, 4)),
        ("tf.nn.conv2d(x, w, [1, 2, 1, 1], 'SAME')", (1, 9, 9, 2), (3, 3, 2, 4), (1, 5, 9, 4)),
        ("tf.nn.conv2d(x, w, [1, 1, 2, 1], 'SAME', 'NCHW')", (1, 2, 9, 9), (3, 3, 2, 4), (1, 4, 5, 9)),
        ("tf.nn.conv2d(x, w, 1, [[0, 0], [1, 2], [3, 4], [0, 0]])", (1, 9, 9, 2), (3, 3, 2, 4), (1, 10, 14, 4)),
        ("tf.nn.conv2d(x, w, 2, 'VALID', dilations=2)", (1, 9, 9, 4), (3, 3, 2, 4), (1, 3, 3, 4)),
        ("tf.nn.conv2d(x, w, None, 'SAME')", (1, 9, 9, 2), (3, 3, 2, 4), (1, 9, 9, 4)),
        ("tf.nn.conv2d(x, w, 2, 'VALID')", (1, 2, 9, 2), (3, 3, 2, 4), (1, 0, 4, 4)),
        ("tf.nn.conv1d(x, w, 2, 'VALID')", (1, 1, 2), (4, 2, 4), (1, 0, 4)),
        ("tf.nn.conv1d(x, filters=w, stride=2, padding='SAME', data_format='NCHW')", (1, 2, 9), (3, 2, 4), (1, 4, 5)),
        ("tf.nn.conv3d(x, w, [1, 2, 2, 2, 1], 'SAME')", (1, 9, 9, 9, 2), (3, 3, 3, 2, 4), (1, 5, 5, 5, 4)),
        ("tf.nn.convolution(x, w)", (1, 9, 2), (3, 2, 4), (1, 7, 4)),
        ("tf.nn.convolution(x, w, 2, 'SAME', 'NCHW')", (1, 2, 9, 9), (3, 3, 2, 4), (1, 4, 5, 5)),
        ("tf.nn.conv2d_transpose(x, w, [1, 8, 8, 5], 2)", (1, 4, 4, 2), (3, 3, 5, 2), (1, 8, 8, 5)),
        ("tf.nn.conv2d_transpose(x, w, [8, 8], 2)", (1, 4, 4, 2), (3, 3, 5, 2), (1, 8, 8, 5)),
        ("tf.nn.conv2d_transpose(x, w, [-1, 8, 8, 5], 2)", (7, 4, 4, 2), (3, 3, 5, 2), (7, 8, 8, 5)),
        ("tf.nn.conv2d_transpose(x, w, [1, 8, 8, 6], 2)", (1, 4, 4, 4), (3, 3, 3, 4), (1, 8, 8, 6)),
        ("tf.nn.conv2d_transpose(x, w, [1, 5, 8, 7], 2, 'SAME', 'NCHW')", (1, 2, 4, 4), (3, 3, 5, 2), (1, 5, 8, 7)),
        ("tf.nn.conv_transpose(x, w, output_shape=[1, 8, 5], strides=2)", (1, 4, 2), (3, 5, 2), (1, 8, 5)),
        ("tf.nn.conv3d_transpose(x, w, [1, 4, 4, 4, 5], 2)", (1, 2, 2, 2, 2), (3, 3, 3, 5, 2), (1, 4, 4, 4, 5)),
    ],
)
def test_shapes(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> None:
    spec = parse(code, "tensorflow")
    assert spec.output_shape(input_shape, kernel_shape) == output_shape
    assert spec.kernel_shape(spec.read(input_shape, kernel_shape)) == kernel_shape


def test_groups_follow_from_the_channels() -> None:
    assert parse("tf.nn.conv1d(x, w, 1, 'SAME')").read((1, 9, 6), (3, 2, 6)).groups == 3
    assert parse("tf.nn.conv1d_transpose(x, w, [1, 8, 6], 2)").read((1, 4, 4), (3, 3, 4)).groups == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("tf.nn.conv2d(x, w, 2, 'same')", Reason.PADDING),
        ("tf.nn.conv2d(x, w, 2, 1)", Reason.PADDING),
        ("tf.nn.conv2d(x, w, 2, [[1, 1], [1, 1]])", Reason.PADDING),
        ("tf.nn.conv2d(x, w, 2, [0, 1, 1, 0])", Reason.PADDING),
        ("tf.nn.conv2d(x, w, 2, [[0, 0], [1, -1], [1, 1], [0, 0]])", Reason.PADDING),
        ("tf.nn.conv2d(x, w, 2, [[0, 0], [0, 0], [1, 1], [1, 1]])", Reason.PADDING),
        ("tf.nn.conv1d(x, w, 2, [[0, 0], [1, 1], [0, 0]])", Reason.PADDING),
        ("tf.nn.conv3d_transpose(x, w, [1, 4, 4, 4, 5], 2, [[0, 0], [1, 1], [1, 1], [1, 1], [0, 0]])", Reason.PADDING),
        ("tf.nn.conv2d(x, w, [2, 2, 2, 1], 'SAME')", Reason.STRIDE),
        ("tf.nn.conv2d(x, w, [1, 2, 2], 'SAME')", Reason.STRIDE),
        ("tf.nn.conv2d(x, w, 0, 'SAME')", Reason.STRIDE),
        ("tf.nn.conv3d(x, w, 2, 'SAME')", Reason.STRIDE),
        ("tf.nn.conv3d(x, w, [2, 2, 2], 'SAME')", Reason.STRIDE),
        ("tf.nn.conv2d(x, w, 1, 'SAME', dilations=0)", Reason.DILATION),
        ("tf.nn.conv2d(x, w, 1, 'SAME', 'NWC')", Reason.DATA_FORMAT),
        ("tf.nn.conv2d(x, w, 1, 'SAME', 'channels_last')", Reason.DATA_FORMAT),
        ("tf.nn.conv1d_transpose(x, w, [1, 8, 5], 2, 'SAME', 'NHWC')", Reason.DATA_FORMAT),
        ("tf.nn.conv2d_transpose(x, w, None, 2)", Reason.OUTPUT_SHAPE),
        ("tf.nn.conv1d_transpose(x, w, [8], 2)", Reason.OUTPUT_SHAPE),
        ("tf.nn.conv_transpose(x, w, [8, 8], 2)", Reason.OUTPUT_SHAPE),
        ("tf.nn.conv2d_transpose(x, w, [1, -8, 8, 5], 2)", Reason.OUTPUT_SHAPE),
        ("tf.nn.conv2d_transpose(x, w, [1, 8.0, 8, 5], 2)", Reason.OUTPUT_SHAPE),
        ("tf.nn.conv2d_transpose(x, w, strides=2)", Reason.ARGUMENT),
        ("tf.nn.conv2d_transpose(x, w, tf.shape(y), 2)", Reason.EXPRESSION),
    ],
)
def test_rejected_arguments(code: str, reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "tensorflow")
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("code", "input_shape", "kernel_shape", "reason"),
    [
        ("tf.nn.conv2d_transpose(x, w, [2, 8, 8, 5], 2)", (1, 4, 4, 2), (3, 3, 5, 2), Reason.OUTPUT_SHAPE),
        ("tf.nn.conv2d_transpose(x, w, [1, 8, 8, 4], 2)", (1, 4, 4, 2), (3, 3, 5, 2), Reason.GROUPS),
        ("tf.nn.conv2d_transpose(x, w, [1, 8, 8, 6], 2)", (1, 4, 4, 4), (3, 3, 2, 4), Reason.GROUPS),
        ("tf.nn.conv2d_transpose(x, w, [1, 8, 8, 5], 2)", (1, 4, 4, 4), (3, 3, 5, 2), Reason.CHANNELS),
        ("tf.nn.conv3d_transpose(x, w, [1, 4, 4, 4, 6], 2)", (1, 2, 2, 2, 4), (3, 3, 3, 3, 4), Reason.GROUPS),
        ("tf.nn.conv3d(x, w, [1, 1, 1, 1, 1], 'SAME')", (1, 2, 2, 2, 4), (3, 3, 3, 2, 4), Reason.GROUPS),
        ("tf.nn.conv1d(x, w, 1, 'SAME')", (1, 4, 4), (3, 2, 5), Reason.GROUPS),
        ("tf.nn.conv1d(x, w, 1, 'VALID')", (1, 4, 4), (6, 4, 5), Reason.SIZE),
        ("tf.nn.conv1d(x, w, 1, 'VALID')", (4, 4), (3, 4, 5), Reason.RANK),
        ("tf.nn.conv1d(x, w, 1, 'VALID')", (1, 4, 4), (3, 3, 4, 5), Reason.KERNEL),
        ("tf.nn.convolution(x, w, 2, dilations=2)", (1, 9, 4), (3, 4, 5), Reason.DILATION),
        ("tf.nn.convolution(x, w, [1, 2, 2, 1])", (1, 9, 4), (3, 4, 5), Reason.STRIDE),
        ("tf.nn.conv_transpose(x, w, [1, 8, 8, 5], 2)", (1, 4, 2), (3, 5, 2), Reason.OUTPUT_SHAPE),
    ],
)
def test_rejected_shapes(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], reason: Reason
) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code, "tensorflow").read(input_shape, kernel_shape)
    assert caught.value.reason is reason


def test_python_takes_the_frameworks_own_keyword() -> None:
    spec = tensorflow.conv2d_transpose(X, FILTERS, output_shape=[1, 6, 6, 1], strides=2, padding="VALID")  # type: ignore[call-arg]  # the field is output_shape_
    assert spec.code() == "tf.nn.conv2d_transpose(x, filters, (1, 6, 6, 1), 2, padding='VALID')"


def test_the_batch_is_written() -> None:
    written = tensorflow.write(Layer((Axis(4, 8, 3, 2),), 2, 5), 7)
    assert written == tensorflow.conv1d_transpose(X, FILTERS, (7, 8, 5), 2)


def test_refusals_compose_bias_and_crop() -> None:
    refusal = tensorflow.write(Layer((Axis(4, 8, 3, 2, before=1),), 2, 5, bias=True))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert refusal.composition.add_bias
    assert refusal.composition.crop_output == ((1, 0),)


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """A spec of any form with an input and a kernel; it may be one that TensorFlow rejects."""
    rank, transposed, general = draw(st.integers(1, 3)), draw(st.booleans()), draw(st.booleans())
    vector = st.tuples(*(st.integers(1, 4),) * rank)
    kernel, small, steps = draw(vector), draw(vector), draw(vector)
    spread = draw(st.just((1,) * rank) | vector)
    if general and not transposed and max(steps) > 1:
        spread = (1,) * rank
    pads = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(rank))
    first, padding = draw(st.booleans()), draw(st.sampled_from(("SAME", "VALID", "EXPLICIT")))
    if padding == "EXPLICIT" and transposed:
        first, spread = False, (1,) * rank
    layout = DataLayout.first(rank) if first else DataLayout.last(rank)
    groups = draw(st.integers(1, 3)) if rank < 3 and padding != "EXPLICIT" else 1
    inner, outer = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    numbers = ((0, 0), (0, 0), *pads) if first else ((0, 0), *pads, (0, 0))
    words: list[Any] = [layout.join(1, 1, steps), padding if padding != "EXPLICIT" else numbers]
    words += [_FORMATS[rank][first], layout.join(1, 1, spread)]
    form: Any = tensorflow.FORMS[7 - transposed if general else rank - 1 + 3 * transposed]
    if not transposed:
        return form(X, FILTERS, *words), layout.join(2, inner, draw(vector)), (*kernel, inner // groups, outer)
    large = tuple(
        (n - 1) * s + {"SAME": 1, "VALID": d * (k - 1) + 1, "EXPLICIT": d * (k - 1) + 1 - sum(pair)}[padding]
        for n, s, d, k, pair in zip(small, steps, spread, kernel, pads, strict=True)
    )
    asked = tuple(max(least, 0) + draw(st.integers(0, s - 1)) for least, s in zip(large, steps, strict=True))
    spec = form(X, FILTERS, layout.join(2, outer, asked), *words)
    return spec, layout.join(2, inner, small), (*kernel, outer // groups, inner)


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    try:
        spec, input_shape, kernel_shape = data.draw(specs())
        spec.read(input_shape, kernel_shape)
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's own form
    check_round_trip(spec, input_shape, kernel_shape, every=True)


@pytest.mark.parametrize(("size", "stride", "before"), [(6, 3, -1), (8, 4, -1), (9, 4, 0), (6, 5, 0), (11, 6, -2)])
def test_same_in_three_dimensions_skips_half_of_what_stays_unread(size: int, stride: int, before: int) -> None:
    layer = parse(f"tf.nn.conv3d(x, w, [1, {stride}, 1, 1, 1], 'SAME')").read((1, size, 1, 1, 1), (1, 1, 1, 1, 1))
    assert layer.axes[0].before == before
    flat = parse(f"tf.nn.conv2d(x, w, [{stride}, 1], 'SAME')").read((1, size, 1, 1), (1, 1, 1, 1))
    assert flat.axes[0].before == 0
