"""Networks in a target's own steps, computed in NumPy: the same values, whatever is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from tests.network.builders import unet, weights
from unstride import UnstrideError
from unstride.dialects import keras, torch
from unstride.network import Convolution, Graph, Input, Node, Opaque
from unstride.network.evaluate import run
from unstride.porting.lengths import Lengths
from unstride.porting.writing.common import Lowered, Refused, lower
from unstride.porting.writing.common_sizes import InputSizes, condition, exact_sizes, first_sizes, told_lengths
from unstride.porting.writing.names import distinct
from unstride.testing.networks import Sized, networks

from .zoo import everything

TARGETS = ("torch", "keras", "onnx")
ZOO = everything()
Array = NDArray[Any]


def lowered(graph: Graph, to: str, size: tuple[int, ...] | None = None) -> Lowered:
    target = import_module(f"unstride.porting.writing.{to}").TARGET
    found = lower(graph, target, first_sizes(graph, size))
    assert isinstance(found, Lowered), found
    return found


def inputs(graph: Graph, sizes: Mapping[str, tuple[int, ...]]) -> tuple[Array, ...]:
    draw = np.random.default_rng(0)
    made = (draw.integers(-3, 4, (1, each.channels, *sizes[each.name])) for each in graph.inputs)
    return tuple(each.astype(np.float32) for each in made)


def check(graph: Graph, found: Lowered, sizes: Mapping[str, tuple[int, ...]]) -> None:
    first = replace(graph, channels_last=False)
    x = inputs(graph, sizes)
    wanted, got = run(first, *x), run(replace(found.graph, channels_last=False), *x)
    for a, b in zip(_several(wanted), _several(got), strict=True):
        np.testing.assert_array_equal(a, b)


def _several(made: Array | tuple[Array, ...]) -> tuple[Array, ...]:
    return made if isinstance(made, tuple) else (made,)


@pytest.mark.parametrize("to", ["torch", "keras"])
@pytest.mark.parametrize("name", ZOO)
def test_every_operation_keeps_its_values(name: str, to: str) -> None:
    found = lowered(ZOO[name], to)
    check(ZOO[name], found, found.sizes)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sized=networks())
def test_random_networks_keep_their_values(sized: Sized) -> None:
    for to in TARGETS:
        check(sized.graph, lowered(sized.graph, to, sized.size), dict.fromkeys(["x"], sized.size))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sized=networks(rank=1, open_sizes=True, levels=1))
def test_every_size_that_is_called_exact_is(sized: Sized) -> None:
    graph = sized.graph
    found = lowered(graph, "torch", sized.size)
    (stated,) = exact_sizes(graph, {"x": sized.size}, found.exact)
    assert sized.size in stated
    for length in range(1, 26):
        assert ((length,) in stated) == found.exact({"x": (length,)})
        if (length,) in stated:
            check(graph, found, {"x": (length,)})


def test_a_unet_takes_even_sizes() -> None:
    graph = unet(output_padding=1)
    (stated,) = exact_sizes(graph, first_sizes(graph, None), lowered(graph, "torch").exact)
    assert stated.words == "height and width a multiple of 2"
    assert (6, 4) in stated
    assert (6, 5) not in stated


def test_what_depends_on_the_remainder_is_exact_for_the_size_asked_for() -> None:
    spec = keras.Conv2D(4, 3, strides=2, padding="same")
    node = Node("y", Convolution(spec, weights(3, 3, 2, 4)), ("x",))
    graph = Graph("g", (Input("x", 2, (None, None)),), (node,), ("y",))
    for size, words in (((8, 8), "height and width a multiple of 2"), ((7, 9), "height and width odd")):
        (stated,) = exact_sizes(graph, {"x": size}, lowered(graph, "torch", size).exact)
        assert stated.words == words
    (stated,) = exact_sizes(graph, {"x": (8, 8)}, lowered(graph, "keras", (8, 8)).exact)
    assert stated.words == "any size"


def test_all_that_is_not_understood_is_named() -> None:
    nodes = (Node("a", Opaque("Lambda", "runs code"), ("x",)), Node("b", Opaque("Einsum"), ("a",)))
    graph = Graph("g", (Input("x", 2, (4,)),), nodes, ("b",))
    found = lower(graph, import_module("unstride.porting.writing.torch").TARGET, {"x": (4,)})
    assert found == (
        Refused("a", "Lambda: runs code"),
        Refused("b", "Einsum: not among the operations that are understood"),
    )


def test_many_groups_are_refused_where_there_are_none() -> None:
    spec = torch.ConvTranspose2d(128, 128, 3, groups=128, bias=False)
    node = Node("y", Convolution(spec, weights(128, 1, 3, 3)), ("x",))
    graph = Graph("g", (Input("x", 128, (4, 4)),), (node,), ("y",))
    (found,) = lower(graph, import_module("unstride.porting.writing.keras").TARGET, {"x": (4, 4)})  # type: ignore[misc]  # refused
    assert "128 layers beside each other" in found.why


def test_the_size_must_fit() -> None:
    with pytest.raises(UnstrideError, match="fixed size"):
        lowered(ZOO["crop"], "torch", (9,))


LENGTHS = [
    Lengths(),
    Lengths.only(96),
    Lengths(period=16),
    Lengths(start=5),
    Lengths(period=2, remainders=frozenset({1}), start=7),
    Lengths(frozenset({1, 2}), 9, 4, frozenset({0, 3})),
    Lengths(frozenset({3}), 9, 4, frozenset({1})),
]


@pytest.mark.parametrize("lengths", LENGTHS, ids=told_lengths)
def test_a_condition_is_true_for_the_lengths_and_no_others(lengths: Lengths) -> None:
    tested = condition("n", lengths) or "True"
    for n in range(1, 120):
        assert eval(tested, {"n": n}) == (n in lengths)  # noqa: S307 - our own condition


def test_lengths_in_words() -> None:
    told = [told_lengths(each) for each in LENGTHS]
    assert told[:5] == ["any", "96", "a multiple of 16", "at least 5", "odd, at least 7"]
    assert told[6] == "1 modulo 4, at least 9, or 3"
    assert InputSizes("x", (Lengths(), Lengths(period=4))).words == "any height, width a multiple of 4"


def test_names_stay_apart() -> None:
    made = distinct(["a.b", "a-b", "a_b_2", "for", "Ünder", "1"])
    assert len(set(made.values())) == 6
    assert all(name.isidentifier() for name in made.values())
    assert made["for"] == "for_"
