"""The laws of the engine, each test named after one. On integers all for equality, on floats within a bound."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride import set_num_threads
from unstride.engine import blas, execute, reference, threads
from unstride.engine.boxes import Cut, boxes, by_output, by_tap, families
from unstride.engine.plan import Plan, plan
from unstride.geometry import Axis, Layer
from unstride.testing.definitions import DEFINITIONS, matrix
from unstride.testing.strategies import axes, layers

from ..engine import rows
from ..engine.rows import NAMES

Array = NDArray[Any]

seeds = st.integers(0, 2**32 - 1)
batches = st.integers(1, 4)
wide_layers = layers(max_rank=2, max_group_channels=40)
CUTS = ("outputs", "taps")


def arrays(layer: Layer, seed: int, batch: int = 2) -> tuple[Array, Array, Array, Array]:
    """Random integer data, weights, bias and output gradient."""
    weights = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    rng = np.random.default_rng(seed)
    return (
        rng.integers(-9, 10, (batch, layer.in_channels, *layer.input_size)),
        rng.integers(-9, 10, weights),
        rng.integers(-9, 10, (layer.out_channels,)),
        rng.integers(-9, 10, (batch, layer.out_channels, *layer.output_size)),
    )


def relation(axis: Axis) -> set[tuple[int, int, int]]:
    """Every (small, tap, large) of the axis, from the relation as written."""
    triples = product(range(axis.small), range(axis.kernel), range(axis.large))
    return {
        (small, tap, large)
        for small, tap, large in triples
        if large == axis.stride * small + axis.dilation * tap - axis.before
    }


@given(layers(max_rank=2), seeds)
def test_five_definitions_agree(layer: Layer, seed: int) -> None:
    x, weights, _, _ = arrays(layer, seed)
    expected = reference.run(layer, x, weights)
    for definition in DEFINITIONS:
        np.testing.assert_array_equal(definition(layer, x, weights), expected, err_msg=definition.__name__)


@given(layers(), seeds)
def test_blas_equals_the_definition(layer: Layer, seed: int) -> None:
    x, weights, bias, _ = arrays(layer, seed)
    got = execute.run(layer, x, weights, bias, engine="blas")
    np.testing.assert_array_equal(got, reference.run(layer, x, weights, bias))
    assert got.dtype == np.int64


@pytest.mark.parametrize("cut", CUTS)
@given(layers(), seeds)
def test_both_cuts_equal_the_definition(cut: str, layer: Layer, seed: int) -> None:
    x, weights, bias, _ = arrays(layer, seed)
    made = Plan(layer, "blas", len(x), "int64", cut)
    packed = blas.pack(layer, weights, np.dtype(np.int64))
    np.testing.assert_array_equal(blas.run(made, x, packed, bias), reference.run(layer, x, weights, bias))


@given(layers(), seeds)
def test_adjoint_identity(layer: Layer, seed: int) -> None:
    """<run(x), y> = <x, adjoint(y)>, with the same weights."""
    x, weights, _, y = arrays(layer, seed)
    forth, back = execute.run(layer, x, weights), execute.run(layer.adjoint, y, weights)
    assert int((forth * y).sum()) == int((x * back).sum())
    assert layer.adjoint.adjoint == layer


@given(layers(), seeds, st.integers(-5, 5))
def test_linearity(layer: Layer, seed: int, factor: int) -> None:
    """Linear in the data, linear in the weights."""
    x, weights, _, _ = arrays(layer, seed)
    x2, weights2, _, _ = arrays(layer, seed + 1)
    y = execute.run(layer, x, weights)
    both = y + factor * execute.run(layer, x2, weights)
    np.testing.assert_array_equal(execute.run(layer, x + factor * x2, weights), both)
    both = y + factor * execute.run(layer, x, weights2)
    np.testing.assert_array_equal(execute.run(layer, x, weights + factor * weights2), both)


@given(layers(max_rank=2, max_groups=2), seeds)
def test_input_gradient_is_the_matrix_the_other_way(layer: Layer, seed: int) -> None:
    x, weights, _, grad = arrays(layer, seed)
    full = matrix(layer, weights)
    flat = grad.reshape(len(grad), grad[0].size) @ (full.T if layer.transposed else full)
    expected = flat.reshape(x.shape)
    np.testing.assert_array_equal(execute.input_gradient(layer, grad, weights), expected)
    np.testing.assert_array_equal(reference.input_gradient(layer, grad, weights), expected)


@given(layers(), seeds)
def test_weight_gradient_is_the_difference_quotient(layer: Layer, seed: int) -> None:
    """The output is linear in each weight, so the quotient of a unit step is the derivative, exactly."""
    x, weights, _, grad = arrays(layer, seed)
    got = execute.weight_gradient(layer, x, grad)
    np.testing.assert_array_equal(got, reference.weight_gradient(layer, x, grad))
    assert got.shape == weights.shape
    if weights.size:
        unit = np.zeros_like(weights)
        place = np.unravel_index(seed % weights.size, weights.shape)
        unit[place] = 1
        assert got[place] == (execute.run(layer, x, unit) * grad).sum()


@pytest.mark.parametrize("cut", CUTS)
@given(layers(), seeds)
def test_weight_gradient_is_the_same_for_both_cuts(cut: str, layer: Layer, seed: int) -> None:
    x, _, _, grad = arrays(layer, seed)
    row = next(row for row in execute.ENGINES if row.name == "blas")
    got = row.weight_gradient(Plan(layer, "blas", len(x), "int64", cut), x, grad)
    np.testing.assert_array_equal(got, reference.weight_gradient(layer, x, grad))


@given(layers(), seeds)
def test_bias_gradient_is_the_sum_over_positions(layer: Layer, seed: int) -> None:
    _, _, _, grad = arrays(layer, seed)
    got = execute.bias_gradient(layer, grad)
    np.testing.assert_array_equal(got, reference.bias_gradient(grad))
    assert got.tolist() == [int(grad[:, channel].sum()) for channel in range(layer.out_channels)]


@pytest.mark.parametrize("cut", [by_output, by_tap])
@given(axes(), st.booleans())
def test_strips_partition_the_products(cut: Cut, axis: Axis, transposed: bool) -> None:
    found: Counter[tuple[int, int, int]] = Counter()
    for strip in cut(axis, transposed):
        for inputs, tap in zip(strip.inputs, strip.taps, strict=True):
            for output, met in zip(strip.output, inputs, strict=True):
                found[(met, tap, output) if transposed else (output, tap, met)] += 1
    assert found == dict.fromkeys(relation(axis), 1)


@given(axes(), st.booleans())
def test_strips_stand_in_their_family(axis: Axis, transposed: bool) -> None:
    known = families(axis, transposed)
    for strip in (*by_output(axis, transposed), *by_tap(axis, transposed)):
        if strip.taps:
            assert known[strip.family][strip.at : strip.at + len(strip.taps)] == strip.taps
            assert strip.across > 0


@given(layers())
def test_boxes_partition_the_outputs(layer: Layer) -> None:
    found = Counter(
        place
        for box in boxes(layer.axes, layer.transposed)
        for place in product(*(strip.output for strip in box.strips))
    )
    assert found == dict.fromkeys(np.ndindex(*layer.output_size), 1)


@given(layers())
def test_no_product_is_wasted(layer: Layer) -> None:
    """The plan counts what the relation holds, and its boxes do exactly that."""
    pairs = layer.small_channels * layer.large_channels // layer.groups
    products = sum(1 for _ in reference.products(layer))
    made = plan(layer, batch=3)
    assert made.multiply_accumulates == 3 * pairs * products
    assert sum(box.products for box in made.boxes) == products
    assert made.box_count == sum(1 for _ in made.boxes)


@given(axes())
def test_phases_partition_the_large_side(axis: Axis) -> None:
    larges: Counter[int] = Counter()
    for phase in axis.phases():
        indices = range(phase.first, phase.first + phase.count * axis.stride, axis.stride)
        larges.update(indices)
        assert {(large + axis.before) % axis.stride for large in indices} == {phase.remainder}
        assert {tap for small, tap, large in relation(axis) if large in indices} <= set(phase.taps)
    assert larges == dict.fromkeys(range(axis.large), 1)


@given(axes())
def test_segments_partition_the_large_side(axis: Axis) -> None:
    seen: Counter[int] = Counter()
    triples = relation(axis)
    for segment in axis.segments():
        for place in range(segment.count):
            large = segment.first + place * axis.stride
            seen[large] += 1
            met = {(small + place, tap) for small, tap in zip(segment.smalls, segment.taps, strict=True)}
            assert met == {(small, tap) for small, tap, at in triples if at == large}
    assert seen == dict.fromkeys(range(axis.large), 1)


@given(axes(), st.integers(0, 14), st.integers(0, 14))
def test_window_is_tight(axis: Axis, first: int, second: int) -> None:
    """The window is the hull of the small indices that any tap of the range meets."""
    start, stop = sorted((min(first, axis.large), min(second, axis.large)))
    needed = {small for small, _, large in relation(axis) if start <= large < stop}
    window = axis.small_window(start, stop)
    assert list(window) == (list(range(min(needed), max(needed) + 1)) if needed else [])


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 6), st.integers(1, 3), st.integers(0, 6))
def test_ambiguity_is_exactly_stride_sizes(small: int, kernel: int, stride: int, dilation: int, padding: int) -> None:
    """The large sizes that a convolution maps to one small size are ``stride`` consecutive integers."""
    axis = Axis(small, 0, kernel, stride, dilation)
    span = dilation * (kernel - 1) + 1
    scanned = range(-padding - 1, small * stride + span + stride)
    assert list(axis.large_sizes(padding)) == [m for m in scanned if (m + padding - span) // stride + 1 == small]
    assert len(axis.large_sizes(padding)) == stride


def contiguous(array: Array) -> Array:
    """In memory as its axes are ordered: channels first."""
    return np.ascontiguousarray(array)


def channels_last(array: Array) -> Array:
    """The same array; in memory its axis 1 is the last, if it has one."""
    return array if array.ndim == 1 else np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def scattered(array: Array) -> Array:
    """The same array; in memory every axis runs backwards, with NaN between its elements."""
    wide = np.full([2 * size for size in array.shape], np.nan, array.dtype)
    view = wide[(slice(None, None, -2),) * array.ndim]
    view[...] = array
    return view


layouts = st.sampled_from((contiguous, channels_last, scattered))
floats = st.sampled_from(("float32", "float64"))


class Case(NamedTuple):
    """A layer with its data, weights, bias and output gradient."""

    layer: Layer
    x: Array
    weights: Array
    bias: Array
    grad: Array

    def map(self, change: Callable[[Array], Array]) -> "Case":
        """Every array changed."""
        return Case(self.layer, *(change(array) for array in self[1:]))

    def answers(self, name: str) -> tuple[Array, Array, Array, Array]:
        """Output with bias and without, gradients of data and weights, by the engine of that name."""
        layer, x, weights, bias, grad = self
        return (
            rows.run(name, layer, x, weights, bias),
            rows.run(name, layer, x, weights),
            rows.input_gradient(name, layer, grad, weights),
            rows.weight_gradient(name, layer, x, grad),
        )

    @property
    def terms(self) -> tuple[int, int, int, int]:
        """For each answer, products in a sum at most; the bias is one more."""
        layer, taps = self.layer, prod(self.layer.kernel)
        forth, back = (channels // layer.groups * taps for channels in (layer.in_channels, layer.out_channels))
        return forth + 1, forth, back, len(self.x) * prod(axis.small for axis in layer.axes)


def real(layer: Layer, seed: int, batch: int) -> Case:
    """Normally distributed float32."""
    rng = np.random.default_rng(seed)
    return Case(layer, *(rng.standard_normal(array.shape, np.float32) for array in arrays(layer, seed, batch)))


def check_exact(name: str, truth: str, case: Case, dtype: str, layout: Callable[[Array], Array]) -> None:
    """On integers held in floats, an engine's answers are those of another, which is the truth."""
    expected = case.answers(truth)
    for got, true in zip(case.map(lambda array: layout(array.astype(dtype))).answers(name), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, true)


