"""Laws that hold for every dialect alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from unstride.testing.strategies import layers

from unstride import run
from unstride.dialects import registry
from unstride.dialects.code import parse
from unstride.dialects.refusal import Composition, Refusal, ways
from unstride.dialects.spec import Spec
from unstride.engine import reference
from unstride.geometry import DataLayout, Layer, canonical

Array = NDArray[np.int64]
EVERY = pytest.mark.parametrize("dialect", registry.DIALECTS, ids=lambda dialect: dialect.name)


def integers(shape: tuple[int, ...], seed: int) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, shape)


def arrays(layer: Layer) -> tuple[Array, Array, Array | None]:
    """Canonical input, weights and bias."""
    x = integers((1, layer.in_channels, *layer.input_size), 1)
    weights = integers(canonical(layer.rank).shape(layer), 2)
    return x, weights, integers((layer.out_channels,), 3) if layer.bias else None


def computed(spec: Spec, layer: Layer, x: Array, weights: Array, bias: Array | None) -> Array:
    """``spec`` on canonical arrays, through the dialect's own layouts and ``run``."""
    data = spec.data_layout(layer.rank + (2 if spec.batched else 1))
    kernel = canonical(layer.rank).to(spec.weight_layout(layer.rank), layer).apply(weights)
    y = run(spec, DataLayout.first(layer.rank).to(data, x.shape).apply(x), kernel, bias)
    back: Array = data.to(DataLayout.first(layer.rank), y.shape).apply(y)
    return back


def composed(found: Composition, x: Array, weights: Array, bias: Array | None) -> Array:
    """A composition's steps, one after the other, on canonical arrays."""
    for axis, (before, after) in enumerate(found.pad_input, start=2):
        x = np.pad(x, [(max(before, 0), max(after, 0)) if i == axis else (0, 0) for i in range(x.ndim)])
        x = x.take(range(max(-before, 0), x.shape[axis] - max(-after, 0)), axis)
    if found.kernel_dilation:
        weights = stretched(weights, found.kernel_dilation)
    inner = None if found.add_bias or bias is None else bias
    parts = []
    for group in range(found.split):
        share = [np.array_split(array, found.split, axis)[group] for array, axis in ((x, 1), (weights, 0))]
        part_bias = None if inner is None else np.array_split(inner, found.split)[group]
        parts.append(computed(found.spec, found.layer, share[0], share[1], part_bias))
    y = np.concatenate(parts, axis=1)
    for axis, (before, after) in enumerate(found.crop_output, start=2):
        y = y.take(range(before, y.shape[axis] - after), axis)
    if found.add_bias and bias is not None:
        y = y + bias.reshape(1, -1, *[1] * (y.ndim - 2))
    return y


def stretched(weights: Array, dilation: tuple[int, ...]) -> Array:
    spans = [step * (taps - 1) + 1 for step, taps in zip(dilation, weights.shape[2:], strict=True)]
    wide = np.zeros((*weights.shape[:2], *spans), weights.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, step) for step in dilation))] = weights
    return wide


@EVERY
@given(layer=layers())
def test_what_is_written_reads_back_as_the_layer(dialect: registry.Dialect, layer: Layer) -> None:
    written = dialect.module().write(layer)
    if isinstance(written, Spec):
        assert written.read(written.input_shape(layer), written.kernel_shape(layer)) == layer


@EVERY
@given(layer=layers())
def test_what_is_written_is_a_line_that_parses_to_itself(dialect: registry.Dialect, layer: Layer) -> None:
    for spec in ways(layer, dialect.module().propose):
        assert parse(spec.code(), dialect.name) == spec


@EVERY
@given(layer=layers())
def test_what_is_written_computes_the_same_values(dialect: registry.Dialect, layer: Layer) -> None:
    x, weights, bias = arrays(layer)
    for spec in ways(layer, dialect.module().propose):
        y = computed(spec, layer, x, weights, bias)
        np.testing.assert_array_equal(y, reference.run(layer, x, weights, bias))


@EVERY
@given(layer=layers())
def test_the_composition_of_a_refusal_is_exact(dialect: registry.Dialect, layer: Layer) -> None:
    written = dialect.module().write(layer)
    if isinstance(written, Refusal) and written.composition is not None:
        x, weights, bias = arrays(layer)
        y = composed(written.composition, x, weights, bias)
        np.testing.assert_array_equal(y, reference.run(layer, x, weights, bias))


@EVERY
def test_the_registry_lists_exactly_the_forms(dialect: registry.Dialect) -> None:
    listed = {f"{full}.{name}".lstrip(".") for full, names in dialect.calls.items() for name in names}
    assert {form.call for form in dialect.module().FORMS} == listed
    assert all(form.dialect == dialect.name for form in dialect.module().FORMS)


@given(data=st.data())
def test_linearity(data: Any) -> None:  # Hypothesis's own DataObject has no public type
    layer = data.draw(layers())
    x, weights, _ = arrays(layer)
    other = integers(x.shape, 7)
    plain = reference.run(layer, x, weights)
    np.testing.assert_array_equal(
        reference.run(layer, 3 * x - 2 * other, weights), 3 * plain - 2 * reference.run(layer, other, weights)
    )
