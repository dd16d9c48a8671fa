"""Flax: ``flax.nnx`` modules."""

from __future__ import annotations

from ..plan import Plan
from .jax import WORDS
from .program import (
    Assign,
    Attribute,
    Call,
    Class,
    Each,
    Expression,
    Function,
    Index,
    InitializeBase,
    Name,
    Path,
    Program,
    Return,
    Statement,
    call,
)
from .steps import BIAS, KERNEL, building, construct, forward, heading, needs_numpy, prepared, unwritten

SELF, LAYER = Name("self"), Name("layer")


def _parameter(array: Expression) -> Expression:
    return call("flax.nnx.Param", call("jax.numpy.asarray", array))


def layer(plan: Plan, name: str = "conv") -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """What ``__init__(self, rngs)`` makes, and the lines from ``x`` to what ``__call__`` returns."""
    made, member, bias = construct(plan.spec, rngs=Name("rngs")), Attribute(SELF, name), Attribute(SELF, f"{name}_bias")
    if plan.split == 1:
        members: list[Statement] = [Assign(member, made)]
        body = forward(plan, WORDS, lambda x: Call(member, (x,)), bias=bias)
    else:
        parts = Each(made, ("_",), (Call(Name("range"), (plan.split,)),))
        members = [Assign(member, call("flax.nnx.List", parts))]
        body = forward(plan, WORDS, lambda x: Call(Name(name), (x,)), {name: member}, bias=bias)
    if plan.outer_bias:
        members.append(Assign(bias, call("flax.nnx.Param", call("jax.numpy.zeros", plan.layer.out_channels))))
    return tuple(members), body


def filled(plan: Plan, owner: Expression, name: str = "conv") -> tuple[Statement, ...]:
    """The lines that put ``kernel`` and ``bias`` into the layer called ``name``; none: into the owner itself."""
    found: list[Statement] = []
    conv = Attribute(owner, name) if name else owner
    for index in range(plan.split):
        place: Expression = conv if plan.split == 1 else Index(conv, index)
        kernel: Expression = KERNEL if plan.split == 1 else Index(Name("kernels"), index)
        bias: Expression = BIAS if plan.split == 1 else Index(Name("biases"), index)
        found.append(Assign(Attribute(place, "kernel"), _parameter(kernel)))
        found += [Assign(Attribute(place, "bias"), _parameter(bias))] if plan.inner_bias else []
    if plan.outer_bias:
        found.append(Assign(Attribute(owner, f"{name}_bias"), _parameter(BIAS)))
    return tuple(found)


def program(plan: Plan) -> Program:
    """The layer as an nnx module."""
    if not plan.spec.call.startswith("flax.nnx."):
        raise unwritten(plan, "only nnx modules hold their weights")
    rngs: Expression = call("flax.nnx.Rngs", 0)
    if plan.plain and not plan.activation:
        made: Expression = construct(plan.spec, rngs=rngs)
        definitions, name, title = [], "", plan.spec.call.rpartition(".")[2]
    else:
        members, forwards = layer(plan)
        methods = (
            Function("__init__", ("self", "rngs"), (InitializeBase(), *members)),
            Function("__call__", ("self", "x"), forwards),
        )
        definitions, name, title = [Class("Ported", Path("flax.nnx.Module"), methods)], "conv", "module"
        made = Call(Name("Ported"), (rngs,))
    body = (*prepared(plan), Assign(LAYER, made), *filled(plan, LAYER, name), Return(LAYER))
    imports = ("flax.nnx", "jax", *(("numpy",) if needs_numpy(body) else ()))
    return Program(heading(plan, "Flax"), imports, (*definitions, building(plan, title, body)))
