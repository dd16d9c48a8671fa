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
    if not all(isinstance(each, Tensor) for each in tensors):
        return False
    if exporting() or (not _compiling() and (_transforming() or torch.is_autocast_enabled("cpu"))):
        return False
    same = all(each.dtype is input.dtype and computable(each) for each in tensors)
    return same and (bias is None or bias.ndim == 1)


def _compiling() -> bool:
    return bool(torch.compiler.is_compiling())


def run(input: Tensor, weight: Tensor, bias: Tensor | None, found: Relation) -> Tensor:
    """The layer's output: through the operator where something is recorded or traced, else straight."""
    recorded = torch.is_grad_enabled() and (
        input.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    )
    if recorded or not is_plain(input, weight):
        made: Tensor = operator.apply(input, weight, bias, *found)
        return made
    return operator.compute(input, weight, bias, *found)


def is_plain(*tensors: Tensor) -> bool:
    """Whether the tensors hold memory, and nothing looks on that would have to see an operator."""
    return all(type(each) in _PLAIN for each in tensors) and not _compiling()


def _transforming() -> bool:
    """Whether ``torch.func`` or ``torch.vmap`` stands between: their tensors hold no memory of their own."""
    return torch._C._functorch.peek_interpreter_stack() is not None  # noqa: SLF001 - there is no public question


_PLAIN = (Tensor, torch.nn.Parameter)


def _call(input: Any, weight: Any, bias: Any, found: Relation | None, stock: Stock) -> Tensor:
    if found is None or not eligible(input, weight, bias):
        return stock()
    if bias is not None and len(bias) != _made(weight, found):
        return stock()
    return run(input, weight, bias, found)


def _made(weight: Tensor, found: Relation) -> int:
    """Output channels."""
    return int(weight.shape[1] * found.groups if found.transposed else weight.shape[0])


def _transposed(rank: int, stock: Callable[..., Tensor], *arguments: Any) -> Tensor:
    input, weight, bias, stride, padding, extra, groups, dilation = arguments
    found = None
    if isinstance(input, Tensor) and isinstance(weight, Tensor) and weight.ndim == rank + 2:
        found = relation.transposed(input.shape, weight.shape, stride, padding, extra, groups, dilation)
    return _call(input, weight, bias, found, lambda: stock(*arguments))


def _forward(rank: int, stock: Callable[..., Tensor], *arguments: Any) -> Tensor:
    input, weight, bias, stride, padding, dilation, groups = arguments
    found = None
    if isinstance(input, Tensor) and isinstance(weight, Tensor) and weight.ndim == rank + 2:
        found = relation.forward(input.shape, weight.shape, stride, padding, dilation, groups)
    return _call(input, weight, bias, found, lambda: stock(*arguments))


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """``torch.nn.functional.conv_transpose1d``; same arguments, same errors."""
    return _transposed(
        1, stock_functions.conv_transpose1d, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """``torch.nn.functional.conv_transpose2d``; same arguments, same errors."""
    return _transposed(
        2, stock_functions.conv_transpose2d, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """``torch.nn.functional.conv_transpose3d``; same arguments, same errors."""
    return _transposed(
        3, stock_functions.conv_transpose3d, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.nn.functional.conv1d``; same arguments, same errors."""
    return _forward(1, stock_functions.conv1d, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.nn.functional.conv2d``; same arguments, same errors."""
    return _forward(2, stock_functions.conv2d, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.nn.functional.conv3d``; same arguments, same errors."""
    return _forward(3, stock_functions.conv3d, input, weight, bias, stride, padding, dilation, groups)
