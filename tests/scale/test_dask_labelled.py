"""Labelled arrays: dimensions stay, coordinates lie where the outputs do."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import unstride
from unstride import UnstrideError, parse
from unstride.network import Graph, Input, Merge, Node, Operation, Pad, Pool, Resize, evaluate
from unstride.scale.coordinates import OWN, Places, places, resampled
from unstride.scale.dask import apply, conv_transpose
from unstride.scale.source import network
from unstride.scale.tiles import Tiling

Array = NDArray[Any]


def chain(*operations: Operation) -> Graph:
    names = ["x", *(f"n{at}" for at in range(len(operations)))]
    nodes = tuple(Node(names[at + 1], operation, (names[at],)) for at, operation in enumerate(operations))
    return Graph("chain", (Input("x", 1, (None,)),), nodes, (names[-1],))


def layer(code: str, kernel: int) -> Operation:
    return network(parse(code), np.ones((1, 1, kernel))).nodes[0].operation


CHAINS = [
    chain(layer("torch.nn.ConvTranspose1d(1, 1, 4, stride=2, padding=1, bias=False)", 4)),
    chain(layer("torch.nn.ConvTranspose1d(1, 1, 3, stride=3, bias=False)", 3)),
    chain(layer("torch.nn.Conv1d(1, 1, 3, stride=2, padding=1, dilation=2, bias=False)", 3)),
    chain(Pool("average", (2,), (2,), ((0, 0),)), Resize((2,), "linear")),
    chain(Pad(((-2, 1),), "edge"), Resize((3,), "linear"), Pool("average", (3,), (2,), ((0, 0),))),
    chain(Resize((3,), "nearest")),
]


@pytest.mark.parametrize("graph", CHAINS, ids=lambda graph: " ".join(node.operation.kind for node in graph.nodes))
def test_an_output_lies_at_the_middle_of_what_it_sees(graph: Graph) -> None:
    """Among the elements that an output sees, its place is their mean: over a period of phases, away from the ends."""
    tiling = Tiling(graph, {"x": (60,)}, 1, (1, 1))
    (at,) = places(tiling)
    assert at is not None
    seen, count = (np.asarray(evaluate.run(graph, x[None, None]))[0, 0] for x in (np.arange(60.0), np.ones(60)))
    where = float(at.start) + float(at.step) * np.arange(len(seen))
    middle = slice(len(seen) // 2 - 6, len(seen) // 2 + 6)
    assert abs((seen / count - where)[middle].mean()) < 1e-9


def test_coordinates_follow_a_layer() -> None:
    spec = parse("torch.nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, bias=False)")
    kernel = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((3, 2, 9, 12)).astype(np.float32)
    coords = {
        "time": np.array(["2024-01-01", "2024-01-05", "2024-02-01"], "datetime64[ns]"),
        "band": ["red", "green"],
        "y": ("y", 50.0 - 0.5 * np.arange(9), {"units": "degrees"}),
        "x": np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]),
        "height": ("time", [1.0, 2.0, 3.0]),
        "slope": (("y", "x"), np.zeros((9, 12))),
        "site": 7,
    }
    whole = unstride.run(spec, x, kernel)
    for data in (x, da.from_array(x, chunks=(2, 1, 4, 5))):
        given = xarray.DataArray(data, coords, ("time", "band", "y", "x"), name="t", attrs={"a": 1})
        made = conv_transpose(given, spec, kernel)
        assert (made.dims, made.name, made.attrs) == (given.dims, "t", {"a": 1})
        assert set(made.coords) == {"time", "y", "height", "site"}  # x is not regular, the bands are others
        np.testing.assert_array_equal(made.coords["y"], 50.125 - 0.25 * np.arange(18))
        assert made.coords["y"].attrs == {"units": "degrees"}
        assert (made.chunks is None) == isinstance(data, np.ndarray)
        np.testing.assert_array_equal(made.values, whole)


def test_what_keeps_the_grid_keeps_its_coordinates() -> None:
    nodes = (
        Node("down", Pool("max", (2,), (2,), ((0, 0),)), ("x",)),
        Node("up", Resize((2,)), ("down",)),
        Node("shifted", Pad(((1, -1),)), ("up",)),
        Node("y", Merge("concat"), ("x", "shifted")),
    )
    graph = Graph("g", (Input("x", 1, (None,)),), nodes, ("y",))
    uneven = np.array([0.0, 1, 3, 4, 9, 11])
    given = xarray.DataArray(np.ones((1, 1, 6)), {"x": uneven, "mask": ("x", uneven > 2)}, ("n", "c", "x"))
    made = apply(graph, given)
    np.testing.assert_array_equal(made.coords["x"], uneven)
    np.testing.assert_array_equal(made.coords["mask"], uneven > 2)
    apart = Graph(
        "g",
        graph.inputs,
        (*nodes[:3], Node("far", Pad(((2, -2),)), ("up",)), Node("y", Merge("add"), ("far", "shifted"))),
        ("y",),
    )
    assert places(Tiling(apart, {"x": (6,)}, 1, (1, 1))) == (None,)
    assert "x" not in apply(apart, given).coords


HALF = Places(Fraction(1, 4), Fraction(1, 2))


def test_types_that_cannot_hold_a_place_are_dropped() -> None:
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[D]")
    assert resampled(days, 6, HALF) is None
    made = resampled(days.astype("datetime64[h]"), 6, HALF)
    assert made is not None
    assert made.astype(str).tolist() == [f"2024-01-0{day}T{hour:02}" for day in (1, 2, 3) for hour in (6, 18)]
    assert resampled(np.array(["a", "b"]), 4, HALF) is None
    assert resampled(np.array([1.0]), 2, HALF) is None
    assert resampled(np.array([1.0, 1.0]), 4, HALF) is None
    assert resampled(np.array([0.0, np.nan, 2.0]), 6, HALF) is None
    assert resampled(np.array([3]), 1, OWN) is not None


@given(st.integers(-(10**6), 10**6), st.integers(1, 1000), st.integers(2, 50), st.sampled_from(["float32", "float64"]))
def test_regular_numbers_are_known_in_spite_of_their_rounding(first: int, step: int, count: int, dtype: str) -> None:
    values = (first / 7 + step / 3 * np.arange(count)).astype(dtype)
    made = resampled(values, 2 * count, HALF)
    if made is not None:  # steps near the rounding of the values may not be told from others
        assert made.dtype == values.dtype
        np.testing.assert_allclose(
            made, first / 7 + step / 3 * (0.25 + 0.5 * np.arange(2 * count)), rtol=1e-5, atol=0.1
        )
    else:
        assert dtype == "float32"


def test_an_output_without_axes_has_no_labels() -> None:
    from unstride.network import GlobalPool

    given = xarray.DataArray(np.ones((1, 1, 6)), dims=("n", "c", "x"))
    with pytest.raises(UnstrideError, match="keep the axes"):
        apply(chain(GlobalPool("max")), given)
