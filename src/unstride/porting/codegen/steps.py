"""What every target shares: the steps around the call, in the framework's words, and what is done to the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import TypeAlias

from ...dialects.arguments import Pairs
from ...dialects.spec import Source, Spec, argument
from ...errors import Reason, UnstrideError
from ...geometry import WeightLayout
from ..plan import Plan, everywhere, kept
from .program import (
    Assign,
    Attribute,
    Call,
    Each,
    Expression,
    ForbidGiven,
    Function,
    Index,
    Name,
    Path,
    Rearranged,
    Remark,
    Return,
    Statement,
    Sum,
    call,
    method,
)

Step: TypeAlias = tuple[str, Expression]
"""a variable, ``x`` or ``y``, and its new value"""
X, Y, KERNEL, BIAS = Name("x"), Name("y"), Name("kernel"), Name("bias")


@dataclass(frozen=True, slots=True)
class Applied:
    """A function of an array: how a framework says an activation."""

    path: str
    keywords: Mapping[str, Expression] = field(default_factory=dict)
    axis: str = ""
    """the argument that says along which axis it sums, where it does"""

    def to(self, y: Expression, axis: int) -> Call:
        """The call."""
        return Call(Path(self.path), (y,), {**self.keywords, **({self.axis: axis} if self.axis else {})})


@dataclass(frozen=True, slots=True)
class Words:
    """How a framework says what is done around a convolution."""

    pad: Callable[[Expression, Pairs], Expression]
    """zeros at both ends of every axis of the data"""
    split: Callable[[Expression, int, int], Expression]
    """an array, how many equal parts, along which axis"""
    join: Callable[[Expression, int], Expression]
    """a list of arrays, along which axis"""
    activations: Mapping[str, Applied]
    """the source's name → the function"""


def before(plan: Plan, words: Words, x: Expression = X) -> tuple[Step, ...]:
    """The steps that the input takes."""
    found: list[Step] = []
    if any(map(any, plan.grown)):
        found.append(("x", words.pad(x, everywhere(plan.data, plan.grown))))
    if any(map(any, plan.dropped)):
        found.append(("x", Index(x, kept(plan.data, plan.dropped))))
    return tuple(found)


def after(plan: Plan, words: Words, bias: Expression = BIAS) -> tuple[Step, ...]:
    """The steps that the output takes."""
    found: list[Step] = []
    if any(map(any, plan.cropped)):
        found.append(("y", Index(Y, kept(plan.result, plan.cropped))))
    if plan.outer_bias:
        found.append(("y", Sum(Y, column(plan, bias))))
    if plan.activation is not None:
        found.append(("y", words.activations[plan.activation].to(Y, plan.activation_axis)))
    return tuple(found)


def column(plan: Plan, bias: Expression) -> Expression:
    """The bias as it is added to the output: along the channels."""
    channels = plan.result.order.index("C")
    behind = len(plan.result.order) - channels - 1
    return method(bias, "reshape", -1, *(1,) * behind) if behind else bias


def forward(
    plan: Plan,
    words: Words,
    apply: Callable[[Expression], Expression],
    groups: Mapping[str, Expression] | None = None,
    bias: Expression = BIAS,
) -> tuple[Statement, ...]:
    """From ``x`` to the returned output: what comes before, the call that ``apply`` writes, and what comes after.

    With groups split apart, ``apply`` is written once for each of them: ``groups`` holds the names in it that stand
    for one group's part, and the sequences of those.
    """
    if plan.split == 1:
        made = apply(X)
    else:
        drawn = {"part": words.split(X, plan.split, plan.data.order.index("C")), **(groups or {})}
        parts = Each(apply(Name("part")), tuple(drawn), tuple(drawn.values()))
        made = words.join(parts, plan.result.order.index("C"))
    steps = [*before(plan, words), ("y", made), *after(plan, words, bias)]
    *first, (_, last) = steps
    return (*(Assign(Name(name), value) for name, value in first), Return(last))


def construct(spec: Spec, **given: Expression) -> Call:
    """The target's call, as ``Spec.code`` writes it; ``given`` stands for the arrays that it names."""
    positional, keywords = [], {}
    for each in sorted(fields(spec), key=lambda each: each.kw_only is True):
        value = getattr(spec, each.name)
        if isinstance(value, Source):
            value = given[value.text]
        elif each.name in given:
            value = given[each.name]
        if each.default is MISSING and not each.kw_only:
            positional.append(value)
        elif value != each.default:
            keywords[argument(each.name)] = value
    return Call(Path(spec.call), tuple(positional), keywords)


