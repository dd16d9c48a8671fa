"""Caffe's layers as NetSpec calls and as prototxt, their sizes, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dialects.roundtrip import check_round_trip
from unstride import UnstrideError, parse
from unstride.dialects import caffe
from unstride.dialects.prototxt import read_message
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Source, Spec
from unstride.errors import Reason
from unstride.geometry import Axis, Layer

UP = caffe.Deconvolution(Source("bottom"), num_output=3, kernel_size=4, stride=2, pad=1)


@pytest.mark.parametrize(
    "code",
    [
        "L.Deconvolution(bottom, convolution_param=dict(num_output=3, kernel_size=4, stride=2, pad=1))",
        "n.up = L.Deconvolution(bottom, convolution_param={'num_output': 3, 'kernel_size': 4, 'stride': 2, 'pad': 1})",
        "caffe.layers.Deconvolution(bottom, num_output=3, kernel_size=4, stride=2, pad=1)",
    ],
)
def test_netspec(code: str) -> None:
    assert parse(code) == UP
    assert UP.output_shape((1, 2, 4, 4)) == (1, 3, 8, 8)


@pytest.mark.parametrize(
    "text",
    [
        'layer {type: "Deconvolution" bottom: "x" convolution_param {num_output: 3 kernel_size: 4 stride: 2 pad: 1}}',
        """
        # the upsampling layer
        layer {
          type: 'Deconvolution', bottom: "x"; top: "up"
          param { lr_mult: 0.5 decay_mult: -1e-3 }
          convolution_param: < num_output: 3  kernel_size: 4 stride: 2, pad: 1 >
        }
        layer { name: "relu" type: "ReLU" }
        """,
        'type: "Deconvolution" bottom: "x" convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 }',
    ],
)
def test_prototxt(text: str) -> None:
    assert parse(text) == caffe.Deconvolution("x", num_output=3, kernel_size=4, stride=2, pad=1)


def test_prototxt_with_everything() -> None:
    spec = parse(
        'layer { name: "Conv" type: "Convolution" convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 '
        "pad: 1 pad: 0 dilation: [2, 1] group: 2 "
        'bias_term: false weight_filler { type: "msra" std: 0.1 } engine: CAFFE }}'
    )
    wanted = caffe.Convolution(
        "data",
        num_output=4,
        kernel_h=3,
        kernel_w=2,
        pad=(1, 0),
        dilation=(2, 1),
        group=2,
        bias_term=False,
        weight_filler=Source("dict(type='msra', std=0.1)"),
        engine=Source("P.Convolution.CAFFE"),
        name="Conv",
    )
    assert spec == wanted
    assert spec.output_shape((1, 4, 4, 4)) == (1, 4, 2, 3)
    assert parse(spec.code()) == spec


@pytest.mark.parametrize(
    ("text", "caret"),
    [
        ("layer { type: 'Convolution' convolution_param { num_output 3 } }", 61),
        ("layer { type: 'Convolution' convolution_param { num_output: } }", 62),
        ("layer { type: 'Convolution' convolution_param { pad: [1 2] } }", 58),
        ("layer { type: 'Convolution' convolution_param { num_output: 3 }", 65),
        ("layer { type: 'Convolution' } }", 32),
        ("layer { type: 'Convolution' @ }", 30),
    ],
)
def test_prototxt_errors_point_at_the_place(text: str, caret: int) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(text)
    assert caught.value.reason is Reason.SYNTAX
    assert caught.value.where is not None
    assert caught.value.where.splitlines()[1].index("^") == caret


def test_two_layers_are_too_many() -> None:
    with pytest.raises(UnstrideError) as caught:
        parse("layer { type: 'Convolution' } layer { type: 'Deconvolution' }")
    assert caught.value.reason is Reason.SYNTAX


def test_deep_nesting_is_no_recursion() -> None:
    assert len(read_message("a {" * 3000 + "}" * 3000)) == 1


def test_a_convolution_rounds_towards_zero() -> None:
    spec = parse("L.Convolution(bottom, num_output=1, kernel_size=3, stride=2)")
    sizes = {size: spec.output_shape((1, 1, size))[2] for size in (2, 3, 4, 5, 6)}
    assert sizes == {2: 1, 3: 1, 4: 1, 5: 2, 6: 2}
    with pytest.raises(UnstrideError) as caught:
        spec.read((1, 1, 1))
    assert caught.value.reason is Reason.SIZE


@pytest.mark.parametrize(
    ("words", "reason", "argument"),
    [
        ("num_output=0, kernel_size=3", Reason.CHANNELS, "num_output"),
        ("num_output=1", Reason.KERNEL, "kernel_size"),
        ("num_output=1, kernel_size=0", Reason.KERNEL, "kernel_size"),
        ("num_output=1, kernel_size=[3, 3, 3]", Reason.KERNEL, "kernel_size"),
        ("num_output=1, kernel_size=3, kernel_h=3", Reason.KERNEL, "kernel_size"),
        ("num_output=1, kernel_h=3", Reason.KERNEL, "kernel_h, kernel_w"),
        ("num_output=1, kernel_size=3, stride=0", Reason.STRIDE, "stride"),
        ("num_output=1, kernel_size=3, stride_h=2", Reason.STRIDE, "stride_h, stride_w"),
        ("num_output=1, kernel_size=3, pad=-1", Reason.PADDING, "pad"),
        ("num_output=1, kernel_size=3, pad=3", Reason.SIZE, "output_shape"),
        ("num_output=1, kernel_size=3, dilation=0", Reason.DILATION, "dilation"),
        ("num_output=3, kernel_size=3, group=2", Reason.GROUPS, "group"),
        ("num_output=3, kernel_size=3, group=3", Reason.GROUPS, "group"),
        ("num_output=1, kernel_size=3, axis=2", Reason.UNSUPPORTED, "axis"),
        ("num_output=1, kernel_size=3, adj=1", Reason.ARGUMENT, None),
        ("kernel_size=3", Reason.ARGUMENT, None),
    ],
)
def test_refused_parameters(words: str, reason: Reason, argument: str | None) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(f"L.Deconvolution(bottom, convolution_param=dict({words}))").read((1, 2, 4, 4))
    assert (caught.value.reason, caught.value.argument) == (reason, argument)


def test_h_and_w_are_for_planes_only() -> None:
    with pytest.raises(UnstrideError) as caught:
        parse("L.Convolution(x, num_output=1, kernel_h=3, kernel_w=3)").read((1, 1, 4))
    assert caught.value.argument == "kernel_h"


def test_an_uneven_crop_is_composed() -> None:
    refusal = caffe.write(Layer((Axis(4, 8, 3, stride=2),), 1, 1))
    assert isinstance(refusal, Refusal)
    assert refusal.composition is not None
    assert refusal.composition.crop_output == ((0, 1),)


@st.composite
def layers(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """A layer and its input's shape; not every one can be read."""
    rank = draw(st.integers(1, 4))

    def sizes(least: int, most: int) -> int | list[int]:
        number = st.integers(least, most)
        return draw(number | st.lists(number, min_size=rank, max_size=rank))

    group = draw(st.integers(1, 3))
    words = {"num_output": group * draw(st.integers(1, 2)), "kernel_size": sizes(1, 4), "group": group}
    words |= {"bias_term": draw(st.booleans())}
    optional = {"stride": sizes(1, 3), "pad": sizes(0, 3), "dilation": sizes(1, 2)}
    words |= {name: optional[name] for name in sorted(draw(st.sets(st.sampled_from(sorted(optional)))))}
    text = ", ".join(f"{name}={value}" for name, value in words.items())
    name = draw(st.sampled_from(("Convolution", "Deconvolution")))
    size = draw(st.lists(st.integers(1, 6), min_size=rank, max_size=rank))
    return parse(f"L.{name}(x, convolution_param=dict({text}))"), (1, group * draw(st.integers(1, 2)), *size)


@given(layers())
def test_round_trip(drawn: tuple[Spec, tuple[int, ...]]) -> None:
    try:
        drawn[0].read(drawn[1])
    except UnstrideError:
        assume(False)  # noqa: FBT003 - Hypothesis's word for a case that is not meant
    check_round_trip(*drawn, every=True)
