"""Coverage, cost and receptive field against the definition, index by index."""

from __future__ import annotations

import time
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride import Reason, UnstrideError
from unstride.answers.cost import count_cost, count_products
from unstride.answers.coverage import is_even, measure_coverage
from unstride.answers.receptive import trace_field
from unstride.geometry import Axis, Layer

AXES = st.builds(
    Axis,
    small=st.integers(0, 7),
    large=st.integers(0, 24),
    kernel=st.integers(1, 6),
    stride=st.integers(1, 6),
    dilation=st.integers(1, 4),
    before=st.integers(-6, 10),
)


def layer_of(*axes: Axis, transposed: bool = True) -> Layer:
    return Layer(axes, 1, 1, transposed=transposed)


@given(AXES)
def test_runs_partition_the_axis_with_the_exact_number_of_taps(axis: Axis) -> None:
    (coverage,) = measure_coverage(layer_of(axis)).axes
    listed = [(run.first + i * run.step, run.taps) for run in coverage.runs for i in range(run.count)]
    assert sorted(listed) == [(large, axis.coverage(large)) for large in range(axis.large)]
    assert coverage.total == axis.products
    assert coverage.uniform == (len({taps for _, taps in listed}) <= 1)


@given(AXES)
def test_the_interior_is_where_the_pattern_holds(axis: Axis) -> None:
    (coverage,) = measure_coverage(layer_of(axis)).axes
    inside = coverage.interior
    for large in inside:
        assert axis.coverage(large) == coverage.pattern[large % axis.stride]
    for large in {inside.start - 1, inside.stop} & set(range(axis.large)) if inside else ():
        assert axis.coverage(large) < coverage.pattern[large % axis.stride]


@given(AXES)
def test_even_coverage_is_equal_phases(axis: Axis) -> None:
    (coverage,) = measure_coverage(layer_of(axis)).axes
    assert is_even(axis) == (len(set(coverage.pattern)) == 1)


@given(st.lists(AXES, min_size=1, max_size=3))
def test_coverage_of_a_layer_is_the_product(axes: list[Axis]) -> None:
    coverage = measure_coverage(layer_of(*axes))
    assert prod(axis.total for axis in coverage.axes) == prod(axis.products for axis in axes)
    assert (coverage.least, coverage.most) == (
        prod(axis.least for axis in coverage.axes),
        prod(axis.most for axis in coverage.axes),
    )


@given(AXES)
def test_products_in_closed_form(axis: Axis) -> None:
    assert count_products(axis) == axis.products


@pytest.mark.parametrize("transposed", [True, False])
def test_cost_of_a_grouped_layer(transposed: bool) -> None:
    axis = Axis(small=2, large=4, kernel=3, stride=2)
    layer = Layer((axis, axis), 8, 4, groups=2, transposed=transposed, bias=True)
    cost = count_cost(layer, batch=3, itemsize=2)
    assert cost.multiply_accumulates == 3 * 8 * 4 // 2 * 25
    assert cost.naive == 3 * 8 * 4 // 2 * 9 * (16 if transposed else 4)
    assert cost.weights == 8 * 2 * 9
    assert cost.parameters == cost.weights + (4 if transposed else 8)
    assert cost.weight_bytes == 2 * cost.weights
    small, large = 3 * 8 * 4 * 2, 3 * 4 * 16 * 2
    assert (cost.input_bytes, cost.output_bytes) == ((small, large) if transposed else (large, small))


def test_cost_rejects_a_negative_batch() -> None:
    with pytest.raises(UnstrideError) as caught:
        count_cost(layer_of(Axis(1, 1, 1)), batch=-1)
    assert caught.value.reason is Reason.ARGUMENT


@given(AXES, st.data())
def test_fields_are_tight(axis: Axis, data: st.DataObject) -> None:
    for side, size in (("output", axis.large), ("input", axis.small)):
        if size == 0:
            continue
        start = data.draw(st.integers(0, size - 1), label=f"{side} start")
        stop = data.draw(st.integers(start + 1, size), label=f"{side} stop")
        if side == "output":
            met = {c.small for large in range(start, stop) for c in axis.taps(large)}
            field = trace_field(layer_of(axis), output=(start, stop))
            mirrored = trace_field(layer_of(axis, transposed=False), input=(start, stop))
        else:
            met = {c.large for small in range(start, stop) for c in axis.stamp(small)}
            field = trace_field(layer_of(axis), input=(start, stop))
            mirrored = trace_field(layer_of(axis, transposed=False), output=(start, stop))
        assert field.met == mirrored.met
        assert bool(field.met[0]) == bool(met)
        if met:
            assert field.met[0] == range(min(met), max(met) + 1)
            assert set(field.unclipped[0]) >= met


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({}, Reason.ARGUMENT),
        ({"output": 0, "input": 0}, Reason.ARGUMENT),
        ({"output": 4}, Reason.SIZE),
        ({"output": -1}, Reason.SIZE),
        ({"output": (2, 2)}, Reason.SIZE),
        ({"output": "0"}, Reason.ARGUMENT),
        ({"input": [0, 0, 0]}, Reason.RANK),
    ],
)
def test_a_place_outside_is_rejected(wrong: dict[str, object], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        trace_field(layer_of(Axis(small=2, large=4, kernel=3, stride=2)), **wrong)
    assert caught.value.reason is reason


def test_huge_axes_take_no_time() -> None:
    axis = Axis(small=10**9, large=2 * 10**9, kernel=4, stride=2, before=1)
    started = time.perf_counter()
    (coverage,) = measure_coverage(layer_of(axis)).axes
    assert coverage.total == count_products(axis) == axis.products == 4 * 10**9 - 2
    assert coverage.interior == range(1, 2 * 10**9 - 1)
    assert trace_field(layer_of(axis), output=10**9).met == (range(5 * 10**8 - 1, 5 * 10**8 + 1),)
    assert trace_field(layer_of(axis), input=(0, 10**9)).met == (range(2 * 10**9),)
    # Σ over taps of the smalls that land inside; here none is cut off
    assert count_products(Axis(small=10**9, large=10**19, kernel=10**9, stride=7, dilation=3)) == 10**18
    assert time.perf_counter() - started < 0.5


def test_a_kernel_too_long_to_list_is_refused() -> None:
    with pytest.raises(UnstrideError) as caught:
        measure_coverage(layer_of(Axis(small=2, large=10**9, kernel=10**9)))
    assert caught.value.reason is Reason.TOO_LARGE