def unwritten(plan: Plan, rule: str) -> UnstrideError:
    """The error for a call that the target's module does not write."""
    return UnstrideError(Reason.UNSUPPORTED, rule, argument="call", value=plan.spec.call)


# --- weights --------------------------------------------------------------------------------------------------


def prepared(plan: Plan, *, contiguous: bool = False) -> tuple[Statement, ...]:
    """The lines that turn the source's ``kernel`` and ``bias`` into the target's, still NumPy arrays.

    Groups that are split apart become lists, ``kernels`` and ``biases``. ``contiguous``: no reversed views are left.
    """
    recipe, found = plan.recipe, list[Statement]()
    if not plan.layer.bias:
        found.append(ForbidGiven("bias", "this layer has no bias"))
    elif plan.source.dialect in _SHAPED_BIAS:
        found.append(Assign(BIAS, method(BIAS, "reshape", -1)))
    if recipe.widened:
        found.append(Remark("zeros between the taps, in place of a dilation"))
        found.append(Assign(Name("wide"), call("numpy.zeros", recipe.widened, Attribute(KERNEL, "dtype"))))
        found.append(Assign(Index(Name("wide"), recipe.places), Rearranged("kernel", recipe.moved)))
        found.append(Assign(KERNEL, Name("wide")))
    elif not recipe.moved.trivial:
        moved: Expression = Rearranged("kernel", recipe.moved)
        # for one tap NumPy takes a reversed view as contiguous, and only a copy loses the negative stride
        found.append(Assign(KERNEL, method(moved, "copy") if contiguous else moved))
    if recipe.split > 1:
        found.append(Assign(Name("kernels"), call("numpy.split", KERNEL, recipe.split, axis=recipe.axis)))
        if plan.inner_bias:
            found.append(Assign(Name("biases"), call("numpy.split", BIAS, recipe.split)))
    return tuple(found)


_SHAPED_BIAS = ("equinox", "haiku")
"""dialects whose bias may have more than one axis"""


def needs_numpy(body: tuple[Statement, ...]) -> bool:
    """Whether the lines name NumPy."""
    from .printing import lines

    return any("numpy." in line.replace("jax.numpy.", "") for line in lines(body))


# --- text -----------------------------------------------------------------------------------------------------


def building(plan: Plan, title: str, body: tuple[Statement, ...]) -> Function:
    """``build(kernel, bias)``, with what it takes and gives in its docstring."""
    parameters = ("kernel", "bias" if plan.layer.bias else "bias=None")
    return Function("build", parameters, body, (f"The {title} with these weights.", "", *_weights(plan), *_data(plan)))


def _weights(plan: Plan) -> tuple[str, ...]:
    layout = plan.source.weight_layout(plan.layer.rank)
    bias = f"bias: NumPy array {(plan.layer.out_channels,)}" if plan.layer.bias else "bias: none in this layer"
    return (f"kernel: NumPy array {layout.shape(plan.layer)}, ordered {order(plan, layout)}", bias)


def order(plan: Plan, layout: WeightLayout) -> str:
    """The kernel's axes, its channels called by what they are in this direction."""
    small, large = ("in", "out") if plan.layer.transposed else ("out", "in")
    return layout.name.replace("small", small).replace("large", large)


def _data(plan: Plan) -> tuple[str, ...]:
    batched = plan.source.data_layout(len(plan.input_shape)).batched
    taken = f"takes: x {_open(plan.target_input_shape, plan.data.batched)}, ordered {plan.data.name}"
    given = f"gives: y {_open(plan.target_output_shape, plan.result.batched)}, ordered {plan.result.name}"
    if batched and not plan.data.batched:
        # the moves of a batch would be those of one example
        return f"{taken}; jax.vmap of it takes a batch", given
    if not plan.incoming.trivial:
        taken += f"; from {plan.source.data_layout(len(plan.input_shape)).name}: {plan.incoming.expression('x')}"
    if not plan.outgoing.trivial:
        given += f"; to {plan.source.output_layout(len(plan.input_shape)).name}: {plan.outgoing.expression('y')}"
    return taken, given


def _open(shape: tuple[int, ...], batched: bool) -> str:
    return f"({', '.join(['batch', *map(str, shape[1:])])})" if batched else str(shape)


def heading(plan: Plan, title: str) -> tuple[str, ...]:
    """The module's docstring."""
    shape = _open(plan.input_shape, plan.source.data_layout(len(plan.input_shape)).batched)
    return (
        f"A layer in {title}, with the same numbers for inputs of shape {shape} as",
        "",
        f"    {plan.source.code()}",
    )
