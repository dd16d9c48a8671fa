"""PyTorch's dialect: padding crops, output_padding gives back, output_size chooses; and it reads what it writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import Reason, UnstrideError, parse
from unstride.dialects import torch
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source
from unstride.geometry import Axis, Layer


@pytest.mark.parametrize(
    ("code", "input_shape", "output_shape"),
    [
        ("nn.ConvTranspose2d(16, 33, 3, stride=2)", (20, 16, 50, 100), (20, 33, 101, 201)),
        ("nn.ConvTranspose2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))", (20, 16, 50, 100), (20, 33, 93, 100)),
        ("nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)", (1, 2, 2), (1, 4, 4)),
        ("nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)(x, output_size=[4, 3])", (1, 1, 2, 2), (1, 1, 4, 3)),
        ("nn.ConvTranspose2d(1, 1, 3, stride=2)(x, output_size=[1, 1, 6, 5])", (1, 1, 2, 2), (1, 1, 6, 5)),
        ("nn.ConvTranspose1d(1, 1, 2, stride=1, dilation=4, output_padding=3)", (1, 1, 4), (1, 1, 11)),
        ("nn.Conv2d(3, 8, 3, padding='same', dilation=2)", (1, 3, 9, 7), (1, 8, 9, 7)),
        ("nn.Conv3d(4, 8, (3, 1, 2), stride=(2, 1, 1), groups=2)", (1, 4, 9, 7, 5), (1, 8, 4, 7, 4)),
    ],
)
def test_shapes(code: str, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
    assert parse(code).output_shape(input_shape) == output_shape


@pytest.mark.parametrize(
    ("reason", "code", "input_shape"),
    [
        (Reason.OUTPUT_PADDING, "nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=2)", (1, 1, 4, 4)),
        (Reason.OUTPUT_SHAPE, "nn.ConvTranspose2d(1, 1, 3, stride=2)(x, output_size=[4, 5])", (1, 1, 2, 2)),
        (Reason.OUTPUT_SHAPE, "nn.ConvTranspose2d(1, 1, 3, stride=2)(x, output_size=[1, 5, 5])", (1, 1, 2, 2)),
        (Reason.PADDING, "nn.ConvTranspose2d(1, 1, 3, padding='same')", (1, 1, 4, 4)),
        (Reason.STRIDE, "nn.Conv2d(1, 1, 3, padding='same', stride=2)", (1, 1, 4, 4)),
        (Reason.UNSUPPORTED, "nn.Conv2d(1, 1, 3, padding=1, padding_mode='reflect')", (1, 1, 4, 4)),
        (Reason.GROUPS, "nn.ConvTranspose2d(4, 6, 3, groups=4)", (1, 4, 4, 4)),
        (Reason.SIZE, "nn.ConvTranspose2d(1, 1, 3, padding=3)", (1, 1, 2, 2)),
        (Reason.SIZE, "nn.Conv2d(1, 1, 5)", (1, 1, 4, 4)),
        (Reason.RANK, "nn.ConvTranspose2d(1, 1, 3)", (4, 4)),
        (Reason.CHANNELS, "nn.ConvTranspose2d(2, 1, 3)", (1, 4, 4, 2)),
    ],
)
def test_rejections(reason: Reason, code: str, input_shape: tuple[int, ...]) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code).read(input_shape)
    assert caught.value.reason is reason


def test_an_odd_crop_behind_is_refused_and_composed() -> None:
    written = torch.write(Layer((Axis(4, 8, 3, 2),), 1, 1))
    assert isinstance(written, Refusal)
    assert written.composition is not None
    assert written.composition.steps() == (
        "y = torch.nn.ConvTranspose1d(1, 1, 3, stride=2, bias=False)",
        "y = y[:, :, :-1]",
    )


@given(data=st.data())
def test_what_it_reads_it_writes(data: Any) -> None:  # Hypothesis's own DataObject has no public type
    rank, groups = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    size = st.lists(st.integers(1, 6), min_size=rank, max_size=rank).map(tuple)
    kernel, stride, dilation = (data.draw(st.tuples(*[st.integers(1, 4)] * rank)) for _ in range(3))
    padding = data.draw(st.tuples(*[st.integers(0, 4)] * rank))
    small, large = (groups * data.draw(st.integers(1, 3)) for _ in range(2))
    channels = {"groups": groups, "stride": stride, "dilation": dilation, "padding": padding}
    transposed = data.draw(st.booleans())
    if transposed:
        channels["output_padding"] = tuple(
            data.draw(st.integers(0, max(pair) - 1)) for pair in zip(stride, dilation, strict=True)
        )
    inner, outer = (small, large) if transposed else (large, small)
    form: Any = torch.FORMS[3 * transposed + rank - 1]
    function: Any = torch.FORMS[6 + 3 * transposed + rank - 1]
    shape = (data.draw(st.integers(1, 2)), inner, *data.draw(size))
    bias = data.draw(st.booleans())
    specs = [
        (form(inner, outer, kernel, bias=bias, **channels), None),
        (
            function(Source("x"), Source("weight"), Source("bias") if bias else None, **channels),
            (small, large // groups, *kernel),
        ),
    ]
    for spec, kernel_shape in specs:
        try:
            spec.read(shape, kernel_shape)
        except UnstrideError:
            assume(condition=False)
        check_round_trip(spec, shape, kernel_shape, every=True)