def check_bound(name: str, truth: str, case: Case, layout: Callable[[Array], Array]) -> None:
    """Within k·ε·Σ|x||w| of the sums in float64, for k products added in any order.

    The error is below γ_k = k·u / (1 − k·u) of the sum of magnitudes, u = ε/2 (Higham, Accuracy and Stability of
    Numerical Algorithms, section 3.1); the other half of ε holds the denominator and the error of float64.
    """
    exact = case.map(lambda array: array.astype(np.float64)).answers(truth)
    magnitudes = case.map(lambda array: abs(array.astype(np.float64))).answers(truth)
    epsilon = float(np.finfo(np.float32).eps)
    for got, true, sums, terms in zip(case.map(layout).answers(name), exact, magnitudes, case.terms, strict=True):
        assert got.dtype == np.float32
        assert (abs(got - true) <= terms * epsilon * sums).all()


@pytest.mark.parametrize("name", NAMES)
@given(layers(), seeds, batches, floats, layouts)
def test_every_engine_equals_the_definition(
    name: str, layer: Layer, seed: int, batch: int, dtype: str, layout: Callable[[Array], Array]
) -> None:
    case = Case(layer, *arrays(layer, seed, batch))
    check_exact(name, "reference", case, dtype, layout)
    got = execute.bias_gradient(layer, layout(case.grad.astype(dtype)))
    np.testing.assert_array_equal(got, reference.bias_gradient(case.grad))


