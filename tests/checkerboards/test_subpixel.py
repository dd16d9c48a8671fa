from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride import Reason, UnstrideError, from_subpixel, parse, run, to_subpixel
from unstride.checkerboards.subpixel import (
    SubPixelForm,
    join_phases,
    join_weights,
    split_bias,
    split_phases,
    split_weights,
)
from unstride.dialects import registry
from unstride.dialects.refusal import Refusal
from unstride.dialects.spec import Spec
from unstride.engine import execute
from unstride.geometry import Axis, DataLayout, Layer, canonical
from unstride.testing.strategies import layers

from .layers import Array, input_of, integers, weights_of

SEEDS = st.integers(0, 2**31)


def computed(form: SubPixelForm, x: Array, weights: Array, bias: Array | None = None, *, phases_first: bool) -> Array:
    """Convolution, shuffle, crop."""
    y = execute.run(form.convolution, x, weights, bias)
    y = form.shuffle(DataLayout.first(form.convolution.rank), len(y), phases_first=phases_first).apply(y)
    ends = zip(form.crop, y.shape[2:], strict=True)
    kept: Array = y[:, :, *(slice(before, size - after) for (before, after), size in ends)]
    return kept


def shuffled_by_hand(y: Array, stride: tuple[int, ...], *, phases_first: bool) -> Array:
    """Element by element: where every channel of every block goes."""
    channels, phases = y.shape[1] // prod(stride), prod(stride)
    sizes = tuple(n * s for n, s in zip(y.shape[2:], stride, strict=True))
    out = np.zeros((len(y), channels, *sizes), y.dtype)
    for channel, *large in np.ndindex(channels, *sizes):
        block, rest = zip(*(divmod(at, s) for at, s in zip(large, stride, strict=True)), strict=True)
        phase = int(np.ravel_multi_index(rest, stride))
        source = phase * channels + channel if phases_first else channel * phases + phase
        into: Any = (slice(None), channel, *large)
        taken: Any = (slice(None), source, *block)
        out[into] = y[taken]
    return out


@given(layers(transposed=True), SEEDS, st.booleans())
def test_the_form_is_exactly_the_layer(layer: Layer, seed: int, phases_first: bool) -> None:
    first = phases_first and layer.groups == 1
    x, weights, form = input_of(layer, seed), weights_of(layer, seed), split_phases(layer)
    split = split_weights(layer, weights, phases_first=first)
    assert split.shape == canonical(layer.rank).shape(form.convolution)
    assert (computed(form, x, split, phases_first=first) == execute.run(layer, x, weights)).all()
    assert all(0 <= side < s for pair, s in zip(form.crop, form.stride, strict=True) for side in pair)
    assert np.sort(split[split != 0]).tolist() == np.sort(weights[weights != 0]).tolist()


@given(layers(transposed=True), SEEDS)
def test_the_way_back_is_exactly_the_layer(layer: Layer, seed: int) -> None:
    form = split_phases(layer)
    joined = join_phases(form)
    x, weights = input_of(layer, seed), weights_of(layer, seed)
    back = join_weights(form, split_weights(layer, weights))
    assert (execute.run(joined, x, back) == execute.run(layer, x, weights)).all()
    assert joined.output_size == layer.output_size
    assert all(axis.kernel % axis.stride == 0 and axis.dilation == 1 for axis in joined.axes)


@st.composite
def forms(draw: st.DrawFn) -> SubPixelForm:
    """Any convolution of stride 1, with any crop that the shuffled size has room for."""
    axes, stride, crop = [], [], []
    for _ in range(draw(st.integers(1, 2))):
        small, kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        axes.append(Axis(small, draw(st.integers(1, 5)), kernel, 1, dilation, draw(st.integers(-2, 4))))
        stride.append(draw(st.integers(1, 3)))
        before = draw(st.integers(0, small * stride[-1]))
        crop.append((before, draw(st.integers(0, small * stride[-1] - before))))
    groups = draw(st.integers(1, 2))
    made = groups * prod(stride) * draw(st.integers(1, 2))
    convolution = Layer(tuple(axes), made, groups * draw(st.integers(1, 2)), groups, transposed=False)
    return SubPixelForm(convolution, tuple(stride), tuple(crop))


@given(forms(), SEEDS, st.booleans())
def test_any_shuffled_convolution_is_a_transposed_one(form: SubPixelForm, seed: int, phases_first: bool) -> None:
    first = phases_first and form.convolution.groups == 1
    layer, x = join_phases(form), input_of(form.convolution, seed)
    weights = weights_of(form.convolution, seed)
    joined = join_weights(form, weights, phases_first=first)
    assert (execute.run(layer, x, joined) == computed(form, x, weights, phases_first=first)).all()


