"""``torch.nn.functional``'s convolutions, with its signatures, computed by the engine where it can.

Elsewhere — other devices and types, arguments that PyTorch rejects — the call is PyTorch's own, and so is its error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as stock_functions

from . import operator, relation
from .arrays import computable
from .relation import Ints, Relation
from .stock import exporting

Stock = Callable[[], Tensor]


def eligible(input: Any, weight: Any, bias: Any) -> bool:
    """Whether the engine computes with these tensors."""
    tensors = [input, weight] if bias is None else [input, weight, bias]
    for each in tensors:
        if not isinstance(each, Tensor) or each.dtype is not input.dtype or not computable(each):
            return False
    if exporting() or (not torch.compiler.is_compiling() and (_transforming() or torch.is_autocast_enabled("cpu"))):
        return False
    return bias is None or bias.ndim == 1


def _transforming() -> bool:
    """Whether ``torch.func``, ``torch.vmap`` or a tangent stands between: PyTorch's own calls know what to do then."""
    between = torch._C._functorch.peek_interpreter_stack() is not None  # noqa: SLF001 - there is no public question
    return between or operator.has_tangents()


def _call(input: Any, weight: Any, bias: Any, found: Relation | None, stock: Stock) -> Tensor:
    if found is None or not eligible(input, weight, bias):
        return stock()
    if bias is not None and len(bias) != _made(weight, found):
        return stock()
    return operator.applied(input, weight, bias, *found)


def _made(weight: Tensor, found: Relation) -> int:
    """Output channels."""
    return int(weight.shape[1] * found.groups if found.transposed else weight.shape[0])


def _transposed(rank: int) -> Callable[..., Tensor]:
    """``conv_transpose{rank}d``, with PyTorch's signature."""
    name = f"conv_transpose{rank}d"
    stock: Callable[..., Tensor] = getattr(stock_functions, name)

    def call(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        dilation: Ints = 1,
    ) -> Tensor:
        found = None
        if _ranked(input, weight, rank):
            words = (stride, padding, output_padding, groups, dilation)
            found = relation.transposed(input.shape, weight.shape, *words)
        given = (input, weight, bias, stride, padding, output_padding, groups, dilation)
        return _call(input, weight, bias, found, lambda: stock(*given))

    return _named(call, name)


def _forward(rank: int) -> Callable[..., Tensor]:
    """``conv{rank}d``, with PyTorch's signature."""
    name = f"conv{rank}d"
    stock: Callable[..., Tensor] = getattr(stock_functions, name)

    def call(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> Tensor:
        found = None
        if _ranked(input, weight, rank):
            found = relation.forward(input.shape, weight.shape, stride, padding, dilation, groups)
        return _call(input, weight, bias, found, lambda: stock(input, weight, bias, stride, padding, dilation, groups))

    return _named(call, name)


def _ranked(input: Any, weight: Any, rank: int) -> bool:
    return isinstance(input, Tensor) and isinstance(weight, Tensor) and bool(weight.ndim == rank + 2)


def _named(call: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``torch.nn.functional.{name}``; same arguments, same errors."
    return call


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_transposed, (1, 2, 3))
conv1d, conv2d, conv3d = map(_forward, (1, 2, 3))
