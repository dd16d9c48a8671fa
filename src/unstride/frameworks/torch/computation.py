"""Tensors through the engine: a layer's output, and the gradient for its weights. Nothing is recorded.

Tensors are ``(batch, channels, *spatial)``; weights ``(small channels, large channels / groups, *taps)``, PyTorch's own
order for both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

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


def layer_of(
    x: Tensor,
    weights: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    size: Sequence[int],
    groups: int,
    transposed: bool,
    bias: bool = False,
) -> Layer:
    """The framework-free layer for this input, weights of this shape, and outputs of the spatial size ``size``."""
    parts = (tuple(x.shape[2:]), tuple(weights), tuple(stride), tuple(dilation), tuple(before), tuple(size))
    return _known(*parts, groups, transposed, bias)


def compute(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    size: Sequence[int],
    groups: int,
    transposed: bool,
) -> Tensor:
    """The layer's output of the spatial size ``size``."""
    follow()
    layer = layer_of(x, weight.shape, stride, dilation, before, size, groups, transposed, bias is not None)
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


def compute_gradient(
    x: Tensor,
    grad: Tensor,
    stride: Sequence[int],
    dilation: Sequence[int],
    before: Sequence[int],
    kernel: Sequence[int],
    groups: int,
    transposed: bool,
) -> Tensor:
    """The gradient for the weights, from the layer's input and its output's gradient."""
    follow()
    small, large = (x, grad) if transposed else (grad, x)
    weights = (small.shape[1], large.shape[1] // groups, *kernel)
    layer = layer_of(x, weights, stride, dilation, before, grad.shape[2:], groups, transposed)
    return as_tensor(execute.weight_gradient(layer, as_array(x), as_array(grad))).contiguous()
