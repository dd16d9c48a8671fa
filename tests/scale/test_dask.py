"""Dask arrays and labelled ones: the bits of the whole, whatever the chunks, wherever it is computed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import unstride
from unstride import UnstrideError, parse
from unstride.network import Dense, GlobalPool, Graph, Input, Merge, Node, Stored, evaluate
from unstride.network.sizes import freed
from unstride.scale.dask import apply, conv_transpose
from unstride.scale.source import network
from unstride.scale.tiles import Tiling
from unstride.testing.networks import Sized, networks

Array = NDArray[Any]
FEW = settings().max_examples // 6
"""each example is a Dask computation of many tasks"""
LAYERS = [
    "torch.nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1, output_padding=1)",
    "torch.nn.ConvTranspose2d(4, 16, (4, 2), stride=(3, 5), dilation=2, bias=False)",
    "torch.nn.ConvTranspose2d(6, 6, 3, stride=2, groups=6)",
    "keras.layers.Conv2DTranspose(3, 4, strides=2, padding='same', activation='tanh')",
    "torch.nn.Conv2d(5, 40, 3, padding=1)",
]


def drawn(code: str, size: tuple[int, ...] = (23, 31), dtype: str = "float32") -> tuple[Any, Array, Array, Any, Array]:
    """A spec, an input, its weights, and what ``run`` makes of them."""
    spec, random = parse(code), np.random.default_rng(0)
    shape = spec.data_layout(4).join(2, getattr(spec, "in_channels", 4), size)
    layer = spec.read(shape)
    kernel = (9 * random.standard_normal(spec.weight_layout(2).shape(layer))).astype(dtype)
    bias = (9 * random.standard_normal(layer.out_channels)).astype(dtype) if layer.bias else None
    x = (9 * random.standard_normal(shape)).astype(dtype)
    return spec, x, kernel, bias, unstride.run(spec, x, kernel, bias)


def tileable(found: Sized) -> Graph:
    """The network for any size; those that need all of their input are not asked about."""
    graph = freed(found.graph)
    try:
        tiling = Tiling(graph, {graph.inputs[0].name: found.size}, 2, (1,) * (len(found.size) + 1))
        tiling.regions(tuple(range(1) for _ in found.size))
    except UnstrideError:
        reject()
    return graph


def irregular(draw: Callable[[int], int], length: int) -> tuple[int, ...]:
    """Chunks of any sizes."""
    cuts = sorted({0, length, *(draw(length) for _ in range(3))})
    return tuple(np.diff(cuts).tolist())


@pytest.mark.parametrize("code", LAYERS)
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_a_layer_has_the_bits_of_run(code: str, scheduler: str) -> None:
    spec, x, kernel, bias, whole = drawn(code)
    random = np.random.default_rng(1)
    for _ in range(2):
        chunks = tuple(irregular(lambda most: int(random.integers(0, most + 1)), length) for length in x.shape)
        y = conv_transpose(da.from_array(x, chunks=chunks), spec, kernel, bias)
        assert (y.shape, y.dtype) == (whole.shape, whole.dtype)
        np.testing.assert_array_equal(y.compute(scheduler=scheduler), whole)


@pytest.mark.parametrize("dtype", ["int32", "int8", "float64"])
def test_integers_are_exact_and_types_those_of_run(dtype: str) -> None:
    spec, x, kernel, bias, whole = drawn(LAYERS[0], dtype=dtype)
    y = conv_transpose(da.from_array(x, chunks=(1, 2, 7, 10)), spec, kernel, bias, chunks=(2, 3, 11, (1, 60, 1)))
    assert y.dtype == whole.dtype
    assert y.chunks == ((2,), (3,), (11, 11, 11, 11, 2), (1, 60, 1))
    np.testing.assert_array_equal(y.compute(scheduler="threads"), whole)


@settings(max_examples=FEW)
@given(networks(exact=False), st.booleans(), st.data())
def test_a_network_is_the_whole_bit_for_bit(found: Sized, by_function: bool, data: st.DataObject) -> None:
    """By the engine; and, where numbers do not round, by a function."""
    graph, x = tileable(found), found.input(2)
    chunks = tuple(irregular(lambda most: data.draw(st.integers(0, most)), length) for length in x.shape)
    whole = evaluate.run(graph, x)
    assert isinstance(whole, np.ndarray)
    made = tuple(irregular(lambda most: data.draw(st.integers(0, most)), length) for length in whole.shape)
    function = (lambda each: evaluate.run(graph, each)) if by_function else None
    y = apply(graph, da.from_array(x, chunks=chunks), function=function, chunks=made)
    assert y.chunks == made
    y = y.compute(scheduler="synchronous")
    assert y.dtype == whole.dtype
    if by_function:
        np.testing.assert_allclose(y, whole, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_array_equal(y, whole)


@settings(max_examples=FEW)
@given(networks(exact=True), st.data())
def test_a_function_computes_integers_exactly(found: Sized, data: st.DataObject) -> None:
    graph, x = tileable(found), found.input(1)
    whole = evaluate.run(graph, x)
    chunks = tuple(data.draw(st.integers(1, length)) for length in x.shape)
    y = apply(graph, da.from_array(x, chunks=chunks), function=lambda each: evaluate.run(graph, each))
    np.testing.assert_array_equal(y.compute(scheduler="synchronous"), whole)


def test_what_needs_its_whole_input_is_told() -> None:
    nodes = Node("mean", GlobalPool("average"), ("x",)), Node("y", Dense(Stored.of(np.ones((2, 3)))), ("mean",))
    graph = Graph("g", (Input("x", 2, (None, None)),), nodes, ("y",))
    with pytest.raises(UnstrideError, match="needs the whole of its input"):
        apply(graph, da.ones((1, 2, 8, 8)))


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    spec, x, kernel, bias, whole = drawn(LAYERS[0])
    asked: list[int] = []

    def block(block_id: Any) -> Array:
        asked.append(1)
        return x[:, :, :, 8 * block_id[3] : 8 * block_id[3] + 8]

    lazy = da.map_blocks(block, chunks=((2,), (5,), (23,), (8, 8, 8, 7)), meta=x[:0, :0, :0, :0])
    y = conv_transpose(lazy, spec, kernel, bias)
    assert not asked
    part = y[:, :, :, :5].compute(scheduler="synchronous")
    np.testing.assert_array_equal(part, whole[:, :, :, :5])
    assert len(asked) == 2  # the first output chunk needs one column of the second


def test_names_are_those_of_what_is_computed() -> None:
    spec, x, kernel, bias, _ = drawn(LAYERS[0])
    lazy = da.from_array(x, chunks=8)
    first = conv_transpose(lazy, spec, kernel, bias)
    assert conv_transpose(lazy, spec, kernel.copy(), bias).name == first.name
    assert conv_transpose(lazy, spec, kernel + 1, bias).name != first.name
    assert conv_transpose(lazy, spec, kernel, bias, chunks=9).name != first.name
    assert conv_transpose(da.from_array(x[:1], chunks=8), spec, kernel, bias).name != first.name


def test_processes() -> None:
    """Weights, networks and functions reach other processes; there are two processes for several chunks."""
    spec, x, kernel, bias, whole = drawn(LAYERS[3])
    lazy = da.from_array(x, chunks=(1, 12, 12, 2))
    y = conv_transpose(lazy, spec, kernel, bias)
    with dask.config.set({"multiprocessing.context": "forkserver"}):
        made, asked = dask.compute(
            y, da.map_blocks(lambda each: np.full(each.shape, os.getpid()), y), scheduler="processes", num_workers=2
        )
    np.testing.assert_array_equal(made, whole)
    assert os.getpid() not in asked


@pytest.mark.filterwarnings("default")  # what a killed worker leaves open is told when it is collected
def test_a_worker_that_dies_changes_nothing() -> None:
    """Three workers of a real cluster, one of which is killed while it computes."""

    def slowed(each: Array) -> Array:
        time.sleep(0.03)
        return each

    spec, x, kernel, bias, whole = drawn(LAYERS[0], size=(48, 32))
    lazy = da.from_array(x, chunks=(1, 5, 6, 8))
    options = {"distributed.scheduler.allowed-failures": 10, "distributed.logging.distributed": "critical"}
    with (
        dask.config.set(options),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        y = conv_transpose(lazy, spec, kernel, bias)
        slow = da.map_blocks(slowed, y, dtype=y.dtype, meta=y._meta)
        future = client.compute(slow)
        while (done := made(cluster.scheduler)) < y.npartitions // 4:
            time.sleep(0.01)
        os.kill(next(each.pid for each in cluster.workers.values()), signal.SIGKILL)
        assert done < y.npartitions
        assert not future.done()
        np.testing.assert_array_equal(future.result(timeout=60), whole)


def made(scheduler: Any) -> int:
    """Chunks that a scheduler knows to be computed."""
    tasks = list(scheduler.tasks.values())
    return sum(each.state == "memory" and "slowed" in str(each.key) for each in tasks)


def test_several_inputs() -> None:
    inputs = Input("a", 1, (None,)), Input("unused", 1, (None,)), Input("b", 2, (None,))
    graph = Graph("g", inputs, (Node("y", Merge("concat"), ("a", "b")),), ("y",))
    arrays = [np.random.default_rng(0).standard_normal((3, channels, 20)) for channels in (1, 1, 2)]
    lazy = [da.from_array(array, chunks=7 + at) for at, array in enumerate(arrays)]
    for function in (None, lambda *given: evaluate.run(graph, *given)):
        made = apply(graph, lazy, function=function).compute(scheduler="synchronous")
        np.testing.assert_array_equal(made, np.concatenate([arrays[0], arrays[2]], 1))


def test_what_does_not_fit_is_told() -> None:
    spec, x, kernel, bias, _ = drawn(LAYERS[0])
    lazy = da.from_array(x, chunks=8)
    with pytest.raises(UnstrideError, match="must have 4 dimensions"):
        conv_transpose(lazy[0], spec, kernel, bias)
    with pytest.raises(UnstrideError, match="has 5 channels"):
        conv_transpose(lazy[:, :3], spec, kernel, bias)
    with pytest.raises(UnstrideError, match="compute_chunk_sizes"):
        conv_transpose(lazy[lazy[:, 0, 0, 0] > 0], spec, kernel, bias)
    with pytest.raises(UnstrideError, match="takes 1 arrays"):
        conv_transpose([lazy, lazy], spec, kernel, bias)
    graph = network(spec, kernel, bias)
    with pytest.raises(UnstrideError, match="must return what the network does"):
        apply(graph, lazy, function=lambda each: each).compute(scheduler="synchronous")


def test_arrays_in_memory_and_empty_batches() -> None:
    spec, x, kernel, bias, whole = drawn(LAYERS[0])
    np.testing.assert_array_equal(conv_transpose(x, spec, kernel, bias), whole)
    empty = conv_transpose(da.from_array(x[:0]), spec, kernel, bias)
    assert empty.compute(scheduler="synchronous").shape == (0, *whole.shape[1:])
