"""MATLAB's layers: the source, what it reads as, what is rejected, and that it is written back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip, check_source
from unstride import UnstrideError, parse
from unstride.dialects import matlab
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, Layer

CLASSIC = "transposedConv2dLayer([3 3],16,'Stride',2,'Cropping','same')"
MODERN = 'transposedConv2dLayer(3, 16, Stride=2, Cropping="same")'


@pytest.mark.parametrize("code", [CLASSIC, MODERN, f"layer = {CLASSIC};", f"layers = [\n    {MODERN} % up\n];"])
def test_both_ways_of_writing_are_read(code: str) -> None:
    spec = parse(code)
    assert spec.output_shape((4, 5, 8, 1)) == (8, 10, 16, 1)
    check_source(spec)


def test_the_printed_line_is_matlab() -> None:
    cropped = matlab.transposedConv3dLayer((2, 3, 4), 5, Stride=2, Cropping=((0, 1, 0), (1, 1, 0)), Name='a "b"')
    line = 'transposedConv3dLayer([2 3 4], 5, Stride=2, Cropping=[0 1 0; 1 1 0], Name="a ""b""")'
    assert cropped.code() == line
    assert parse(line) == cropped
    assert parse(CLASSIC).code() == 'transposedConv2dLayer([3 3], 16, Stride=2, Cropping="same")'


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("convolution2dLayer([2,3], 8.0, 'stride', 1e0)", "convolution2dLayer((2, 3), 8, Stride=1)"),
        ("convolution1dLayer([3],8,Padding=[1 0])", "convolution1dLayer(3, 8, Padding=(1, 0))"),
        ("convolution2dLayer(2,8,Padding=[1 -2])", "convolution2dLayer(2, 8, Padding=(1, -2))"),
        ("convolution2dLayer(2,8, ... sizes\n Name='it''s')", 'convolution2dLayer(2, 8, Name="it\'s")'),
        ("convolution2dLayer(2,8,Weights=w',Name='a')", "convolution2dLayer(2, 8, Weights=matlab(\"w'\"), Name='a')"),
        (
            "convolution2dLayer(2,8,BiasInitializer=@(sz) rand(sz)*2)",
            "convolution2dLayer(2, 8, BiasInitializer=matlab('@(sz) rand(sz)*2'))",
        ),
        ("convolution2dLayer(2,8,PaddingValue=-.5d1)", "convolution2dLayer(2, 8, PaddingValue=-5)"),
        ("nn.Conv2d(1, 2, 3)  # no convolution2dLayer", "nn.Conv2d(1, 2, 3)  # no convolution2dLayer"),
    ],
)
def test_literals(text: str, python: str) -> None:
    assert matlab.as_python(text) == python


