"""PyTorch: ``torch.nn`` modules."""

from __future__ import annotations

from dataclasses import dataclass

from ...dialects.arguments import Pairs
from ..plan import Plan
from .program import (
    Assign,
    Attribute,
    Call,
    Class,
    Do,
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
    method,
)
from .steps import BIAS, KERNEL, Applied, Words, building, construct, forward, heading, needs_numpy, prepared, unwritten

SELF = Name("self")


def _pad(x: Expression, pairs: Pairs) -> Expression:
    # PyTorch lists the last axis first, and only as many axes as are padded
    flat = [side for pair in reversed(pairs) for side in pair]
    while not any(flat[-2:]):
        del flat[-2:]
    return call("torch.nn.functional.pad", x, tuple(flat))


WORDS = Words(
    pad=_pad,
    split=lambda x, count, axis: call("torch.tensor_split", x, count, dim=axis),
    join=lambda parts, axis: call("torch.cat", parts, dim=axis),
    activations={
        "celu": Applied("torch.celu"),
        "elu": Applied("torch.nn.functional.elu"),
        "exponential": Applied("torch.exp"),
        "gelu": Applied("torch.nn.functional.gelu"),
        "hard_sigmoid": Applied("torch.nn.functional.hardsigmoid"),
        "hard_silu": Applied("torch.nn.functional.hardswish"),
        "hard_swish": Applied("torch.nn.functional.hardswish"),
        "hard_tanh": Applied("torch.nn.functional.hardtanh"),
        "hard_shrink": Applied("torch.nn.functional.hardshrink"),
        "leaky_relu": Applied("torch.nn.functional.leaky_relu", {"negative_slope": 0.2}),
        "log_sigmoid": Applied("torch.nn.functional.logsigmoid"),
        "log_softmax": Applied("torch.log_softmax", axis="dim"),
        "mish": Applied("torch.nn.functional.mish"),
        "relu": Applied("torch.relu"),
        "relu6": Applied("torch.nn.functional.relu6"),
        "selu": Applied("torch.selu"),
        "sigmoid": Applied("torch.sigmoid"),
        "silu": Applied("torch.nn.functional.silu"),
        "soft_shrink": Applied("torch.nn.functional.softshrink"),
        "softmax": Applied("torch.softmax", axis="dim"),
        "softplus": Applied("torch.nn.functional.softplus", {"threshold": 1e3}),
        "softsign": Applied("torch.nn.functional.softsign"),
        "swish": Applied("torch.nn.functional.silu"),
        "tanh": Applied("torch.tanh"),
        "tanh_shrink": Applied("torch.nn.functional.tanhshrink"),
    },
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One layer inside a module."""

    members: tuple[Statement, ...]
    """what ``__init__`` makes"""
    body: tuple[Statement, ...]
    """from ``x`` to what ``forward`` returns"""
    state: dict[str, Expression]
    """names in ``state_dict`` → the arrays that ``prepared`` leaves"""


def layer(plan: Plan, name: str = "conv") -> Piece:
    """The members, the forward pass and the weights of one layer called ``name``."""
    if plan.spec.functional:
        raise unwritten(plan, "only torch.nn's modules hold their weights")
    made, member = construct(plan.spec), Attribute(SELF, name)
    state: dict[str, Expression] = {}
    if plan.split == 1:
        members: list[Statement] = [Assign(member, made)]
        state[f"{name}.weight"] = KERNEL
        state |= {f"{name}.bias": BIAS} if plan.inner_bias else {}
        body = forward(plan, WORDS, lambda x: Call(member, (x,)), bias=Attribute(SELF, f"{name}_bias"))
    else:
        parts = Each(made, ("_",), (Call(Name("range"), (plan.split,)),))
        members = [Assign(member, call("torch.nn.ModuleList", parts))]
        for index in range(plan.split):
            state[f"{name}.{index}.weight"] = _element("kernels", index)
            state |= {f"{name}.{index}.bias": _element("biases", index)} if plan.inner_bias else {}
        body = forward(
            plan, WORDS, lambda x: Call(Name(name), (x,)), {name: member}, bias=Attribute(SELF, f"{name}_bias")
        )
    if plan.outer_bias:
        zeros = call("torch.zeros", plan.layer.out_channels)
        members.append(Assign(Attribute(SELF, f"{name}_bias"), call("torch.nn.Parameter", zeros)))
        state[f"{name}_bias"] = BIAS
    return Piece(tuple(members), body, state)


def _element(name: str, index: int) -> Expression:
    return Index(Name(name), index)


def program(plan: Plan) -> Program:
    """The layer as a module of its own."""
    piece, title = layer(plan), plan.spec.call.rpartition(".")[2]
    state, definitions, made = piece.state, [], construct(plan.spec)
    if not plan.plain or plan.activation:
        title = "module"
        initialize = Function("__init__", ("self",), (InitializeBase(), *piece.members))
        methods = (initialize, Function("forward", ("self", "x"), piece.body))
        definitions.append(Class("Ported", Path("torch.nn.Module"), methods))
        made = Call(Name("Ported"))
    else:
        state = {key.partition(".")[2]: value for key, value in state.items()}
    tensors = {key: call("torch.from_numpy", value) for key, value in state.items()}
    body = (
        *prepared(plan, contiguous=True),
        Assign(Name("layer"), made),
        Do(method(Name("layer"), "load_state_dict", tensors)),
        Return(Name("layer")),
    )
    imports = ("numpy", "torch") if needs_numpy(body) else ("torch",)
    return Program(heading(plan, "PyTorch"), imports, (*definitions, building(plan, title, body)))
