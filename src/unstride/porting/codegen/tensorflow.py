"""TensorFlow: a ``tf.Module`` around a function of ``tf.nn``."""

from __future__ import annotations

from ...dialects.arguments import Pairs
from ..plan import Plan
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
from .steps import Applied, Words, building, construct, forward, heading, needs_numpy, prepared

SELF = Name("self")


def _pad(x: Expression, pairs: Pairs) -> Expression:
    return call("tf.pad", x, pairs)


_SAME = ("elu", "gelu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh")

WORDS = Words(
    pad=_pad,
    split=lambda x, count, axis: call("tf.split", x, count, axis=axis),
    join=lambda parts, axis: call("tf.concat", parts, axis=axis),
    activations={
        **{name: Applied(f"tf.nn.{name}") for name in _SAME},
        "exponential": Applied("tf.exp"),
        "leaky_relu": Applied("tf.nn.leaky_relu", {"alpha": 0.2}),
        "log_sigmoid": Applied("tf.math.log_sigmoid"),
        "log_softmax": Applied("tf.nn.log_softmax", axis="axis"),
        "softmax": Applied("tf.nn.softmax", axis="axis"),
        "swish": Applied("tf.nn.silu"),
    },
)


def applied(plan: Plan, x: Expression, kernel: Expression) -> Call:
    """The function's call; the batch of an output shape is that of ``x``."""
    shape = getattr(plan.spec, "output_shape_", None)
    given: dict[str, Expression] = {"x": x, "filters": kernel}
    if shape is not None:
        given["output_shape_"] = [Index(call("tf.shape", x), 0), *shape[1:]]
    return construct(plan.spec, **given)


def layer(plan: Plan, name: str = "") -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """What ``__init__`` keeps of ``kernel`` and ``bias``, and the lines from ``x`` to what ``__call__`` returns."""
    kernel, bias = f"{name}kernel", Attribute(SELF, f"{name}bias")
    if plan.split == 1:
        kept: list[Statement] = [Assign(Attribute(SELF, kernel), call("tf.Variable", Name("kernel")))]
        body = forward(plan, WORDS, lambda x: applied(plan, x, Attribute(SELF, kernel)), bias=bias)
    else:
        variables = Each(call("tf.Variable", Name("part")), ("part",), (Name("kernels"),))
        kept = [Assign(Attribute(SELF, f"{kernel}s"), variables)]
        groups = {"kernel": Attribute(SELF, f"{kernel}s")}
        body = forward(plan, WORDS, lambda x: applied(plan, x, Name("kernel")), groups, bias=bias)
    if plan.outer_bias:
        kept.append(Assign(bias, call("tf.Variable", Name("bias"))))
    return tuple(kept), body


def program(plan: Plan) -> Program:
    """The layer as a module that holds its weights."""
    kept, body = layer(plan)
    names = ("kernel" if plan.split == 1 else "kernels", *(("bias",) if plan.outer_bias else ()))
    methods = (
        Function("__init__", ("self", *names), (InitializeBase(), *kept)),
        Function("__call__", ("self", "x"), body),
    )
    lines = (*prepared(plan), Return(Call(Name("Ported"), tuple(map(Name, names)))))
    imports = (*(("numpy",) if needs_numpy(lines) else ()), "tensorflow as tf")
    definitions = (Class("Ported", Path("tf.Module"), methods), building(plan, "module", lines))
    return Program(heading(plan, "TensorFlow"), imports, definitions)
