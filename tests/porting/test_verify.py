"""What ``describe`` says of two outputs, and what ``verify`` asks, compares and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride import UnstrideError, parse, prepare, verify
from unstride.geometry import DataLayout
from unstride.network.graph import Graph, Input, Node
from unstride.network.operations import Activation, Convolution
from unstride.network.stored import Stored
from unstride.porting.comparing import Kind
from unstride.porting.diagnosis import describe
from unstride.porting.subjects import integers

Array = NDArray[Any]

BIAS = np.array([10.0, 20.0, 30.0])
PLAIN = integers((2, 3, 6, 7), 3, "float64")
WHOLE = PLAIN + BIAS[:, None, None]


def edge(value: Array | float) -> tuple[Array, Array]:
    got = WHOLE.copy()
    got[:, :, -1] = value
    return WHOLE, got


SAID: dict[str, tuple[Array, Array]] = {
    "": (WHOLE, WHOLE.copy()),
    "shifted by (1, 1): got is expected moved 1 row down and 1 column right": (WHOLE, np.roll(WHOLE, (1, 1), (2, 3))),
    "shifted by (0, -2): got is expected moved 2 columns left": (WHOLE, np.roll(WHOLE, -2, 3)),
    "output flipped (both axes)": (WHOLE, WHOLE[..., ::-1, ::-1]),
    "output flipped (width only)": (WHOLE, WHOLE[..., ::-1]),
    "output transposed (height and width swapped)": (WHOLE[..., :6], WHOLE[..., :6].swapaxes(2, 3)),
    "output channels permuted: (2→0, 0→1, 1→2)": (WHOLE, WHOLE[:, [2, 0, 1]]),
    "bias missing: got adds none": (WHOLE, PLAIN),
    "bias permuted: (1→0, 0→1)": (WHOLE, PLAIN + BIAS[[1, 0, 2], None, None]),
    "bias added twice by got": (WHOLE, WHOLE + BIAS[:, None, None]),
    "scaled by -3": (WHOLE, -3 * WHOLE),
    "last row of got is bias only": edge(BIAS[:, None]),
    "last row of got is zero, not even the bias": edge(0.0),
    "size 5 × 6 where expected has 6 × 7: got lacks the last row and last column; all else is equal": (
        WHOLE,
        WHOLE[..., :-1, :-1],
    ),
    "size 6 × 8 where expected has 6 × 7: got has a first column more, zero, not even the bias; all else is equal": (
        WHOLE,
        np.pad(WHOLE, [(0, 0), (0, 0), (0, 0), (1, 0)]),
    ),
    "size 3 × 3 where expected has 6 × 7": (WHOLE, integers((2, 3, 3, 3), 0, "float64")),
    "shape (2, 2, 6, 7) where expected has (2, 3, 6, 7)": (WHOLE, WHOLE[:, :2]),
    "shape (2, 6, 7, 3) where expected has (2, 3, 6, 7): got has the channels last; all else is equal": (
        WHOLE,
        np.moveaxis(WHOLE, 1, -1),
    ),
    "shifted by (1, 1): got is expected moved 1 row down and 1 column right; bias missing: got adds none": (
        WHOLE,
        np.roll(PLAIN, (1, 1), (2, 3)),
    ),
}


@pytest.mark.parametrize("words", SAID)
def test_two_outputs_are_told_apart_in_words(words: str) -> None:
    assert describe(*SAID[words], bias=BIAS) == words


def test_the_first_unequal_element_is_named_where_nothing_simpler_holds() -> None:
    got = WHOLE.copy()
    got[1, 2, 3, 4] += 1
    value = int(WHOLE[1, 2, 3, 4])
    where = "1 of 252 elements differ; first at image 1, channel 2, position (3, 4)"
    assert describe(WHOLE, got) == f"{where}: {value + 1} where expected has {value}"
    got[...] = WHOLE
    got[:, :, :, -1] += integers((2, 3, 6), 5, "float64")
    assert ", only in the last column; first at" in describe(WHOLE, got)
    got[0, 0, 0, 0] = np.nan
    assert "nan where expected has" in describe(WHOLE, got)


def test_a_layout_is_read() -> None:
    last = DataLayout.last(2)
    turned = [np.moveaxis(each, 1, -1) for each in (WHOLE, np.roll(WHOLE, 1, 2))]
    assert describe(*turned, layout=last) == "shifted by (1, 0): got is expected moved 1 row down"


def test_small_unsigned_integers_and_booleans_do_not_wrap() -> None:
    one = np.array([[[0, 1, 2, 7]]], np.uint8)
    assert describe(one, one[..., ::-1].copy()) == "output flipped (its one axis)"
    assert describe(one > 1, one > 9) != ""


KERAS = parse("keras.layers.Conv2DTranspose(2, 3, strides=2, padding='same')")
TORCH = parse("torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)")
RIGHT = parse("torch.nn.ConvTranspose2d(3, 2, 3, stride=2)")
GROUPED = parse("torch.nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)")


def weights_of(shape: tuple[int, ...], out: int) -> tuple[Array, Array]:
    return integers(shape, 0), integers((out,), 1)


def test_specs_get_the_same_integer_weights() -> None:
    verdict = verify(KERAS, TORCH, input_shape=(1, 4, 5, 3))
    assert not verdict
    assert [each.kind for each in verdict.differences] == [Kind.SHIFT]
    assert "shifted by (-1, -1)" in str(verdict)
    assert "a crops 0+1 × 0+1 (before+after), b 1+0 × 1+0" in str(verdict)
    back = verify(TORCH, KERAS, input_shape=(1, 3, 4, 5))
    assert str(back.differences[0]).startswith("shifted by (1, 1): b's output is a's moved 1 row down and 1 column")


def test_the_same_layer_is_the_same_and_proven() -> None:
    tensorflow = parse("tf.nn.conv2d_transpose(x, w, [1, 8, 10, 2], 2, 'SAME')")
    verdict = verify(tensorflow, KERAS, input_shape=(1, 4, 5, 3), kernel_shape=(3, 3, 2, 3))
    assert [str(each).partition(" [")[0] for each in verdict.differences] == ["bias added: b adds"]
    verdict = verify(KERAS, KERAS, input_shape=(1, 4, 5, 3), sizes=[(2, 2), (1, 7)])
    assert verdict
    assert verdict.same
    assert verdict.as_json()["proof"] == "the same affine map: the probes are a basis, and both are affine up to ±1024"
    assert verdict.as_json()["comparison"] == "integers and sixteenths, for equality"
    assert len(verdict.probes) == 3


def test_given_weights_are_used_and_builders_called() -> None:
    kernel, bias = weights_of((3, 3, 2, 3), 2)
    prepared = prepare(KERAS, kernel, bias, input_shape=(1, 4, 5, 3))
    assert verify(prepared, KERAS, weights=(kernel, bias))
    assert not verify(prepared, KERAS, weights=(kernel, bias + 1))

    def build(kernel: Array, bias: Array) -> Callable[[Array], Array]:
        return lambda x: x * kernel.sum() + bias.sum()

    built = verify(
        build, lambda k, b: build(k, b + 1), weights=(kernel, bias), layouts="NHWC", input_shape=(1, 3, 3, 1)
    )
    assert [str(each) for each in built.differences] == [
        f"bias {[int(bias.sum()) + 2]} where a has {[int(bias.sum())]}"
    ]


def convolved(kernel: Array, bias: Array | None = None, spec: Any = RIGHT) -> Callable[[Array], Array]:
    from unstride import run

    return lambda x: run(spec, x, kernel, np.zeros(len(kernel[0]) * spec.groups, "float32") if bias is None else bias)


NAMED: dict[str, tuple[Any, Callable[[Array], Array]]] = {
    "kernel flipped (both axes)": (RIGHT, lambda kernel: kernel[:, :, ::-1, ::-1]),
    "kernel flipped (width only)": (RIGHT, lambda kernel: kernel[..., ::-1]),
    "kernel transposed (height and width swapped)": (RIGHT, lambda kernel: kernel.swapaxes(2, 3)),
    "input channels permuted: (1→0, 2→1, 0→2)": (RIGHT, lambda kernel: kernel[[1, 2, 0]]),
    "kernel's groups in another order: (1→0, 0→1)": (GROUPED, lambda kernel: kernel[[2, 3, 0, 1]]),
    "scaled by 2": (RIGHT, lambda kernel: 2 * kernel),
    "the kernel holds the same numbers in another order (reshaped where it should be transposed?)": (
        RIGHT,
        lambda kernel: kernel.transpose(1, 0, 2, 3).reshape(kernel.shape),
    ),
}


@pytest.mark.parametrize("words", NAMED)
def test_a_wrong_kernel_is_named(words: str) -> None:
    spec, wrong = NAMED[words]
    kernel = integers((spec.in_channels, spec.out_channels // spec.groups, 3, 3), 0)
    shape = (1, spec.in_channels, 4, 5)
    verdict = verify(
        convolved(kernel, spec=spec), convolved(wrong(kernel), spec=spec), input_shape=shape, layouts="NCHW"
    )
    assert [str(each) for each in verdict.differences] == [words]


def test_an_output_turned_as_a_whole_is_told_from_a_far_shift() -> None:
    kernel = integers((3, 2, 3, 3), 0)
    good = convolved(kernel)
    turned = verify(good, lambda x: good(x)[..., ::-1], input_shape=(1, 3, 4, 5), layouts="NCHW")
    assert [str(each) for each in turned.differences] == ["output flipped (width only)"]
    spread = np.eye(9, dtype="float32")
    far = verify(lambda x: x * spread[0], lambda x: x * spread[8], input_shape=(1, 1, 1), layouts="NCW")
    assert [str(each) for each in far.differences] == ["shifted by (8,): b's output is a's moved 8 elements later"]


def test_a_square_kernel_with_its_channels_exchanged_and_flipped_is_named_by_both() -> None:
    spec = parse("torch.nn.ConvTranspose2d(3, 3, 3, stride=2)")
    kernel = integers((3, 3, 3, 3), 0)
    wrong = kernel.swapaxes(0, 1)[:, :, ::-1, ::-1]
    verdict = verify(
        convolved(kernel, spec=spec), convolved(wrong, spec=spec), input_shape=(1, 3, 4, 4), layouts="NCHW"
    )
    assert [each.kind for each in verdict.differences] == [Kind.FLIP, Kind.SWAPPED_CHANNELS]


def test_another_stride_or_dilation_of_the_same_output_size_is_named() -> None:
    one = parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=3, padding=1, bias=False)")
    kernel = integers((1, 1, 3), 0)
    other = parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=2, padding=0, output_padding=0, bias=False)")
    found = verify(one, other, input_shape=(1, 1, 3), weights=(kernel, None))
    assert [each.kind for each in found.differences] == [Kind.STRIDE]
    dilated = parse("torch.nn.Conv1d(1, 1, 3, dilation=2, padding=2, bias=False)")
    plain = parse("torch.nn.Conv1d(1, 1, 3, padding=1, bias=False)")
    found = verify(plain, dilated, input_shape=(1, 1, 9), weights=(kernel, None))
    assert [str(each) for each in found.differences] == ["dilation (2,) where a has (1,)"]


def test_floats_are_compared_within_a_stated_bound() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 2, 3, 3)).astype("float32")
    once, rounded = convolved(kernel), convolved(kernel * np.float32(1 + 2**-23))
    verdict = verify(once, rounded, input_shape=(1, 3, 4, 5), layouts="NCHW")
    assert verdict
    assert verdict.comparison == "within 128 units in the last place (float32) of the largest output"
    assert not verify(once, rounded, input_shape=(1, 3, 4, 5), layouts="NCHW", ulps=0)
    flipped = verify(once, convolved(kernel[..., ::-1]), input_shape=(1, 3, 4, 5), layouts="NCHW")
    assert [str(each) for each in flipped.differences] == ["kernel flipped (width only)"]


def test_what_is_not_affine_is_said_to_be_no_proof() -> None:
    verdict = verify(np.abs, lambda x: np.maximum(x, -x), input_shape=(1, 3, 3, 2), layouts="NHWC")
    assert verdict
    assert "no proof" in verdict.proof
    assert not verify(np.abs, lambda x: x * x, input_shape=(1, 3, 3, 2), layouts="NHWC")


def test_large_inputs_are_probed_by_grids_and_very_large_ones_densely() -> None:
    spec = parse("torch.nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)")
    kernel = integers((4, 4, 3, 3), 0)
    good, bad = convolved(kernel, spec=spec), convolved(kernel[:, :, ::-1], spec=spec)
    grids = verify(good, good, input_shape=(1, 4, 40, 40), layouts="NCHW")
    assert grids
    assert "a number every 2 × 2 positions" in grids.probes[0]
    found = verify(good, bad, input_shape=(1, 4, 40, 40), layouts="NCHW")
    assert [str(each) for each in found.differences] == ["kernel flipped (height only) (on an input of size (4, 4))"]
    many = verify(lambda x: x[:, :9], lambda x: x[:, :9], input_shape=(1, 99, 48, 48), layouts="NCHW")
    assert many
    assert "unit" not in many.probes[0]
    assert many.proof == "the same affine map, with a chance of error of at most 9^-8; both are affine up to ±1024"


def test_one_wrong_element_in_a_corner_is_found_on_a_large_input() -> None:
    kernel = integers((3, 2, 3, 3), 0)
    good = convolved(kernel)

    def bad(x: Array) -> Array:
        y = good(x)
        y[:, 1, -1, -1] += x[:, 2, -1, -1]
        return y

    for size in ((4, 5), (61, 40)):
        assert not verify(good, bad, input_shape=(1, 3, *size), layouts="NCHW")


def test_inputs_without_a_batch_axis_and_with_a_fixed_one_are_taken() -> None:
    good = parse("eqx.nn.ConvTranspose2d(3, 2, 3, stride=2, key=key)")
    assert verify(good, RIGHT, input_shape=(3, 4, 5))
    assert verify(RIGHT, good, input_shape=(2, 3, 4, 5))
    fixed = parse("tf.nn.conv2d_transpose(x, w, [2, 8, 10, 2], 2, 'SAME')")
    plain = parse("keras.layers.Conv2DTranspose(2, 3, strides=2, padding='same', use_bias=False)")
    assert verify(fixed, plain, input_shape=(2, 4, 5, 3), kernel_shape=(3, 3, 2, 3))


def test_a_network_is_compared_with_the_function_it_stands_for() -> None:
    kernel, bias = weights_of((3, 3, 2, 3), 2)
    up = Convolution(KERAS, Stored.of(kernel), Stored.of(bias))
    given = Input("x", 3, (4, 5))
    linear = Graph("up", (given,), (Node("up", up, ("x",)),), ("up",), channels_last=True)
    assert verify(linear, KERAS, weights=(kernel, bias))
    steps = Node("up", up, ("x",)), Node("relu", Activation("relu"), ("up",))
    bent = Graph("bent", (given,), steps, ("relu",), channels_last=True)
    assert "no proof" in verify(bent, bent).proof
    assert not verify(bent, linear)


def test_sizes_that_one_rejects_are_told() -> None:
    def picky(x: Array) -> Array:
        if x.shape[1] == 5:
            raise ValueError("no fives")
        return x

    verdict = verify(lambda x: x, picky, input_shape=(1, 4, 4, 1), sizes=[(5, 4)], layouts="NHWC")
    assert [str(each) for each in verdict.differences] == ["b rejects the size (5, 4), which a takes: no fives"]
    assert verify(picky, picky, input_shape=(1, 4, 4, 1), sizes=[(5, 4)], layouts="NHWC")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"a": abs, "b": abs, "input_shape": (1, 2, 2, 1)}, "nothing tells the order of a's axes"),
        ({"a": abs, "b": abs, "layouts": "NHWC"}, "is needed: a does not state it"),
        ({"a": abs, "b": abs, "layouts": "NHWC", "input_shape": (0, 2, 2, 1)}, "has no elements to probe"),
        ({"a": abs, "b": 3, "layouts": "NHWC", "input_shape": (1, 2, 2, 1)}, "cannot be called"),
        ({"a": abs, "b": RIGHT, "layouts": "NHWC", "input_shape": (1, 2, 2, 1)}, "weights=None: are needed"),
        ({"a": RIGHT, "b": RIGHT, "input_shape": (1, 2, 2, 1)}, "2 channels"),
        ({"a": abs, "b": np.sum, "layouts": "NHWC", "input_shape": (1, 2, 2, 1)}, "answers with 0 dimensions"),
    ],
)
def test_what_cannot_be_compared_is_rejected_in_words(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UnstrideError, match=words.replace("(", r"\(")):
        verify(**given)
