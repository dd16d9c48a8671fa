"""Weights of the product family, however they lie: large ones, and those whose columns are packed apart."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from unstride.engine.jit import packing, plans, product
from unstride.engine.jit.ends import End
from unstride.engine.jit.target import host
from unstride.geometry import Axis, Layer

from .product import Numbers, computed, cut, defined, orders


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("inputs", [150, 40])
def test_large_weights_whose_columns_lie_side_by_side(groups: int, inputs: int) -> None:
    layer = Layer((Axis(2, 5, 3, 2, 1, 0), Axis(3, 9, 5, 2, 1, 0)), inputs * groups, 190 * groups, groups=groups)
    x, weights, *_ = Numbers(3).arrays(layer)
    assert weights.nbytes >= packing.BY_ROWS or inputs == 40
    for turned in (layer, layer.adjoint):
        data = x if turned is layer else Numbers(4).arrays(turned)[0]
        for said, array in orders(weights).items():
            found = computed(turned, data, array, first=False)
            np.testing.assert_array_equal(found, defined(turned, data, array), said)


@pytest.mark.parametrize("inputs", [3, 16, 45])
@pytest.mark.parametrize("first", [False, True])
def test_weights_of_columns_that_lie_apart(inputs: int, first: bool) -> None:
    """Whose products are lanes: squares of inputs and taps, and what is left of both."""
    layer = Layer((Axis(3, 9, 5, 2), Axis(3, 11, 7, 2)), 2, inputs).adjoint
    x, weights, *_ = Numbers(5).arrays(layer)
    for dtype in ("float32", "float64"):
        form = cut(layer, dtype, End(), host(), first=first).form
        for said, array in orders(weights.astype(dtype)).items():
            found = computed(layer, x.astype(dtype), array, first=first)
            np.testing.assert_array_equal(found, defined(layer, x.astype(dtype), array), said)
    assert form.flavour == "dot" or inputs == 3


@pytest.mark.parametrize("columns", [6, 38, 70, 600])
@pytest.mark.parametrize("inputs", [5, 16, 47, 300])
def test_lanes_without_columns_hold_numbers(inputs: int, columns: int) -> None:
    """Zeros or a column again: what lies there is computed with, and what reads packed places would take it for one."""
    layer = Layer((Axis(2, 5, 3, 2), Axis(2, 5, 3, 2)), inputs, columns)
    _, weights, *_ = Numbers(6).arrays(layer)
    for turned in (layer, layer.adjoint):
        shape = cut(turned, "float32", End(), host(), first=False)
        for said, array in orders(weights.astype(np.float32)).items():
            made = product.packing(shape, array.strides)
            packed = np.full(made.shape, np.nan, np.float32)
            made.pack(array, packed)
            assert set(np.unique(packed)) <= {0, *np.unique(weights)}, said


def test_a_call_that_packs_weights_keeps_what_says_how_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread's record would take its place in memory."""
    layer = Layer((Axis(2, 5, 3, 2), Axis(2, 5, 3, 2)), 47, 70)
    bound, (_, weights, *_) = plans.bind(layer, 1, "float32", End(), channels_first=False), Numbers(7).arrays(layer)
    records, late = [], bound.family.late

    def watched(given: Any) -> Any:
        found = late(given)
        assert found is not None
        records.append(weakref.ref(found.record))
        return found

    monkeypatch.setattr(bound.family, "late", watched)
    starter = bound.late(weights.astype(np.float32), 0)
    assert starter is not None
    assert records[0]() is not None
    del starter
    assert records[0]() is None
