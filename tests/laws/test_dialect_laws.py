"""Laws that hold for every dialect alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from numpy.typing import NDArray

from unstride.computation import run_canonical
from unstride.dialects import registry
from unstride.dialects.code import parse
from unstride.dialects.refusal import Refusal, ways
from unstride.dialects.spec import Spec
from unstride.engine import reference
from unstride.geometry import Axis, Layer, canonical
from unstride.testing.strategies import layers

Array = NDArray[np.int64]
EVERY = pytest.mark.parametrize("dialect", registry.DIALECTS, ids=lambda dialect: dialect.name)


def integers(shape: tuple[int, ...], seed: int) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, shape)


def arrays(layer: Layer) -> tuple[Array, Array, Array | None]:
    """Canonical input, weights and bias."""
    x = integers((1, layer.in_channels, *layer.input_size), 1)
    weights = integers(canonical(layer.rank).shape(layer), 2)
    return x, weights, integers((layer.out_channels,), 3) if layer.bias else None


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
        y = run_canonical(spec, layer, x, weights, bias)
        np.testing.assert_array_equal(y, reference.run(layer, x, weights, bias))


@EVERY
@given(layer=layers())
def test_the_composition_of_a_refusal_is_exact(dialect: registry.Dialect, layer: Layer) -> None:
    written = dialect.module().write(layer)
    if isinstance(written, Refusal) and written.composition is not None:
        x, weights, bias = arrays(layer)
        y = run_canonical(written.composition, layer, x, weights, bias)
        np.testing.assert_array_equal(y, reference.run(layer, x, weights, bias))


@EVERY
def test_the_registry_lists_exactly_the_forms(dialect: registry.Dialect) -> None:
    listed = {f"{full}.{name}".lstrip(".") for full, names in dialect.calls.items() for name in names}
    assert {form.call for form in dialect.module().FORMS} == listed
    assert all(form.dialect == dialect.name for form in dialect.module().FORMS)


def plainest(layer: Layer) -> Layer:
    """One group of the layer without crop, pad, dilation or bias: what its composition is made of."""
    axes = tuple(Axis(axis.small, axis.full, axis.span, axis.stride) for axis in layer.axes)
    return Layer(axes, layer.small_channels // layer.groups, layer.large_channels // layer.groups, 1, layer.transposed)


@EVERY
@given(layer=layers())
def test_what_cannot_be_said_is_composed_wherever_the_plain_layer_can_be_said(
    dialect: registry.Dialect, layer: Layer
) -> None:
    assume(min(*layer.input_size, *layer.output_size, layer.small_channels, layer.large_channels) > 0)
    written = dialect.module().write(layer)
    if isinstance(written, Refusal) and isinstance(dialect.module().write(plainest(layer)), Spec):
        assert written.composition is not None, str(written)
