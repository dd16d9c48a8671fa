"""JAX: a function of the data, the kernel and the bias."""

from __future__ import annotations

from ...dialects.arguments import Pairs
from ..plan import Plan
from .program import Each, Expression, Function, Name, Program, Return, call
from .steps import BIAS, KERNEL, Applied, Words, building, construct, forward, heading, needs_numpy, order, prepared


def _pad(x: Expression, pairs: Pairs) -> Expression:
    return call("jax.numpy.pad", x, pairs)


_SAME = ("celu", "elu", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "squareplus")

WORDS = Words(
    pad=_pad,
    split=lambda x, count, axis: call("jax.numpy.split", x, count, axis=axis),
    join=lambda parts, axis: call("jax.numpy.concatenate", parts, axis=axis),
    activations={
        **{name: Applied(f"jax.nn.{name}") for name in _SAME},
        "exponential": Applied("jax.numpy.exp"),
        "gelu": Applied("jax.nn.gelu", {"approximate": False}),
        "hard_sigmoid": Applied("jax.nn.hard_sigmoid"),
        "hard_silu": Applied("jax.nn.hard_silu"),
        "hard_swish": Applied("jax.nn.hard_silu"),
        "hard_tanh": Applied("jax.nn.hard_tanh"),
        "leaky_relu": Applied("jax.nn.leaky_relu", {"negative_slope": 0.2}),
        "log_softmax": Applied("jax.nn.log_softmax", axis="axis"),
        "softmax": Applied("jax.nn.softmax", axis="axis"),
        "softsign": Applied("jax.nn.soft_sign"),
        "swish": Applied("jax.nn.silu"),
        "tanh": Applied("jax.numpy.tanh"),
    },
)


def function(plan: Plan, name: str = "layer") -> Function:
    """The layer as a function of ``x``, the target's kernel (or kernels), and the bias where it has one."""
    arrays = {"x": Name("x"), "w": KERNEL}
    groups: dict[str, Expression] = {}
    kernel = "kernel"
    if plan.split > 1:
        kernel, groups = "kernels", {"kernel": Name("kernels")}

    def apply(x: Expression) -> Expression:
        return construct(plan.spec, **{**arrays, "x": x})

    parameters = ("x", kernel, *(("bias",) if plan.outer_bias else ()))
    shape = order(plan, plan.spec.weight_layout(plan.layer.rank))
    doc = f"x {plan.data.name} -> y {plan.result.name}; kernel {shape}."
    return Function(name, parameters, forward(plan, WORDS, apply, groups), (doc,))


def weights(plan: Plan) -> dict[str, Expression]:
    """The function's parameters but ``x``, from the arrays that ``prepared`` leaves."""
    if plan.split > 1:
        part = call("jax.numpy.asarray", Name("part"))
        found: dict[str, Expression] = {"kernels": Each(part, ("part",), (Name("kernels"),))}
    else:
        found = {"kernel": call("jax.numpy.asarray", KERNEL)}
    return found | ({"bias": call("jax.numpy.asarray", BIAS)} if plan.outer_bias else {})


def program(plan: Plan) -> Program:
    """The layer as a function, and its weights bound to it."""
    given = weights(plan)
    lines = prepared(plan)
    made = Return(call("functools.partial", Name("layer"), **given))
    imports = ("functools", "jax", *(("numpy",) if needs_numpy(lines) else ()))
    definitions = (function(plan), building(plan, "function", (*lines, made)))
    return Program(heading(plan, "JAX"), imports, definitions)
