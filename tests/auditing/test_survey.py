"""Congruences: what a survey says holds is what propagating every size finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.network.builders import unet
from unstride.auditing.size_set import SizeSet, gather
from unstride.auditing.survey import survey
from unstride.errors import UnstrideError
from unstride.network import Graph, Input, Merge, Node, Opaque, Pool, Resize
from unstride.network.sizes import shapes


@given(
    st.integers(1, 6).flatmap(lambda m: st.tuples(st.just(m), st.sets(st.integers(0, m - 1)))),
    st.integers(1, 9),
    st.sets(st.integers(1, 8)),
    st.integers(1, 3),
)
def test_a_gathered_set_has_the_same_members(
    cycle: tuple[int, set[int]], start: int, early: set[int], times: int
) -> None:
    modulus, residues = cycle
    wanted = SizeSet(modulus, tuple(sorted(residues)), start, tuple(sorted(n for n in early if n < start)))
    found = gather(lambda n: n in wanted, modulus * times, 80)
    assert found is not None
    assert all((n in found) == (n in wanted) for n in range(1, 200))
    assert found.modulus <= modulus


def test_what_never_repeats_is_not_gathered() -> None:
    assert gather(lambda n: n > 30, 20, 60) is None
    assert gather(lambda n: n > 30, 4, 60) == SizeSet(1, (0,), 31)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (SizeSet(1, (0,)), "every size"),
        (SizeSet(1, (0,), 5), "every size from 5 on"),
        (SizeSet(16, (0,), 1), "multiples of 16"),
        (SizeSet(4, (1, 2), 1), "n ≡ 1, 2 (mod 4)"),
        (SizeSet(4, (1,), 6, (2,)), "n ≡ 1 (mod 4) from 9 on, and 2"),
        (SizeSet(1, ()), "no size"),
        (SizeSet(1, (), 9, (8,)), "only 8"),
    ],
)
def test_words(members: SizeSet, text: str) -> None:
    assert str(members) == text


def fits(graph: Graph, height: int, width: int) -> tuple[int, ...] | None:
    try:
        return shapes(graph, {"x": (height, width)})[graph.outputs[0]].size
    except UnstrideError:
        return None


@pytest.mark.parametrize("extra", [0, 1])
def test_a_small_u_net(extra: int) -> None:
    graph = unet(output_padding=extra)
    height, width = survey(graph)
    assert str(height.accepted) == str(height.kept) == ("multiples of 2" if extra else "no size")
    assert width == height
    for size in range(1, 30):
        found = fits(graph, size, 64)
        assert (found is not None) == (size in height.accepted and 64 in width.accepted)


def test_axes_are_apart() -> None:
    """Pooled by 4 and by 3, and brought back by repetition: each axis has a rule of its own."""
    nodes = (
        Node("pool", Pool("max", (4, 3), (4, 3), ((0, 0), (0, 0))), ("x",)),
        Node("up", Resize((4, 3)), ("pool",)),
        Node("sum", Merge("concat"), ("x", "up")),
    )
    graph = Graph("net", (Input("x", 1, (32, None)),), nodes, ("sum",))
    assert [str(axis.accepted) for axis in survey(graph)] == ["multiples of 4", "multiples of 3"]


def test_what_is_given_back() -> None:
    """A chain takes every size that its window fits into, and gives back only multiples of 4."""
    nodes = (
        Node("pool", Pool("average", (4,), (4,), ((0, 0),)), ("x",)),
        Node("up", Resize((4,)), ("pool",)),
    )
    (axis,) = survey(Graph("net", (Input("x", 1, (None,)),), nodes, ("up",)))
    assert axis.kept is not None
    assert (str(axis.accepted), str(axis.kept)) == ("every size from 4 on", "multiples of 4")


def test_a_step_that_is_not_understood_says_nothing_of_sizes() -> None:
    """What stands before it is surveyed; what it hides is not known."""
    odd = Node("odd", Opaque("Magic"), ("join",))
    join = (
        Node("half", Pool("max", (2,), (2,), ((0, 0),)), ("x",)),
        Node("back", Resize((2,)), ("half",)),
        Node("join", Merge("concat"), ("x", "back")),
    )
    (axis,) = survey(Graph("net", (Input("x", 1, (None,)),), (*join, odd), ("odd",)))
    assert str(axis.accepted) == "multiples of 2"
    assert axis.kept is None
    (free,) = survey(Graph("net", (Input("x", 1, (None,)),), (Node("odd", Opaque("Magic"), ("x",)),), ("odd",)))
    assert free.accepted.whole
