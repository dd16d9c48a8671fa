"""Which sizes operations take, and what a network makes of values that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.network.builders import unet
from unstride.errors import UnstrideError
from unstride.network import Features, Graph, Input, Merge, Node, Pad, Pool
from unstride.network.evaluate import run
from unstride.network.operations import Opaque
from unstride.network.sizes import propagate, shapes


def test_a_padding_that_drops_everything_or_reflects_too_much_is_refused() -> None:
    with pytest.raises(UnstrideError, match="drops all"):
        Pad(((-3, -3),)).output(Features(1, (6,)))
    assert Pad(((-3, -3),)).output(Features(1, (7,))) == Features(1, (1,))
    with pytest.raises(UnstrideError, match="reflects as many"):
        Pad(((5, 5),), "reflect").output(Features(1, (5,)))
    assert Pad(((5, 5),), "reflect").output(Features(1, (6,))).size == (16,)


@pytest.mark.parametrize(
    ("pool", "size", "small"),
    [
        (Pool("max", (3,), (2,), ((1, 1),)), 7, 4),
        (Pool("max", (3,), (2,), ((0, 0),)), 8, 3),
        (Pool("max", (3,), (2,), ((0, 0),), ceil=True), 8, 4),
        (Pool("max", (2,), (3,), ((1, 1),), ceil=True), 4, 2),
        (Pool("average", (3,), (2,), "same_upper"), 8, 4),
        (Pool("average", (3,), (2,), "same_lower"), 7, 4),
    ],
)
def test_windows_of_a_pooling(pool: Pool, size: int, small: int) -> None:
    assert pool.output(Features(2, (size,))) == Features(2, (small,))
    x = np.arange(size, dtype=np.float32).reshape(1, 1, -1)
    y = run(Graph("pool", (Input("x", 1, (None,)),), (Node("y", pool, ("x",)),), ("y",)), x)
    assert isinstance(y, np.ndarray)
    assert y.shape == (1, 1, small)


def test_misfits_are_all_found_and_named() -> None:
    graph = unet()
    found = propagate(graph, {"x": (8, 9)})
    (misfit,) = found.misfits
    assert (misfit.node, misfit.axes) == ("skip", (0, 1))
    assert found.features["last"] == Features(2, (8, 9))
    with pytest.raises(UnstrideError, match="skip: the sizes of what is joined differ"):
        shapes(graph, {"x": (8, 9)})


def test_values_that_repeat_along_an_axis_fit() -> None:
    add = Merge("add")
    assert add.output(Features(4, (5, 6)), Features(4, (1, 1))) == Features(4, (5, 6))
    with pytest.raises(UnstrideError, match="differs in size"):
        add.output(Features(4, (5, 6)), Features(4, (5, 3)))


def test_a_step_that_is_not_understood_is_named() -> None:
    graph = Graph("odd", (Input("x", 1, (4,)),), (Node("y", Opaque("Magic"), ("x",)),), ("y",))
    with pytest.raises(UnstrideError, match="Magic: not among"):
        run(graph, np.zeros((1, 1, 4), np.float32))


def test_a_graph_is_checked() -> None:
    given = (Input("x", 1, (4,)),)
    for nodes, outputs in (
        ((Node("x", Pad(((1, 1),)), ("x",)),), ("x",)),
        ((Node("y", Pad(((1, 1),)), ("z",)),), ("y",)),
        ((Node("y", Pad(((1, 1),)), ("x", "x")),), ("y",)),
        ((), ("y",)),
    ):
        with pytest.raises(UnstrideError):
            Graph("broken", given, nodes, outputs)
