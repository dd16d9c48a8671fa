"""Equinox: ``equinox.nn`` layers, whose input has no batch axis."""

from __future__ import annotations

from typing import Any

from ..plan import Plan
from .jax import WORDS
from .program import Assign, Attribute, Expression, Given, Name, Program, Return, Statement, call, method
from .steps import BIAS, KERNEL, Step, after, before, building, construct, heading, needs_numpy, prepared, unwritten

LAYER = Name("layer")


def _step(step: Step) -> Expression:
    """One step around the layer, as a layer."""
    name, value = step
    return call("equinox.nn.Lambda", Given(name, value))


def layer(plan: Plan) -> tuple[Statement, ...]:
    """The lines that make ``layer``, with its weights, from the arrays that ``prepared`` leaves."""
    if plan.split > 1 or plan.outer_bias:
        raise unwritten(plan, "Equinox's layers have groups and a bias of their own")
    made = construct(plan.spec, key=call("jax.random.key", 0))
    names = ("weight", "bias") if plan.inner_bias else ("weight",)
    arrays: dict[str, Any] = {"weight": KERNEL, "bias": method(BIAS, "reshape", -1, *(1,) * plan.layer.rank)}
    where = Given("tree", tuple(Attribute(Name("tree"), name) for name in names))
    values = tuple(call("jax.numpy.asarray", arrays[name]) for name in names)
    return (Assign(LAYER, made), Assign(LAYER, call("equinox.tree_at", where, LAYER, values)))


def program(plan: Plan) -> Program:
    """The layer, or a ``Sequential`` of it and the steps around it."""
    first, last = before(plan, WORDS), after(plan, WORDS)
    lines: tuple[Statement, ...] = (*prepared(plan), *layer(plan))
    title = plan.spec.call.rpartition(".")[2]
    if first or last:
        title = "Sequential"
        stack = [*map(_step, first), LAYER, *map(_step, last)]
        lines = (*lines, Assign(LAYER, call("equinox.nn.Sequential", stack)))
    lines = (*lines, Return(LAYER))
    imports = ("equinox", "jax", *(("numpy",) if needs_numpy(lines) else ()))
    return Program(heading(plan, "Equinox"), imports, (building(plan, title, lines),))
