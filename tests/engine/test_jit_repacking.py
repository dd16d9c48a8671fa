"""Layers whose kernels reach far: their inputs are packed a few times, not once for every chunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from unstride.engine import execute
from unstride.engine.jit import gradient_shape, gradient_tables, product, rows_pieces, rows_shape
from unstride.engine.jit.memory import Array
from unstride.engine.jit.tables import AGAIN, Chunk, packed
from unstride.geometry import Axis, Layer


@dataclass(frozen=True)
class Case:
    """A transposed layer in three dimensions."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    channels: tuple[int, int]

    @property
    def layer(self) -> Layer:
        parts = zip(self.sizes, self.kernel, self.stride, self.dilation, strict=True)
        axes = (Axis(n, (n - 1) * s + d * (k - 1) - 1, k, s, d, before=1) for n, k, s, d in parts)
        return Layer(tuple(axes), *self.channels)


CASES = {
    "deep": Case((3, 9, 51), (7, 6, 2), (2, 1, 3), (1, 2, 2), (121, 7)),
    "holes": Case((40, 4, 50), (7, 3, 8), (2, 2, 2), (3, 1, 1), (125, 2)),
    "wide": Case((20, 2, 60), (8, 8, 5), (1, 6, 7), (1, 3, 2), (3, 43)),
}


@pytest.fixture(params=CASES)
def layer(request: pytest.FixtureRequest) -> Layer:
    return CASES[str(request.param)].layer


def weights_of(layer: Layer) -> Array:
    return drawn(layer.small_channels, layer.large_channels, *layer.kernel)


def drawn(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(np.float32)


def test_forward_and_gradients_stay_exact(layer: Layer) -> None:
    x, weights = drawn(2, layer.in_channels, *layer.input_size), weights_of(layer)
    grad = drawn(2, layer.out_channels, *layer.output_size)
    for function, arrays in (
        (execute.run, (x, weights)),
        (execute.input_gradient, (grad, weights)),
        (execute.weight_gradient, (x, grad)),
    ):
        ours, theirs = (function(layer, *arrays, engine=name) for name in ("jit", "blas"))
        assert np.array_equal(ours, theirs)


def test_inputs_are_packed_a_few_times(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []

    def products(shape: product.Shape, position: int) -> list[Chunk]:
        pieces = chosen(shape, position)
        if shape.form.transposes:
            found.append(packed(pieces) / shape.batch / np.prod(shape.layer.input_size))
        return pieces

    def rows(shape: rows_shape.Shape) -> rows_pieces.Pieces:
        pieces = of(shape)
        if shape.packs:
            found.append(pieces.packed / float(np.prod(shape.layer.input_size)))
        return pieces

    def gradients(shape: gradient_shape.Shape, writer: gradient_tables._Writer, limit: int) -> int:
        wider = enlarged(shape, writer, limit)
        if shape.large_first:
            found.append(sum(writer.sizes(wider)) / shape.batch / float(np.prod(shape.large_size)))
        return wider

    chosen, of, enlarged = product._pieces, rows_pieces.Pieces.of, gradient_tables._enlarged
    monkeypatch.setattr(product, "_pieces", products)
    monkeypatch.setattr(rows_pieces.Pieces, "of", rows)
    monkeypatch.setattr(gradient_tables, "_enlarged", gradients)
    x, weights = drawn(4, layer.in_channels, *layer.input_size), weights_of(layer)
    grad = drawn(4, layer.out_channels, *layer.output_size)
    execute.run(layer, x, weights, engine="jit")
    execute.input_gradient(layer, grad, weights, engine="jit")
    execute.weight_gradient(layer, x, grad, engine="jit")
    assert len(found) >= 2
    assert max(found) <= AGAIN, found
