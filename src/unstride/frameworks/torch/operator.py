"""Two operators, closed under differentiation: a layer, and its gradient for the weights.

``unstride::apply`` is the relation read in either direction; its gradient for the input is itself read the other way,
its gradient for the weights is ``unstride::weight_gradient``, whose gradients are ``unstride::apply`` again.

Where nothing looks on, neither is dispatched: their own Python takes longer than a small layer. ``applied`` and
``differentiated`` choose; what they record with ``torch.autograd.Function`` has the same gradients.

Tensors are ``(batch, channels, *spatial)``; weights ``(small channels, large channels / groups, *taps)``, PyTorch's own
order for both directions.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from . import kept
from .arrays import new_output
from .computation import compute, compute_gradient, gradient_shape


def _fake(x: Tensor, weight: Tensor, bias: Tensor | None, *relation: Any) -> Tensor:
    del bias
    *_, size, groups, transposed = relation
    return new_output(x, weight.shape[1] * groups if transposed else weight.shape[0], list(size))


def _fake_gradient(x: Tensor, grad: Tensor, *relation: Any) -> Tensor:
    return x.new_empty(gradient_shape(x, grad, relation))


_RELATION = "SymInt[] stride, SymInt[] dilation, SymInt[] before, SymInt[] {}, SymInt groups, bool transposed"
APPLY, WEIGHT_GRADIENT = "unstride::apply", "unstride::weight_gradient"
_SCHEMAS = {
    APPLY: f"(Tensor x, Tensor weight, Tensor? bias, {_RELATION.format('size')}) -> Tensor",
    WEIGHT_GRADIENT: f"(Tensor x, Tensor grad, {_RELATION.format('kernel')}) -> Tensor",
}
for _name, _schema in _SCHEMAS.items():
    torch.library.define(_name, _schema, tags=(torch.Tag.pt2_compliant_tag,))
torch.library.impl(APPLY, "CPU", kept.compute)
torch.library.impl(WEIGHT_GRADIENT, "CPU", compute_gradient)
torch.library.register_fake(APPLY, _fake)
torch.library.register_fake(WEIGHT_GRADIENT, _fake_gradient)
apply: Any = torch.ops.unstride.apply.default
weight_gradient: Any = torch.ops.unstride.weight_gradient.default


def is_plain(*tensors: Tensor) -> bool:
    """Whether the tensors hold memory, and nothing looks on that would have to see an operator."""
    watched = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0  # noqa: SLF001 - there is no public question
    return not (watched or has_tangents()) and all(type(each) in _PLAIN and _holds(each) for each in tensors)


def has_tangents() -> bool:
    """Whether tensors may carry tangents, which no operator here carries on."""
    return bool(torch.autograd.forward_ad._current_level >= 0)  # noqa: SLF001 - there is no public question


def _holds(tensor: Tensor) -> bool:
    """Whether the tensor is what its memory says: no batch of another, no wrapper, not negated."""
    keys: int = torch._C._dispatch_keys(tensor).raw_repr()  # noqa: SLF001 - there is no public question
    return keys | _KEYS == _KEYS


_PLAIN = (Tensor, torch.nn.Parameter)
_KEYS: int = reduce(
    lambda keys, name: keys.add(getattr(torch._C.DispatchKey, name)),  # noqa: SLF001 - there are no public ones
    ("ADInplaceOrView", "AutogradCPU", "AutocastCPU"),
    torch._C.DispatchKeySet(torch._C.DispatchKey.CPU),  # noqa: SLF001 - there are no public ones
).raw_repr()
"""what PyTorch's dispatcher knows of a tensor in memory"""


def _recorded(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(each.requires_grad for each in tensors)


def applied(x: Tensor, weight: Tensor, bias: Tensor | None, *relation: Any) -> Tensor:
    """The layer's output; recorded where it must be, and where not, with weights packed once."""
    tensors = (x, weight) if bias is None else (x, weight, bias)
    if not is_plain(*tensors):
        made: Tensor = apply(x, weight, bias, *relation)
        return made
    run = Applied.apply if _recorded(*tensors) else kept.compute
    return run(x, weight, bias, *relation)


def differentiated(x: Tensor, grad: Tensor, *relation: Any) -> Tensor:
    """The gradient for the weights; recorded where it must be."""
    if not is_plain(x, grad):
        made: Tensor = weight_gradient(x, grad, *relation)
        return made
    run = Differentiated.apply if _recorded(x, grad) else compute_gradient
    return run(x, grad, *relation)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    del output
    x, weight, _, *ctx.relation = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    x, weight = ctx.saved_tensors
    stride, dilation, before, _, groups, transposed = ctx.relation
    needs_x, needs_weight, needs_bias, *others = ctx.needs_input_grad
    relation = (stride, dilation, before)
    for_x = applied(grad, weight, None, *relation, x.shape[2:], groups, not transposed) if needs_x else None
    for_weight = differentiated(x, grad, *relation, weight.shape[2:], groups, transposed) if needs_weight else None
    for_bias = grad.sum((0, *range(2, grad.ndim))) if needs_bias else None
    return for_x, for_weight, for_bias, *(None for _ in others)


class Applied(torch.autograd.Function):  # type: ignore[misc]  # torch is not typed here
    """``unstride::apply``, not dispatched."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _keep(ctx, inputs, None)
        return compute(*inputs)

    backward = staticmethod(_backward)


def _keep_gradient(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    del output
    x, grad, *ctx.relation = inputs
    ctx.save_for_backward(x, grad)


def _backward_gradient(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
    """⟨W(x, g), v⟩ = ⟨apply(x; v), g⟩: linear in either, so that each gradient is a layer with the weights v."""
    x, grad = ctx.saved_tensors
    stride, dilation, before, _, groups, transposed = ctx.relation
    needs_x, needs_grad, *others = ctx.needs_input_grad
    relation = (stride, dilation, before)
    for_x = applied(grad, cotangent, None, *relation, x.shape[2:], groups, not transposed) if needs_x else None
    for_grad = applied(x, cotangent, None, *relation, grad.shape[2:], groups, transposed) if needs_grad else None
    return for_x, for_grad, *(None for _ in others)


class Differentiated(torch.autograd.Function):  # type: ignore[misc]  # torch is not typed here
    """``unstride::weight_gradient``, not dispatched."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _keep_gradient(ctx, inputs, None)
        return compute_gradient(*inputs)

    backward = staticmethod(_backward_gradient)


torch.library.register_autograd(APPLY, _backward, setup_context=_keep)
torch.library.register_autograd(WEIGHT_GRADIENT, _backward_gradient, setup_context=_keep_gradient)
torch.library.register_autocast(APPLY, "cpu", torch.bfloat16)