@pytest.mark.parametrize(
    ("text", "reason", "under"),
    [
        ("convolution2dLayer(k, 8)", "expression", "k"),
        ("convolution2dLayer(2, 8, 'Padding', 1:2)", "expression", "1"),
        ("convolution2dLayer(2, 8, Padding=[1 - 2])", "expression", "["),
        ("convolution2dLayer(2, 8, Stride={2})", "expression", "{"),
        ("convolution2dLayer(2, 8, 'Padding')", "argument", "'Padding'"),
        ("convolution2dLayer(2, 8, 3, 4)", "argument", "3"),
        ("convolution2dLayer(2, 8, 'Cropping', 1)", "argument", "'Cropping'"),
        ("convolution2dLayer(2,, 8)", "syntax", "convolution2dLayer"),
        ("convolution2dLayer(2, 8", "syntax", "convolution2dLayer"),
        ("convolution2dLayer(2, 8]", "syntax", "]"),
        ("convolution2dLayer(2, 8, 'Name', 'a)", "syntax", "'"),
        ("[convolution2dLayer(2, 8), convolution3dLayer(2, 8)]", "syntax", "convolution3dLayer"),
    ],
)
def test_what_cannot_be_read_is_underlined(text: str, reason: str, under: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        matlab.as_python(text)
    assert caught.value.code == reason
    line, _, marks = (caught.value.where or "").partition("\n")
    assert line == f"  {text}"
    assert line[marks.index("^") : len(marks)] == under


@pytest.mark.parametrize("text", ["convolution2dLayer()", "convolution2dLayer(3)"])
def test_both_sizes_are_needed(text: str) -> None:
    with pytest.raises(UnstrideError, match=r"needs .*NumFilters"):
        parse(text)


@given(st.text(alphabet="convolution2dLayer()[]{}',.;: \n\"%=-13@", max_size=30))
def test_any_text_behind_the_name_is_read_or_refused(tail: str) -> None:
    outcome = _read(f"convolution2dLayer({tail}")
    assert outcome in {"argument", "expression", "syntax"} or outcome.startswith("convolution2dLayer(")


def _read(text: str) -> str:
    try:
        return matlab.as_python(text)
    except UnstrideError as error:
        return error.code


@pytest.mark.parametrize(
    ("small", "kernel", "stride", "before", "after"),
    [(4, 3, 2, 0, 1), (4, 4, 2, 1, 1), (4, 6, 3, 1, 2), (4, 2, 3, 0, -1), (4, 1, 1, 0, 0)],
)
def test_same_crops_the_odd_element_behind(small: int, kernel: int, stride: int, before: int, after: int) -> None:
    (axis,) = matlab.transposedConv1dLayer(kernel, 2, Stride=stride, Cropping="same").read((small, 3, 1)).axes
    assert axis == Axis(small, small * stride, kernel, stride, before=before)
    assert axis.after == after


def test_a_crop_of_everything_leaves_one_element_where_the_stride_allows() -> None:
    (axis,) = matlab.transposedConv1dLayer(3, 2, Stride=3, Cropping=2).read((1, 1, 1)).axes
    assert (axis.large, axis.before, axis.after) == (1, 2, 0)
    with pytest.raises(UnstrideError, match="leaves nothing") as caught:
        matlab.transposedConv1dLayer(3, 2, Stride=2, Cropping=2).read((1, 1, 1))
    assert caught.value.code == "size"


@pytest.mark.parametrize(
    ("padding", "output", "befores"),
    [
        ("same", (4, 3), (0, 0)),
        (0, (3, 2), (0, 0)),
        ((1, 2), (4, 4), (1, 2)),
        ((0, 1, 2, 0), (4, 3), (0, 2)),
    ],
)
def test_padding(padding: Any, output: tuple[int, ...], befores: tuple[int, ...]) -> None:
    layer = matlab.convolution2dLayer((2, 3), 8, Stride=2, Padding=padding).read((7, 6, 3, 1))
    assert layer.output_size == output
    assert tuple(axis.before for axis in layer.axes) == befores


def test_causal_padding_is_all_before() -> None:
    spec = parse('convolution1dLayer(3, 8, Padding="causal", DilationFactor=2)')
    (axis,) = spec.read((9, 4, 1)).axes
    assert (axis.small, axis.before, axis.after) == (9, 4, 0)


def test_the_rows_of_a_three_dimensional_margin_are_the_sides() -> None:
    layer = matlab.convolution3dLayer(2, 1, Padding=((1, 0, 0), (0, 2, 0))).read((4, 4, 4, 1, 1))
    assert [(axis.before, axis.small) for axis in layer.axes] == [(1, 4), (0, 5), (0, 3)]


def test_layouts() -> None:
    spec = parse(MODERN)
    layer = spec.read((4, 5, 8, 2))
    assert (layer.small_channels, layer.large_channels) == (8, 16)
    assert spec.kernel_shape(layer) == (3, 3, 16, 8)
    assert spec.input_shape(layer, 2) == (4, 5, 8, 2)
    assert spec.output_shape((4, 5, 8)) == (8, 10, 16)
    forward = matlab.convolution2dLayer(3, 16)
    assert forward.kernel_shape(forward.read((4, 5, 8, 2))) == (3, 3, 8, 16)
    assert not forward.weight_layout(2).flipped


def test_a_bias_that_stays_zero_is_none() -> None:
    assert parse("convolution2dLayer(3, 8)").bias_present
    assert not parse("convolution2dLayer(3, 8, 'BiasLearnRateFactor', 0)").bias_present
    assert parse('convolution2dLayer(3, 8, BiasLearnRateFactor=0, BiasInitializer="ones")').bias_present
    assert parse("convolution2dLayer(3, 8, BiasLearnRateFactor=0, Bias=b)").bias_present


@pytest.mark.parametrize(
    ("code", "reason", "argument"),
    [
        ("convolution2dLayer(0, 8)", "kernel", "FilterSize"),
        ("convolution2dLayer([1 2 3], 8)", "kernel", "FilterSize"),
        ("convolution2dLayer(3, 0)", "channels", "NumFilters"),
        ("convolution2dLayer(3, 8, Stride=0)", "stride", "Stride"),
        ("convolution2dLayer(3, 8, DilationFactor=1.5)", "dilation", "DilationFactor"),
        ('convolution2dLayer(3, 8, Padding="valid")', "padding", "Padding"),
        ('convolution2dLayer(3, 8, Padding="causal")', "padding", "Padding"),
        ("convolution2dLayer(3, 8, Padding=[1 2 3])", "padding", "Padding"),
        ("convolution2dLayer(3, 8, Padding=-1)", "padding", "Padding"),
        ("convolution2dLayer(3, 8, PaddingValue=1)", "unsupported", "PaddingValue"),
        ('convolution2dLayer(3, 8, PaddingValue="replicate")', "unsupported", "PaddingValue"),
        ("convolution2dLayer(3, 8, NumChannels=0)", "channels", "NumChannels"),
        ('transposedConv1dLayer(3, 8, Cropping="causal")', "padding", "Cropping"),
        ("transposedConv3dLayer(3, 8, Cropping=[1 2 3 4 5 6])", "padding", "Cropping"),
    ],
)
def test_arguments_that_are_rejected(code: str, reason: str, argument: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(code)
    assert (caught.value.code, caught.value.argument) == (reason, argument)


@pytest.mark.parametrize(
    ("shape", "words", "reason"),
    [
        ((2, 9, 4, 1), {}, "size"),
        ((0, 9, 4, 1), {"Padding": 2}, "size"),
        ((9, 9, 0, 1), {}, "size"),
        ((9, 9, 4, 1), {"NumChannels": 3}, "channels"),
        ((9, 9), {}, "rank"),
        ((9, 9, 4, 1, 1), {}, "rank"),
    ],
)
def test_inputs_that_are_rejected(shape: tuple[int, ...], words: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        matlab.convolution2dLayer(3, 8, **words).read(shape)
    assert caught.value.code == reason


@st.composite
def specs(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """A random layer with an input that it accepts."""
    index = draw(st.integers(0, 5))
    rank, transposed = index % 3 + 1, index > 2

    def each(least: int, most: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(least, most)] * rank))

    def sides(count: int) -> st.SearchStrategy[tuple[int, ...]]:
        return st.tuples(*[st.integers(0, 2)] * count)

    numbers: st.SearchStrategy[Any] = st.integers(0, 2) | (sides(rank) if rank > 1 else sides(2))
    numbers |= st.tuples(sides(3), sides(3)) if rank == 3 else sides(2 * rank)
    margin = draw(st.just("same") | numbers)
    words: dict[str, Any] = {"Stride": each(1, 3), "Cropping" if transposed else "Padding": margin}
    words["BiasLearnRateFactor"] = draw(st.sampled_from([0, 1, 0.5]))
    words["Name"] = draw(st.sampled_from(["", "up", 'it\'s "1"', Source("strcat('a', \"b\")")]))
    if not transposed:
        words["DilationFactor"] = each(1, 3)
    # large enough for any kernel and crop above
    size = tuple(n + (5 if transposed else 10) for n in each(0, 4))
    spec: Spec = matlab.FORMS[index](each(1, 4), draw(st.integers(1, 4)), **words)  # type: ignore[call-arg]  # a form's own fields
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    return spec, (*size, draw(st.integers(1, 4)), *batch)


@given(case=specs())
def test_every_layer_is_written_back(case: tuple[Spec, tuple[int, ...]]) -> None:
    spec, shape = case
    layer = check_round_trip(spec, shape, every=True)
    assert layer.transposed == spec.transposed


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 4), st.integers(0, 4))
def test_the_least_outputs_are_written_back(small: int, kernel: int, stride: int, before: int, after: int) -> None:
    left = (small - 1) * stride + kernel - before - after
    spec = matlab.transposedConv1dLayer(kernel, 2, Stride=stride, Cropping=(before, after))
    if left > 1 - stride:
        layer = check_round_trip(spec, (small, 1, 1), every=True)
        assert layer.output_size == (max(1, left),)
    else:
        with pytest.raises(UnstrideError):
            spec.read((small, 1, 1))


def test_what_matlab_has_no_option_for_is_composed() -> None:
    grouped = matlab.write(Layer((Axis(4, 9, 3, 2),) * 2, 4, 6, groups=2, bias=True))
    assert isinstance(grouped, Refusal)
    assert grouped.composition is not None
    assert grouped.composition.split == 2
    dilated = matlab.write(Layer((Axis(4, 9, 2, 2, dilation=2),), 1, 1))
    assert isinstance(dilated, Refusal)
    assert dilated.composition is not None
    assert dilated.composition.kernel_dilation == (2,)
    extended = matlab.write(Layer((Axis(4, 10, 3, 2),), 1, 1))
    assert isinstance(extended, Refusal)
    assert extended.composition is not None
    assert extended.composition.pad_input == ((0, 1),)
