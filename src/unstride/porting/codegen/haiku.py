"""Haiku: a transformed function with its parameters bound."""

from __future__ import annotations

from ..plan import Plan
from .jax import WORDS
from .program import Assign, Attribute, Call, Expression, Function, Index, Name, Path, Program, Return, Statement, call
from .steps import BIAS, KERNEL, building, construct, forward, heading, needs_numpy, prepared


def _asarray(array: Expression) -> Expression:
    return call("jax.numpy.asarray", array)


def function(plan: Plan, name: str = "conv") -> Function:
    """The layer as a function to be transformed; its modules are called ``name``, numbered for several groups."""
    if plan.split == 1:
        made = construct(plan.spec, name=name)
        body = forward(plan, WORDS, lambda x: Call(made, (x,)), bias=_outer(plan, name))
    else:
        made = construct(plan.spec, name=Name("name"))
        names: Expression = [f"{name}_{index}" for index in range(plan.split)]
        body = forward(plan, WORDS, lambda x: Call(made, (x,)), {"name": names}, bias=_outer(plan, name))
    return Function("layer", ("x",), body, (f"x {plan.data.name} -> y {plan.result.name}.",))


def _outer(plan: Plan, name: str) -> Expression:
    shape = (plan.layer.out_channels,)
    return call("haiku.get_parameter", f"{name}_bias", shape, init=Path("jax.numpy.zeros")) if plan.outer_bias else BIAS


def parameters(plan: Plan, name: str = "conv") -> dict[str, Expression]:
    """The parameters of those modules, from the arrays that ``prepared`` leaves."""
    found: dict[str, Expression] = {}
    for index in range(plan.split):
        single = plan.split == 1
        held = {"w": _asarray(KERNEL if single else Index(Name("kernels"), index))}
        if plan.inner_bias:
            held["b"] = _asarray(BIAS if single else Index(Name("biases"), index))
        found[name if single else f"{name}_{index}"] = held
    return found | ({"~": {f"{name}_bias": _asarray(BIAS)}} if plan.outer_bias else {})


def program(plan: Plan) -> Program:
    """The layer as a function with its parameters bound to it."""
    lines: tuple[Statement, ...] = (
        *prepared(plan),
        Assign(Name("parameters"), parameters(plan)),
        Assign(Name("transformed"), call("haiku.without_apply_rng", call("haiku.transform", Name("layer")))),
        Return(call("functools.partial", Attribute(Name("transformed"), "apply"), Name("parameters"))),
    )
    imports = ("functools", "haiku", "jax", *(("numpy",) if needs_numpy(lines) else ()))
    definitions = (function(plan), building(plan, "function", lines))
    return Program(heading(plan, "Haiku"), imports, definitions)