@given(forms(), SEEDS, st.booleans())
def test_the_shuffle_moves_every_element_as_the_frameworks_do(form: SubPixelForm, seed: int, first: bool) -> None:
    y = integers(seed, (2, form.convolution.out_channels, *form.convolution.output_size))
    wanted = shuffled_by_hand(y, form.stride, phases_first=first)
    for layout in (DataLayout.first(y.ndim - 2), DataLayout.last(y.ndim - 2)):
        mine = layout.from_canonical(y.shape).apply(y)
        moved = form.shuffle(layout, 2, phases_first=first).apply(mine)
        assert (layout.to_canonical(moved.shape).apply(moved) == wanted).all()


def test_a_dilation_that_all_offsets_share_is_kept() -> None:
    dilated = split_phases(Layer((Axis(4, 10, kernel=3, stride=1, dilation=3),), 1, 1)).convolution.axes[0]
    assert (dilated.kernel, dilated.dilation) == (3, 3)
    shared = split_phases(Layer((Axis(4, 10, kernel=3, stride=2, dilation=4),), 1, 1)).convolution.axes[0]
    assert (shared.kernel, shared.dilation) == (3, 2)
    coprime = split_phases(Layer((Axis(4, 10, kernel=3, stride=2, dilation=3),), 1, 1)).convolution.axes[0]
    assert (coprime.kernel, coprime.dilation) == (4, 1)


LAYERS = (
    ("torch.nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1)", (2, 4, 3, 5), None),
    ("torch.nn.ConvTranspose2d(4, 6, 3, stride=(2, 3), padding=1, output_padding=1, groups=2)", (2, 4, 3, 5), None),
    ("torch.nn.ConvTranspose1d(4, 6, 3, stride=3, dilation=2, padding=4)", (1, 4, 7), None),
    ("torch.nn.functional.conv_transpose3d(x, w, b, stride=2)", (1, 2, 2, 3, 2), (2, 3, 3, 2, 3)),
    ("keras.layers.Conv2DTranspose(3, 3, strides=2, padding='same')", (2, 3, 5, 4), None),
    ("keras.layers.Conv1DTranspose(3, 7, strides=3, padding='same', activation='relu')", (2, 5, 4), None),
    ("keras.layers.Conv3DTranspose(2, 2, strides=(2, 1, 3))", (1, 2, 3, 2, 2), None),
    ("tf.nn.conv2d_transpose(x, w, (1, 24, 21, 2), 10)", (1, 3, 3, 3), (5, 5, 2, 3)),
    ("equinox.nn.ConvTranspose2d(4, 3, 3, stride=2, key=key)", (4, 3, 5), None),
    ("nnx.ConvTranspose(4, 3, (3, 3), strides=(2, 2), rngs=rngs)", (1, 3, 5, 4), None),
)


def arrays_of(spec: Spec, input_shape: tuple[int, ...], kernel: tuple[int, ...] | None) -> tuple[Array, Any, Any]:
    layer = spec.read(input_shape, kernel)
    bias = integers(3, (layer.out_channels,)) if layer.bias else None
    return integers(1, input_shape), integers(2, spec.kernel_shape(layer)), bias


@pytest.mark.parametrize(("code", "input_shape", "kernel_shape"), LAYERS)
def test_converted_in_the_dialects_own_layouts(
    code: str, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None
) -> None:
    spec = parse(code)
    x, kernel, bias = arrays_of(spec, input_shape, kernel_shape)
    found = to_subpixel(spec, kernel, bias, input_shape=input_shape)
    assert (found(x) == run(spec, x, kernel, bias)).all()
    assert found.target is not None
    assert found.kernel.shape == found.target.kernel_shape(found.layer)
    assert found.lines


@pytest.mark.parametrize("dialect", [name for name in registry.NAMES if name not in ("matlab", "tflite")])
def test_converted_to_every_dialect(dialect: str) -> None:
    spec = parse("torch.nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)")
    x, kernel, bias = arrays_of(spec, (1, 4, 3, 5), None)
    found = to_subpixel(spec, kernel, bias, input_shape=(1, 4, 3, 5), to=dialect)
    first, target = DataLayout.first(2), found.target
    assert target is not None
    moved = first.to(target.data_layout(4 if target.batched else 3), x.shape).apply(x)
    y = found(moved)
    back = target.output_layout(y.ndim).to_canonical(y.shape).apply(y)
    assert (back == run(spec, x, kernel, bias)).all()


def test_there_and_back_in_a_dialect() -> None:
    spec = parse("keras.layers.Conv2DTranspose(3, 4, strides=2, padding='same')")
    x, kernel, bias = arrays_of(spec, (1, 3, 5, 4), None)
    there = to_subpixel(spec, kernel, bias, input_shape=(1, 3, 5, 4))
    assert isinstance(there.written, Refusal)  # padded first
    conv = parse("keras.layers.Conv2D(12, 2)")
    back = from_subpixel(conv, there.kernel, there.bias, stride=2, crop=1, input_shape=(1, 5, 7, 4))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    inner = back(padded)
    assert (inner == run(spec, x, kernel, bias)).all()


