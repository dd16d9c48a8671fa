"""Theano's three functions: what they read as, what they reject, and that they are written back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import UnstrideError, parse
from unstride.dialects import theano
from unstride.dialects.refusal import Refusal, ways
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, Layer

X, W = Source("x"), Source("w")
IMAGE, KERNEL = (1, 2, 3, 3), (2, 3, 3, 3)


def transpose(output_shape: Any = (1, 3, 7, 7), **words: Any) -> Spec:
    words.setdefault("input_dilation", (2, 2))
    spec: Spec = theano.conv2d_transpose(X, W, output_shape, **words)
    return spec


def forward(**words: Any) -> Spec:
    spec: Spec = theano.conv2d(X, W, **words)
    return spec


@pytest.mark.parametrize("large", [7, 8])
def test_the_output_shape_is_chosen_among_stride_sizes(large: int) -> None:
    spec = transpose((None, None, large, 7))
    assert spec.output_shape(IMAGE, KERNEL) == (1, 3, large, 7)
    assert spec.windows((3, 3), (3, 3))[0].alternatives == range(7, 9)


@pytest.mark.parametrize("large", [6, 9, 0])
def test_an_output_shape_that_no_convolution_maps_back_is_rejected(large: int) -> None:
    with pytest.raises(UnstrideError, match=r"can only have an output size of 7…8") as caught:
        transpose((1, 3, large, 7)).read(IMAGE, KERNEL)
    assert caught.value.code == "output-shape"


def test_batch_and_channels_of_the_output_shape_are_hints() -> None:
    assert transpose((2, 4, 7, 7)).output_shape(IMAGE, KERNEL) == (1, 3, 7, 7)


def test_groups_are_whole_on_the_input_side_of_a_transposed_kernel() -> None:
    spec = transpose((None, None, 7, 7), num_groups=2)
    assert spec.output_shape((1, 4, 3, 3), (4, 3, 3, 3)) == (1, 6, 7, 7)
    with pytest.raises(UnstrideError) as caught:
        spec.read((1, 3, 3, 3), (3, 3, 3, 3))
    assert caught.value.code == "groups"


@pytest.mark.parametrize(
    ("border", "befores", "output"),
    [
        ("valid", (0, 0), (3, 2)),
        ("half", (2, 2), (7, 6)),
        ("full", (4, 3), (11, 8)),
        (1, (1, 1), (5, 4)),
        ((2, 0), (2, 0), (7, 2)),
        (((1, 2), 0), (1, 0), (6, 2)),
    ],
)
def test_the_border_modes_pad_by_the_dilated_kernel(
    border: theano.Border, befores: tuple[int, ...], output: tuple[int, ...]
) -> None:
    layer = forward(border_mode=border, filter_dilation=(2, 1)).read((1, 2, 7, 5), (3, 2, 3, 4))
    assert tuple(axis.before for axis in layer.axes) == befores
    assert layer.output_size == output


def test_the_border_modes_crop_a_transposed_convolution() -> None:
    spec = transpose((1, 3, 3, 3), border_mode="half", input_dilation=(1, 1))
    assert [(axis.before, axis.after) for axis in spec.read(IMAGE, KERNEL).axes] == [(1, 1), (1, 1)]
    steps = spec.windows((3, 3), (3, 3))[0].steps
    assert steps[0] == "border_mode='half' crops 1 before and 1 after"
    assert "large = 3, given by output_shape" in steps[1]


def test_an_empty_input_is_rejected_where_the_output_would_be_unset() -> None:
    with pytest.raises(UnstrideError, match="unset") as caught:
        transpose((None, None, 1, 7)).read((1, 2, 0, 3), KERNEL)
    assert caught.value.code == "size"
    assert forward(border_mode=(1, 0)).output_shape((1, 2, 0, 5), (3, 2, 1, 1)) == (1, 3, 2, 5)


def test_the_kernel_is_reversed_unless_told_otherwise() -> None:
    assert forward().weight_layout(2).flipped
    assert not forward(filter_flip=False).weight_layout(2).flipped


def test_the_filter_shape_stands_for_the_kernel_shape() -> None:
    assert forward(filter_shape=(3, 2, 3, 3)).output_shape((1, 2, 5, 5)) == (1, 3, 3, 3)
    with pytest.raises(UnstrideError, match="kernel_shape"):
        forward(filter_shape=(3, None, 3, 3)).read((1, 2, 5, 5))


@pytest.mark.parametrize(
    ("words", "reason", "argument"),
    [
        ({"subsample": 2}, "stride", "subsample"),
        ({"subsample": (0, 1)}, "stride", "subsample"),
        ({"subsample": (1, 1, 1)}, "stride", "subsample"),
        ({"filter_dilation": 2}, "dilation", "filter_dilation"),
        ({"border_mode": "same"}, "padding", "border_mode"),
        ({"border_mode": -1}, "padding", "border_mode"),
        ({"border_mode": ()}, "padding", "border_mode"),
        ({"border_mode": ((1, 2, 3), 0)}, "padding", "border_mode"),
        ({"border_mode": ((1, -1), 0)}, "padding", "border_mode"),
        ({"num_groups": 0}, "groups", "num_groups"),
        ({"unshared": True}, "unsupported", "unshared"),
        ({"input_shape": (1, 2, 5, 5), "image_shape": (1, 2, 5, 5)}, "argument", "image_shape"),
    ],
)
def test_arguments_that_the_constructor_rejects(words: dict[str, Any], reason: str, argument: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        forward(**words)
    assert (caught.value.code, caught.value.argument) == (reason, argument)


@pytest.mark.parametrize("shape", [(7, 7), (1, 3, None, 7), 7, (1.5, 3, 7, 7), (1, 3, 7, 7, 7)])
def test_an_output_shape_is_whole(shape: object) -> None:
    with pytest.raises(UnstrideError) as caught:
        transpose(shape)
    assert (caught.value.code, caught.value.argument) == ("output-shape", "output_shape")


def test_pairs_are_for_two_dimensions_even_where_they_are_equal() -> None:
    with pytest.raises(UnstrideError, match="conv2d only"):
        theano.conv3d(X, W, border_mode=((1, 1), 0, 0))


@pytest.mark.parametrize(
    ("image", "kernel", "reason"),
    [
        ((1, 2, 2, 5), (3, 2, 3, 3), "size"),
        ((1, 2, 5, 5), (3, 1, 3, 3), "channels"),
        ((1, 2, 5), (3, 2, 3, 3), "rank"),
        ((1, 2, 5, 5), (3, 2, 3), "kernel"),
    ],
)
def test_shapes_that_the_function_rejects(image: tuple[int, ...], kernel: tuple[int, ...], reason: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        forward().read(image, kernel)
    assert caught.value.code == reason


def test_the_line_of_the_documentation_is_read() -> None:
    code = "y = T.nnet.conv2d_transpose(x, w, output_shape=(1, 3, 8, 8), border_mode=(1, 1), input_dilation=(2, 2))"
    spec = parse(code, "theano")
    assert spec.output_shape((1, 2, 4, 4), (2, 3, 4, 4)) == (1, 3, 8, 8)


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...], tuple[int, ...]]:
    """A random call with an input and a kernel, most of which fit."""
    form: Callable[..., Spec] = draw(st.sampled_from(theano.FORMS))
    rank = 3 if form is theano.conv3d else 2

    def each(least: int, most: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(least, most)] * rank))

    kernel, strides, dilations, size = each(1, 4), each(1, 3), each(1, 3), each(1, 6)
    pairs = st.tuples(*[st.integers(0, 3) | st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank)
    numbers = st.integers(0, 3) | (pairs if rank == 2 else st.tuples(*[st.integers(0, 3)] * rank))
    groups, small, large = draw(st.tuples(*[st.integers(1, 3)] * 3))
    words: dict[str, Any] = {
        "border_mode": draw(st.sampled_from(["valid", "half", "full"]) | numbers),
        "filter_flip": draw(st.booleans()),
        "filter_dilation": dilations,
        "num_groups": groups,
    }
    transposed = form is theano.conv2d_transpose
    words["input_dilation" if transposed else "subsample"] = strides
    if transposed:
        words["output_shape"] = (None, None, *each(1, 20))
    channels = (small if transposed else large) * groups
    spec = form(X, W, **words)
    if isinstance(spec, theano.conv2d_transpose):
        words["output_shape"] = (None, None, *map(draw, map(st.sampled_from, _legal(spec, size, kernel))))
        spec = form(X, W, **words)
    return spec, (2, channels, *size), (small * groups, large, *kernel)


def _strides_and_spans(spec: Spec, kernel: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    assert isinstance(spec, theano.conv2d | theano.conv3d | theano.conv2d_transpose)
    strides = spec.input_dilation if isinstance(spec, theano.conv2d_transpose) else spec.subsample
    taps = kernel[2:] if len(kernel) > len(strides) else kernel
    return strides, tuple(step * (each - 1) + 1 for step, each in zip(spec.filter_dilation, taps, strict=True))


def _sides(spec: Spec, spans: tuple[int, ...]) -> list[tuple[int, int]]:
    """What ``border_mode`` says before and behind each axis."""
    assert isinstance(spec, theano.conv2d | theano.conv3d | theano.conv2d_transpose)
    border = spec.border_mode
    if isinstance(border, str):
        share = {"valid": [0] * len(spans), "half": [span // 2 for span in spans], "full": [n - 1 for n in spans]}
        return [(each, each) for each in share[border]]
    entries = border if isinstance(border, tuple) else (border,) * len(spans)
    return [each if isinstance(each, tuple) else (each, each) for each in entries]


def _legal(spec: Spec, size: tuple[int, ...], kernel: tuple[int, ...]) -> list[range]:
    """The output sizes that the convolution maps back to the input, found by trying them."""
    strides, spans = _strides_and_spans(spec, kernel)
    found = []
    for small, stride, span, sides in zip(size, strides, spans, _sides(spec, spans), strict=True):
        legal = [n for n in range(1, 60) if (n + sum(sides) - span) // stride + 1 == small]
        assume(legal)
        found.append(range(legal[0], legal[-1] + 1))
    return found


@given(case=specs())
def test_every_call_is_written_back(case: tuple[Spec, tuple[int, ...], tuple[int, ...]]) -> None:
    spec, image, kernel = case
    strides, spans = _strides_and_spans(spec, kernel)
    if not spec.transposed and any(
        n + sum(sides) < span for n, sides, span in zip(image[2:], _sides(spec, spans), spans, strict=True)
    ):
        with pytest.raises(UnstrideError) as caught:
            spec.read(image, kernel)
        assert caught.value.code == "size"
        return
    layer = check_round_trip(spec, image, kernel, every=True)
    assert tuple(axis.stride for axis in layer.axes) == strides
    kinds = {way.weight_layout(layer.rank).flipped for way in ways(layer, theano.propose, 2)}
    assert kinds == {True, False}


def test_a_rank_without_a_function_is_refused() -> None:
    line = Layer((Axis(4, 9, 3, 2),), 2, 3)
    written = theano.write(line)
    assert isinstance(written, Refusal)
    assert written.composition is None
    cube = Layer((Axis(4, 9, 3, 2),) * 3, 2, 3)
    assert isinstance(theano.write(cube), Refusal)
    assert isinstance(theano.write(cube.adjoint), theano.conv3d)


def test_a_bias_is_added_in_a_step_of_its_own() -> None:
    layer = Layer((Axis(4, 8, 4, 2, before=1),) * 2, 2, 3, bias=True)
    written = theano.write(layer)
    assert isinstance(written, Refusal)
    assert written.composition is not None
    assert written.composition.add_bias