@pytest.mark.parametrize("name", NAMES)
@given(layers(), seeds, batches, layouts)
def test_every_engine_is_within_the_bound(
    name: str, layer: Layer, seed: int, batch: int, layout: Callable[[Array], Array]
) -> None:
    check_bound(name, "reference", real(layer, seed, batch), layout)


compiled = pytest.mark.skipif(not rows.named("jit").available(), reason="llvmlite is not installed")


@contextmanager
def compiled_with(*, chunk: int) -> Iterator[None]:
    """Compiled code whose chunks span this many bytes of input; the number of threads is given back at the end."""
    from unstride.engine.jit import plans, tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CACHED", chunk)
        patch.setattr(threads, "_chosen", threads._chosen)
        plans.bind.cache_clear()
        try:
            yield
        finally:
            plans.bind.cache_clear()


chunk_sizes = st.sampled_from((1, 200, 2000, 192 * 1024))


@compiled
@given(st.one_of(layers(), wide_layers), seeds, batches, floats, layouts, chunk_sizes)
def test_compiled_code_equals_blas_however_it_is_cut(
    layer: Layer, seed: int, batch: int, dtype: str, layout: Callable[[Array], Array], chunk: int
) -> None:
    """Channels beyond a vector, their inputs in chunks of any size; BLAS equals the definition by the law above."""
    case = Case(layer, *arrays(layer, seed, batch))
    with compiled_with(chunk=chunk):
        check_exact("jit", "blas", case, dtype, layout)
        check_bound("jit", "blas", real(layer, seed, batch), layout)


@compiled
@given(st.one_of(layers(), wide_layers), seeds, batches, layouts, chunk_sizes)
def test_compiled_code_gives_the_same_bits_for_any_number_of_threads(
    layer: Layer, seed: int, batch: int, layout: Callable[[Array], Array], chunk: int
) -> None:
    case, found = real(layer, seed, batch).map(layout), set()
    with compiled_with(chunk=chunk):
        for count in (1, 2, 3, 1):
            set_num_threads(count)
            found.add(tuple(answer.tobytes() for answer in case.answers("jit")))
    assert len(found) == 1
