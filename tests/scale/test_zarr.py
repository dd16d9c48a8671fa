"""From a stored array to a stored array: the bits of the whole, whatever the chunks, the tiles and the axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr.storage import MemoryStore

import unstride
from unstride import Reason, UnstrideError, parse
from unstride.network import evaluate
from unstride.scale.zarr import plan, run
from unstride.testing.networks import Sized, networks

Array = NDArray[Any]
UP = parse("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False)")
KERNEL = np.array([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]], np.float32)
VOLUME = parse("torch.nn.ConvTranspose3d(1, 1, 2, stride=2, bias=False)")


def stored(x: Array, chunks: tuple[int, ...], **more: Any) -> Any:
    array = zarr.create_array(MemoryStore(), shape=x.shape, chunks=chunks, dtype=x.dtype, **more)
    array[:] = x
    return array


def whole(x: Array, kernel: Array = KERNEL) -> Array:
    made: Array = unstride.run(UP, x, kernel)
    return made


@settings(deadline=None, max_examples=40)
@given(st.booleans().flatmap(lambda exact: networks(exact=exact)), st.data())
def test_a_network_from_store_to_store_is_the_whole_bit_for_bit(found: Sized, data: st.DataObject) -> None:
    x = found.input(2)
    if data.draw(st.booleans()):
        x = (x + np.random.default_rng(0).standard_normal(x.shape)).astype(np.float32)
    asked = stored(x, tuple(data.draw(st.integers(1, length)) for length in x.shape))
    try:
        shape = plan(found.graph, asked).shape
    except UnstrideError:
        reject()
    chunks = tuple(data.draw(st.integers(max(1, length // 3), length)) for length in shape)
    shards = tuple(2 * size for size in chunks) if data.draw(st.booleans()) else None
    made = run(found.graph, asked, MemoryStore(), chunks=chunks, shards=shards, workers=data.draw(st.integers(1, 2)))
    expected = evaluate.run(found.graph, x)
    assert isinstance(expected, np.ndarray)
    assert made.dtype == str(expected.dtype)
    assert made.computed == made.tiles
    np.testing.assert_array_equal(made.array[:], expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i4", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("whole_numbers", [True, False])
def test_types_are_those_of_the_whole(dtype: str, whole_numbers: bool) -> None:
    x = np.random.default_rng(0).integers(0, 2, (1, 1, 9, 11)).astype(dtype)
    kernel = KERNEL.astype(np.int64 if whole_numbers else np.float32)
    expected = whole(x, kernel)
    made = run(UP, stored(x, (1, 1, 4, 4)), MemoryStore(), kernel=kernel, chunks=(1, 1, 8, 8), tile=(1, 8, 8))
    assert made.array.dtype == expected.dtype
    np.testing.assert_array_equal(made.array[:], expected)


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 999, (5, 21, 33)).astype(np.uint16)
    kernel = np.ones((1, 1, 2, 2, 2), np.float32)
    expected = unstride.run(VOLUME, x[None, None], kernel)[0, 0]
    np.save(tmp_path / "x.npy", x)
    tifffile.imwrite(tmp_path / "x.ome.tif", x, metadata={"axes": "ZYX"}, photometric="minisblack")
    tifffile.imwrite(tmp_path / "tiled.tif", x, tile=(16, 16), photometric="minisblack")
    tifffile.imwrite(tmp_path / "small.tif", x, compression="zlib", photometric="minisblack")
    group: Any = zarr.create_group(tmp_path / "x.zarr")
    group.create_array("0", shape=x.shape, chunks=(2, 8, 8), dtype=x.dtype)[:] = x
    former: Any = zarr.create_array(tmp_path / "v2.zarr", shape=x.shape, dtype=x.dtype, zarr_format=2)
    former[:] = x
    names = ["x.npy", "x.ome.tif", "tiled.tif", "small.tif", "x.zarr/0", "v2.zarr"]
    for name in names:
        made = run(VOLUME, tmp_path / name, tmp_path / "y.zarr", kernel=kernel, resume=False, tile=(1, 10, 32, 64))
        np.testing.assert_array_equal(made.array[:], expected)
    with pytest.raises(UnstrideError, match="is a group, with the arrays: 0"):
        run(VOLUME, tmp_path / "x.zarr", tmp_path / "y.zarr", kernel=kernel)


def test_stores_that_are_no_folders_are_read_and_written() -> None:
    x = np.random.default_rng(0).integers(0, 999, (1, 1, 21, 33)).astype(np.float32)
    zarr.create_array("memory://stores/x.zarr", data=x, chunks=(1, 1, 8, 8))
    made = run(UP, "memory://stores/x.zarr", "memory://stores/y.zarr", kernel=KERNEL, tile=(1, 16, 16))
    assert made.computed > 1
    written: Any = zarr.open_array("memory://stores/y.zarr", mode="r")
    np.testing.assert_array_equal(written[:], whole(x))


def test_axes_that_are_missing_are_missing_in_the_output() -> None:
    x = np.random.default_rng(0).standard_normal((3, 9, 7)).astype(np.float32)
    images = np.concatenate([whole(each[None, None]) for each in x])[:, 0]
    for given_axes, expected in ((x, images), (x[:1], images[:1]), (x[0], images[0]), (x[:, None], images[:, None])):
        np.testing.assert_array_equal(run(UP, given_axes, MemoryStore(), kernel=KERNEL).array[:], expected)
    colours = parse("keras.layers.Conv2DTranspose(4, 3, strides=2, use_bias=False)")
    kernel = np.random.default_rng(1).standard_normal((3, 3, 4, 1)).astype(np.float32)
    expected = unstride.run(colours, x[..., None], kernel)
    np.testing.assert_array_equal(run(colours, x, MemoryStore(), kernel=kernel).array[:], expected)
    np.testing.assert_array_equal(run(colours, x[..., None], MemoryStore(), kernel=kernel).array[:], expected)
    np.testing.assert_array_equal(run(colours, x[0, ..., None], MemoryStore(), kernel=kernel).array[:], expected[0])
    assert run(colours, x[0], MemoryStore(), kernel=kernel).shape == expected[0].shape


WRONG = [
    ((4,), (1,), Reason.RANK, "must have 4 axes"),
    ((1, 3, 9, 9), (1, 3, 9, 9), Reason.CHANNELS, "has 2 channels"),
    ((9, 9), (9, 9), Reason.RANK, "2 channels"),
    ((1, 2, 0, 9), (1, 2, 1, 1), Reason.SIZE, "no elements"),
    ((0, 2, 9, 9), (1, 2, 1, 1), Reason.SIZE, "no elements"),
    ((1, 2, 9, 9), (1, 2, 9, 9), Reason.DTYPE, "must hold"),
]


@pytest.mark.parametrize(("shape", "chunks", "reason", "said"), WRONG)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, shape: tuple[int, ...], chunks: tuple[int, ...], reason: Reason, said: str
) -> None:
    spec, kernel = parse("torch.nn.ConvTranspose2d(2, 1, 3, bias=False)"), np.ones((2, 1, 3, 3))
    dtype = "bool" if reason is Reason.DTYPE else "float32"
    array = zarr.create_array(MemoryStore(), shape=shape, chunks=chunks, dtype=dtype)
    with pytest.raises(UnstrideError, match=said) as caught:
        run(spec, array, tmp_path / "y.zarr", kernel=kernel)
    assert caught.value.reason is reason
    assert list(tmp_path.iterdir()) == []


def test_fill_values_pass_through() -> None:
    store = MemoryStore()
    x: Any = zarr.create_array(store, shape=(32, 32), chunks=(8, 8), dtype="float32", fill_value=np.nan)
    x[8:24, :16] = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)
    made = run(UP, x, MemoryStore(), kernel=KERNEL, chunks=(16, 16)).array[:]
    expected = whole(x[:][None, None])[0, 0]
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(made, expected)


def test_an_output_that_is_there_is_filled_where_it_fits(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((20, 20)).astype(np.float32)
    held: Any = zarr.create_array(tmp_path / "y.zarr", shape=(41, 41), chunks=(7, 5), dtype="float32", compressors=None)
    made = run(UP, x, tmp_path / "y.zarr", kernel=KERNEL)
    np.testing.assert_array_equal(held[:], whole(x[None, None])[0, 0])
    assert made.array.chunks == (7, 5)
    for name, own in (("shape", (40, 41)), ("dtype", "float64"), ("chunks", (7, 5))):
        other: dict[str, Any] = {"shape": (41, 41), "chunks": (7, 5), "dtype": "float32", name: own}
        zarr.create_array(tmp_path / f"{name}.zarr", **other)
        with pytest.raises(UnstrideError, match=f"has the {name}"):
            run(UP, x, tmp_path / f"{name}.zarr", kernel=KERNEL, chunks=(5, 5) if name == "chunks" else None)


def test_tiles_and_chunks_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    x = np.zeros((20, 20), np.float32)
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"chunks": (8, 8), "tile": (1, 12, 16)}, "whole chunks of the output"),
        ({"chunks": (8,)}, "2 positive integers"),
        ({"chunks": (8, 8), "shards": (12, 16)}, "whole multiples of the chunks"),
        ({"workers": 0}, "at least 1"),
        ({"chunks": (41, 41), "memory": 1000}, "allow more memory"),
        ({"chunks": (8, 8), "tile": (1, 16, 16), "memory": 1000}, "allow more memory"),
    ]
    for asked, said in wishes:
        with pytest.raises(UnstrideError, match=said):
            run(UP, x, tmp_path / "y.zarr", kernel=KERNEL, **asked)
        assert list(tmp_path.iterdir()) == []


def test_the_plan_keeps_to_the_memory() -> None:
    x = zarr.create_array(MemoryStore(), shape=(512, 512, 512), chunks=(64, 64, 64), dtype="float32")
    for memory in (2**26, 2**28, 2**30):
        found = plan(VOLUME, x, kernel=np.ones((1, 1, 2, 2, 2), np.float32), memory=memory)
        assert found.bytes <= memory
        assert found.shape == (1024, 1024, 1024)
    assert "bytes in all" in str(found)


def test_several_inputs_are_named() -> None:
    from unstride.network import Graph, Input, Merge, Node

    graph = Graph(
        "sum",
        (Input("a", 1, (None, None)), Input("b", 1, (None, None))),
        (Node("y", Merge("add"), ("a", "b")),),
        ("y",),
    )
    a, b = np.random.default_rng(0).standard_normal((2, 1, 1, 9, 9))
    np.testing.assert_array_equal(run(graph, {"a": a, "b": b}, MemoryStore()).array[:], a + b)
    with pytest.raises(UnstrideError, match="needed: a, b"):
        run(graph, {"a": a}, MemoryStore())
    with pytest.raises(UnstrideError, match="differ in their batch"):
        run(graph, {"a": a, "b": np.concatenate([b, b])}, MemoryStore())


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    x = np.zeros((20, 20), np.float32)
    made = run(UP, x, tmp_path / "y.zarr", kernel=KERNEL, tile=(1, 64, 64), progress=lambda *each: told.append(each))
    assert told[-1] == (made.tiles, made.tiles)
    assert made.as_json()["tiles"] == made.tiles
