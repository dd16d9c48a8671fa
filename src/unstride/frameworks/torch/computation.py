"""Tensors through the engine: a layer's output, and the gradient for its weights. Nothing is recorded.

Tensors are ``(batch, channels, *spatial)``; weights ``(small channels, large channels / groups, *taps)``, PyTorch's own
order for both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor

from ...engine import execute
from ...geometry import Axis, Layer
from .arrays import Array, as_array, as_tensor, follow, lies_last

CACHED = 4096
"""layers remembered"""


@lru_cache(maxsize=CACHED)
def _known(
    given: tuple[int, ...],
    weights: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    before: tuple[int, ...],
    size: tuple[int, ...],
    groups: int,
    transposed: bool,
    bias: bool,
) -> Layer:
    small, large = (given, size) if transposed else (size, given)
    parts = zip(small, large, weights[2:], stride, dilation, before, strict=True)
    return Layer(tuple(Axis(*part) for part in parts), weights[0], weights[1] * groups, groups, transposed, bias)


def layer_of(x: Tensor, weights: Sequence[int], relation: Sequence[Any], *, bias: bool = False) -> Layer:
    """The framework-free layer for this input and weights of this shape; ``relation`` as in ``relation.Relation``."""
    *lists, groups, transposed = relation
    return _known(tuple(x.shape[2:]), tuple(weights), *map(tuple, lists), groups, transposed, bias)


def compute(x: Tensor, weight: Tensor, bias: Tensor | None, *relation: Any) -> Tensor:
    """The layer's output."""
    follow()
    layer = layer_of(x, weight.shape, relation, bias=bias is not None)
    addend = None if bias is None else as_array(bias)
    return settled(execute.run(layer, as_array(x), as_array(weight), addend), x)


def settled(y: Array, x: Tensor) -> Tensor:
    """The output with its channels lying as the input's do: where they do not, moved."""
    made = as_tensor(y)
    last = lies_last(x)
    packed = made.movedim(1, -1) if last else made
    if packed.is_contiguous():
        return made
    return packed.contiguous().movedim(-1, 1) if last else made.contiguous()


def compute_gradient(x: Tensor, grad: Tensor, *relation: Any) -> Tensor:
    """The gradient for the weights, from the layer's input and its output's gradient; the taps in the size's place."""
    follow()
    layer = layer_of(x, gradient_shape(x, grad, relation), _sized(relation, grad.shape[2:]))
    return as_tensor(execute.weight_gradient(layer, as_array(x), as_array(grad))).contiguous()


def gradient_shape(x: Tensor, grad: Tensor, relation: Sequence[Any]) -> tuple[int, ...]:
    """Of the gradient for the weights."""
    *_, kernel, groups, transposed = relation
    small, large = (x, grad) if transposed else (grad, x)
    return small.shape[1], large.shape[1] // groups, *kernel


def _sized(relation: Sequence[Any], size: Sequence[int]) -> tuple[Any, ...]:
    *steps, _, groups, transposed = relation
    return *steps, size, groups, transposed