def test_the_activation_is_applied_and_told() -> None:
    spec = parse("keras.layers.Conv1DTranspose(3, 4, strides=2, activation='relu')")
    x, kernel, bias = arrays_of(spec, (1, 5, 2), None)
    found = to_subpixel(spec, kernel, bias, input_shape=(1, 5, 2))
    assert found(x).min() == 0
    assert "then apply relu" in found.text()
    assert found.as_json()["activation"] == "relu"


def test_the_bias_goes_to_every_phase() -> None:
    layer = Layer((Axis(2, 4, kernel=2, stride=2),), 1, 2, bias=True)
    assert split_bias(layer, np.array([5, 7])).tolist() == [5, 5, 7, 7]
    assert split_bias(layer, np.array([5, 7]), phases_first=True).tolist() == [5, 7, 5, 7]


CONV = "torch.nn.Conv2d(2, 8, 3, bias=True)"


@pytest.mark.parametrize(
    ("code", "arguments", "reason"),
    [
        ("torch.nn.Conv2d(2, 8, 3, stride=2)", {"stride": 2}, Reason.STRIDE),
        ("torch.nn.ConvTranspose2d(2, 8, 3)", {"stride": 2}, Reason.STRIDE),
        (CONV, {"stride": 3}, Reason.CHANNELS),
        (CONV, {"stride": 0}, Reason.STRIDE),
        (CONV, {"stride": 2, "crop": -1}, Reason.PADDING),
        (CONV, {"stride": 2, "crop": 20}, Reason.PADDING),
        (CONV, {"stride": 2, "bias": np.arange(8)}, Reason.UNSUPPORTED),
        (CONV, {"stride": 2, "bias": np.arange(3)}, Reason.CHANNELS),
    ],
)
def test_what_is_no_sub_pixel_form_is_rejected(code: str, arguments: dict[str, Any], reason: Reason) -> None:
    spec = parse(code)
    shape = spec.kernel_shape(spec.read((1, 2, 8, 8)))
    with pytest.raises(UnstrideError) as raised:
        from_subpixel(spec, np.ones(shape), input_shape=(1, 2, 8, 8), **arguments)
    assert raised.value.reason is reason


def test_an_input_of_another_size_is_rejected() -> None:
    spec = parse("torch.nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)")
    found = to_subpixel(spec, np.ones((1, 1, 2, 2)), input_shape=(1, 1, 4, 4))
    assert found(np.ones((3, 1, 4, 4))).shape == (3, 1, 8, 8)
    for shape in ((1, 1, 5, 5), (1, 2, 4, 4)):
        with pytest.raises(UnstrideError, match="was converted for 1 channels of the sizes") as raised:
            found(np.ones(shape))
        assert raised.value.reason is Reason.SIZE


def test_a_convolution_has_no_sub_pixel_form() -> None:
    with pytest.raises(UnstrideError, match="adjoint") as raised:
        to_subpixel(parse("torch.nn.Conv2d(1, 1, 2)"), np.ones((1, 1, 2, 2)), input_shape=(1, 1, 4, 4))
    assert raised.value.reason is Reason.UNSUPPORTED


def test_a_bias_that_the_layer_lacks_is_rejected() -> None:
    spec = parse("torch.nn.ConvTranspose2d(1, 1, 2, bias=False)")
    with pytest.raises(UnstrideError, match="without a bias"):
        to_subpixel(spec, np.ones((1, 1, 2, 2)), [1], input_shape=(1, 1, 4, 4))


def test_groups_keep_the_phases_of_a_channel_together() -> None:
    layer = Layer((Axis(4, 8, kernel=2, stride=2),), 2, 2, groups=2)
    with pytest.raises(UnstrideError) as raised:
        split_weights(layer, np.ones((2, 1, 2)), phases_first=True)
    assert raised.value.reason is Reason.GROUPS


def test_a_dialect_without_known_words_still_gets_its_arrays() -> None:
    spec = parse("torch.nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)")
    found = to_subpixel(spec, np.ones((1, 1, 2, 2)), input_shape=(1, 1, 4, 4), to="onednn")
    assert found.kernel.shape == (4, 1, 1, 1)
    with pytest.raises(UnstrideError) as raised:
        _ = found.lines
    assert raised.value.reason is Reason.UNSUPPORTED


def test_a_dialect_that_cannot_say_it_is_named() -> None:
    spec = parse("torch.nn.ConvTranspose1d(1, 1, 2, stride=2, bias=False)")
    with pytest.raises(UnstrideError, match="theano") as raised:
        to_subpixel(spec, np.ones((1, 1, 2)), input_shape=(1, 1, 4), to="theano")
    assert raised.value.reason is Reason.UNSUPPORTED
