"""A stream's pieces, joined, are the whole's output bit for bit, however the signal is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

import unstride
from unstride import UnstrideError, parse
from unstride.network import evaluate
from unstride.scale.source import network
from unstride.scale.stream import Stream, stream
from unstride.testing.networks import Sized, networks

Array = NDArray[Any]


def in_pieces(data: st.DataObject, length: int) -> list[slice]:
    """Cuts of a signal, some of them empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=8)))
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


def signal(found: Sized, length: int, *, real: bool) -> Array:
    x = found.input(2)
    axis = 1 if found.graph.channels_last else 2
    x = np.take(x, np.arange(length) % x.shape[axis], axis)
    noise = np.random.default_rng(0).standard_normal(x.shape) if real else 0
    moved: Array = (x + noise).astype(np.float32)
    return moved


@given(
    st.booleans().flatmap(lambda exact: networks(rank=1, exact=exact, open_sizes=True)),
    st.integers(4, 60),
    st.booleans(),
    st.data(),
)
def test_pieces_joined_are_the_whole(found: Sized, length: int, real: bool, data: st.DataObject) -> None:
    graph = found.graph
    assume(graph.inputs[0].size == (None,))
    x = signal(found, length, real=real)
    known = data.draw(st.booleans())
    try:
        whole = evaluate.run(graph, x)
        fed = Stream(graph, length if known else None)
    except UnstrideError:
        reject()
    axis = 1 if graph.channels_last else 2
    pieces = [fed(np.moveaxis(np.moveaxis(x, axis, 0)[cut], 0, axis)) for cut in in_pieces(data, length)]
    try:
        y = np.concatenate([*pieces, fed.flush()], axis)
    except UnstrideError as refusal:
        if known or "pads" not in refusal.rule:
            raise
        return
    assert isinstance(whole, np.ndarray)
    np.testing.assert_array_equal(y, whole)


CODES = [
    ("torch.nn.ConvTranspose1d(2, 3, 16, stride=8, padding=4)", 1),
    ("torch.nn.ConvTranspose1d(2, 3, 3, stride=2, padding=2)", 2),
    ("torch.nn.ConvTranspose1d(2, 3, 5, stride=1, padding=2)", 2),
    ("torch.nn.Conv1d(2, 3, 7, padding=3)", 3),
    ("torch.nn.Conv1d(2, 3, 7, padding=3, dilation=2)", 9),
    ("keras.layers.Conv1DTranspose(3, 4, strides=2, padding='same')", 1),
    ("keras.layers.Conv1D(3, 3, padding='causal')", 0),
]


@pytest.mark.parametrize(("code", "latency"), CODES)
def test_a_layer_is_streamed_as_run_computes_it_with_the_latency_it_states(code: str, latency: int) -> None:
    spec, random = parse(code), np.random.default_rng(0)
    shape = spec.data_layout(3).join(1, 2, (50,))
    layer = spec.read(shape)
    kernel = random.standard_normal(spec.weight_layout(1).shape(layer)).astype(np.float32)
    bias, x = random.standard_normal(3).astype(np.float32), random.standard_normal(shape).astype(np.float32)
    whole = unstride.run(spec, x, kernel, bias)
    fed = stream(spec, kernel, bias)
    axis = spec.data_layout(3).order.index("0")
    made, parts = 0, []
    for at in range(50):
        parts.append(fed(np.take(x, [at], axis)))
        made += parts[-1].shape[axis]
        # what belongs to the time of input at − latency is there
        assert made >= min(int((at - latency + 1) * fed.rate), whole.shape[axis])
    np.testing.assert_array_equal(np.concatenate([*parts, fed.flush()], axis), whole)
    assert fed.latency == latency
    longer = spec.read(spec.data_layout(3).join(1, 2, (100,)))
    assert fed.rate == (longer.output_size[0] - layer.output_size[0]) // 50


def test_a_stream_begins_anew_after_its_end() -> None:
    spec = parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=2, bias=False)")
    fed, kernel = stream(spec, np.ones((1, 1, 3))), np.ones((1, 1, 3))
    for length in (3, 5):
        x = np.arange(float(length)).reshape(1, 1, -1)
        np.testing.assert_array_equal(np.concatenate([fed(x), fed.flush()], 2), unstride.run(spec, x, kernel))


def test_padding_that_depends_on_the_length_asks_for_it() -> None:
    spec, kernel = parse("keras.layers.Conv1D(1, 3, strides=2, padding='same', use_bias=False)"), np.ones((3, 1, 1))
    with pytest.raises(UnstrideError, match="say the signal's length"):
        stream(spec, kernel)
    for length in (9, 10):
        x = np.arange(float(length)).reshape(1, -1, 1)
        fed = stream(spec, kernel, length=length)
        y = np.concatenate([fed(x[:, :4]), fed(x[:, 4:]), fed.flush()], 1)
        np.testing.assert_array_equal(y, unstride.run(spec, x, kernel))


def test_what_cannot_be_streamed_is_refused() -> None:
    layer = parse("torch.nn.ConvTranspose1d(2, 1, 3, stride=2, bias=False)")
    kernel = np.ones((2, 1, 3), np.float32)
    fed = stream(layer, kernel)
    with pytest.raises(UnstrideError, match="takes 2 channels"):
        fed(np.ones((1, 3, 4), np.float32))
    fed(np.ones((1, 2, 4), np.float32))
    with pytest.raises(UnstrideError, match="of the first piece"):
        fed(np.ones((1, 2, 4)))
    with pytest.raises(UnstrideError, match="feed it first"):
        stream(layer, kernel).flush()
    with pytest.raises(UnstrideError, match="beyond the signal"):
        stream(layer, kernel, length=3)(np.ones((1, 2, 4)))
    with pytest.raises(UnstrideError, match="one spatial axis"):
        stream(parse("torch.nn.Conv2d(1, 1, 3, bias=False)"), np.ones((1, 1, 3, 3)))


def test_the_channels_of_a_layer_are_found() -> None:
    for code, shape, channels in (
        ("torch.nn.Conv1d(6, 4, 3, groups=2, bias=False)", (4, 3, 3), 6),
        ("keras.layers.Conv1DTranspose(5, 3, use_bias=False)", (3, 5, 7), 7),
        ("torch.nn.ConvTranspose1d(6, 4, 3, groups=2, bias=False)", (6, 2, 3), 6),
        ("tf.nn.conv1d(x, w, 1, 'SAME')", (3, 7, 5), 7),
    ):
        assert network(parse(code), np.ones(shape)).inputs[0].channels == channels


@pytest.mark.parametrize(("code", "latency"), CODES)
def test_a_stream_of_years_goes_on(code: str, latency: int) -> None:
    del latency
    spec, random, years = parse(code), np.random.default_rng(0), 2**40
    shape = spec.data_layout(3).join(1, 2, (60,))
    kernel = random.standard_normal(spec.weight_layout(1).shape(spec.read(shape))).astype(np.float32)
    x, axis = random.standard_normal(shape).astype(np.float32), spec.data_layout(3).order.index("0")
    begun, ancient = (stream(spec, kernel, np.ones(3, np.float32)) for _ in range(2))
    first, *others = np.split(x, [30, 31, 40], axis)
    np.testing.assert_array_equal(begun(first), ancient(first))
    assert ancient._growth is not None
    for name, held in ancient._held.items():
        held.start += int(years * ancient._growth.rates[name])
    for piece in others:
        np.testing.assert_array_equal(begun(piece), ancient(piece))
    np.testing.assert_array_equal(begun.flush(), ancient.flush())
