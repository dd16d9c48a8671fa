"""The one entry: check the arrays, plan, pick an engine from the table, run it.

Data is ``(batch, channels, *spatial)``, weights ``(small_channels, large_channels / groups, *taps)`` for both
directions, the bias ``(out_channels,)``. Any strides and read-only arrays will do; nothing is written to. The
element types of results are those of ``dtypes``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import Reason, UnstrideError
from ..geometry import Layer
from . import adjoint, blas, checks, reference
from .boxes import families
from .dtypes import Arithmetic, Operand, check_kind, distinct
from .ends import Activation, Ends
from .jit import run as jit
from .plan import Footprint, Plan, Whole, plan

if TYPE_CHECKING:
    from .jit.calls import Job

Array = NDArray[Any]
DType = np.dtype[Any]
Gradient = Callable[[Array, Array], Array]
"""the weights' gradient from the input and the output's gradient"""


@dataclass(frozen=True, slots=True)
class Engine:
    """One row of the table: a way to compute layers."""

    name: str
    available: Callable[[], bool]
    """whether it can run on this machine"""
    supports: Callable[[Layer, DType], bool]
    """whether it can compute the layer with sums in an element type"""
    pack: Callable[[Layer, Array, DType], Any]
    """the weights as ``run`` takes them, in an element type"""
    run: Callable[[Plan, Array, Any, Ends], Array]
    """the output, in the plan's element type, from data in any and packed weights in the plan's"""
    weight_gradient: Callable[[Plan, Array, Array], Array]
    ready: Callable[[Plan, Array, Any, Ends], Ready] | None = None
    """like ``run``, as a function of data with the same shape, strides and type, and of a residual"""
    direct: Callable[[Plan, Array, Array, Ends], Direct | None] | None = None
    """like ``run``, as a function of data, weights and bias with the same shapes, strides and types, if it can"""
    ready_gradient: Callable[[Plan, Array, Array], Gradient] | None = None
    """like ``weight_gradient``, as a function of arrays with the same shapes, strides and types"""
    bias_gradient: Callable[[Array, DType], Array] = adjoint.bias_gradient
    """the sum of the output's gradient over batch and positions, in an element type"""
    sizeless: bool = False
    """whether packed weights suit every size with the same ``tap_order``"""


class Ready(Protocol):
    """A layer bound to everything but the data."""

    def __call__(self, x: Array, residual: Array | None = None) -> Array:
        """The output, in the plan's element type."""

    def takes(self, x: Array) -> bool:
        """Whether data lies as the engine wants it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of ``written``: ``(batch, channels, *spatial)`` or ``(batch, *spatial, channels)``, as the data lies."""

    def written(self, x: Array) -> Array:
        """The output as it lies in memory, from data that lies as the engine wants it; nothing is checked."""

    def at(self, x: int, y: int, beside: Job | None = None) -> None:
        """Likewise, from one address to another, where ``complete``; a job is done in the same turn."""

    complete: bool
    """whether ``at`` computes all of the output"""


class Direct(Protocol):
    """What is computed from arrays whose shapes, strides and types are known to fit."""

    def __call__(self, x: Any, other: Any, bias: Any, /) -> Array:
        """The output from data, weights and bias, or the weights' gradient from data and the output's gradient."""


def _always(*_: object) -> bool:
    return True


def _as_given(_: Layer, weights: Array, dtype: DType) -> Array:
    return weights.astype(dtype)


def _blas(plan: Plan, x: Array, packed: blas.Packed, ends: Ends) -> Array:
    return ends.after_bias(blas.run(plan, x, packed, ends.bias))


def _define(plan: Plan, x: Array, packed: Array, ends: Ends) -> Array:
    given = None if ends.bias is None else ends.bias.astype(plan.dtype)
    with np.errstate(all="ignore"):
        y = reference.run(plan.layer, x.astype(plan.dtype), packed, given).astype(plan.dtype)
    return ends.after_bias(y)


def _define_gradient(plan: Plan, x: Array, grad_output: Array) -> Array:
    with np.errstate(all="ignore"):
        gradient = reference.weight_gradient(plan.layer, x.astype(plan.dtype), grad_output.astype(plan.dtype))
    return gradient.astype(plan.dtype)


BOUND = 64
"""shapes that a prepared layer remembers"""
CALLS = 1024
"""calls that ``run`` and the gradients remember: more than the layers of a deep model, times three"""
_DIRECT: dict[tuple[object, ...], tuple[Layer, Direct]] = {}

ENGINES: tuple[Engine, ...] = (
    Engine(
        "jit",
        jit.available,
        jit.supports,
        jit.pack,
        jit.run,
        jit.weight_gradient,
        jit.ready,
        jit.direct,
        jit.ready_gradient,
        jit.bias_gradient,
        sizeless=True,
    ),
    Engine("blas", _always, _always, blas.pack, _blas, adjoint.weight_gradient),
    Engine("reference", _always, _always, _as_given, _define, _define_gradient),
)
"""in order of preference: the first that is available and supports the layer is taken"""


def choose(layer: Layer, dtype: DType, name: str | None = None) -> Engine:
    """The engine called ``name``, or the first that can compute the layer with sums in ``dtype``."""
    if name is not None and name not in (row.name for row in ENGINES):
        rule = f"must be one of {', '.join(row.name for row in ENGINES)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="engine", value=name)
    for row in ENGINES:
        if name in (None, row.name) and row.available() and row.supports(layer, dtype):
            return row
    rule = f"cannot compute this layer in {dtype} on this machine"
    raise UnstrideError(Reason.UNSUPPORTED, rule, argument="engine", value=name, hint="leave the engine open")


def run(
    planned: Plan | Layer,
    x: ArrayLike,
    weights: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    residual: ArrayLike | None = None,
    activation: Activation | str | None = None,
    engine: str | None = None,
) -> Array:
    """The output, ``(batch, out_channels, *output_size)``, in any strides; a plan's engine holds unless one is named.

    The residual, of the output's shape, is added to the sums; then the activation is applied.

    >>> from unstride.geometry import Axis
    >>> layer = Layer((Axis(2, 4, 3, stride=2),), small_channels=1, large_channels=1)
    >>> run(layer, [[[2, 1]]], [[[1, 2, 1]]]).tolist()
    [[[2, 4, 3, 2]]]
    """
    layer, engine = (planned.layer, engine or planned.engine) if isinstance(planned, Plan) else (planned, engine)
    key = None if residual is not None else _known_by(layer, (activation, engine), x, weights, bias)
    if key is not None and (known := _DIRECT.get(key)) is not None:
        return known[1](x, weights, bias)
    factors, addend = _factors(layer, weights, bias)
    data = _data(layer, x)
    numbers = _arithmetic(layer, Operand.of(data, "x"), Operand.of(factors, "weights"), addend)
    row = choose(layer, numbers.compute, engine)
    made = _affordable(layer, data, numbers, row)
    ends, later = _ends(numbers, addend, checks.residual(layer, len(data), residual), Activation.of(activation))
    if key is not None and row.direct and numbers.real and numbers.result == data.dtype:
        _remember(key, layer, row.direct(made, data, factors, ends))
    with numbers.adding():
        y = numbers.finish(row.run(made, data, row.pack(layer, factors, numbers.compute), ends))
        return later.after_bias(y)


def _known_by(layer: Layer, how: tuple[object, ...], *arrays: object) -> tuple[object, ...] | None:
    """What tells a call whose arrays need no look: all that a check or a plan depends on. None for other objects."""
    told: list[object] = [id(layer), how]
    for array in arrays:
        if array is not None:
            if type(array) is not np.ndarray:
                return None
            told += (array.shape, array.strides, array.dtype)
    return tuple(told)


def _remember(key: tuple[object, ...], layer: Layer, direct: Direct | None) -> None:
    """Keep what computes calls like this one; with the layer, so that its identity stays its own."""
    if direct is not None:
        if len(_DIRECT) >= CALLS:
            del _DIRECT[next(iter(_DIRECT))]
        _DIRECT[key] = (layer, direct)


def _ends(
    numbers: Arithmetic, bias: Array | None, residual: Array | None, activation: Activation | None
) -> tuple[Ends, Ends]:
    """What the engine does to its sums, and what is done to results of another kind."""
    if numbers.real:
        return Ends(bias, residual, activation), Ends()
    return Ends(bias), Ends(None, residual, activation)


def input_gradient(layer: Layer, grad_output: ArrayLike, weights: ArrayLike, *, engine: str | None = None) -> Array:
    """The gradient for the input, ``(batch, in_channels, *input_size)``: the adjoint layer's output."""
    key = _known_by(layer, ("input", engine), grad_output, weights)
    if key is not None and (known := _DIRECT.get(key)) is not None:
        return known[1](grad_output, weights, None)
    grad, adjoint_layer = np.asarray(grad_output), layer.adjoint
    checks.check_grad_output(layer, grad)
    found = run(adjoint_layer, grad, weights, engine=engine)
    same = _known_by(adjoint_layer, (None, engine), grad_output, weights)
    if key is not None and same in _DIRECT:
        _remember(key, layer, _DIRECT[same][1])
    return found


def weight_gradient(layer: Layer, x: ArrayLike, grad_output: ArrayLike, *, engine: str | None = None) -> Array:
    """The gradient for the weights, ``(small_channels, large_channels / groups, *taps)``."""
    key = _known_by(layer, ("weights", engine), x, grad_output)
    if key is not None and (known := _DIRECT.get(key)) is not None:
        return known[1](x, grad_output, None)
    data, grad = _data(layer, x), np.asarray(grad_output)
    checks.check_grad_output(layer, grad)
    checks.check_batch(data, grad)
    # a weight meets each small position of each batch element at most once
    terms = len(data) * prod(axis.small for axis in layer.axes)
    numbers = Arithmetic.of((Operand.of(data, "x"), Operand.of(grad, "grad_output")), None, terms)
    row = choose(layer, numbers.compute, engine)
    made = _affordable(layer, data, numbers, row)
    if key is not None and row.ready_gradient and numbers.result == numbers.compute and numbers.real:
        gradient = row.ready_gradient(made, data, grad)
        _remember(key, layer, lambda x, grad, _: gradient(x, grad))
    with numbers.adding():
        return numbers.finish(row.weight_gradient(made, data, grad))


def bias_gradient(layer: Layer, grad_output: ArrayLike) -> Array:
    """The gradient for the bias, ``(out_channels,)``: the sum over batch and positions."""
    grad = np.asarray(grad_output)
    checks.check_grad_output(layer, grad)
    terms = len(grad) * prod(layer.output_size)
    numbers = Arithmetic.of((Operand.of(grad, "grad_output"),), None, terms)
    with numbers.adding():
        return numbers.finish(choose(layer, numbers.compute).bias_gradient(grad, numbers.compute))


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A layer with its weights packed; call it with inputs of any batch size."""

    layer: Layer
    row: Engine
    weights: Array
    """the weights as given, for an input whose sums need another element type than ``compute``"""
    operand: Operand
    compute: DType
    """element type of the packed weights"""
    packed: Any
    bias: Array | None
    activation: Activation | None = None
    whole: Whole | None = None
    """what the layer is a tile of, if it is one"""
    bound: dict[tuple[object, ...], Ready] = field(default_factory=dict)
    """by shape, strides and type of the data: what is known to fit"""

    def __call__(self, x: ArrayLike, residual: ArrayLike | None = None) -> Array:
        if residual is None and type(x) is np.ndarray:
            ready = self.bound.get((x.shape, x.strides, x.dtype))
            if ready is not None:
                return ready(x)
        data = _data(self.layer, x)
        added = checks.residual(self.layer, len(data), residual)
        like = self.whole.layer if self.whole else self.layer
        numbers = _arithmetic(like, Operand.of(data, "x"), self.operand, self.bias)
        fits = numbers.compute == self.compute
        row = self.row if fits else choose(like, numbers.compute)
        made = _affordable(self.layer, data, numbers, row, self.whole)
        packed = self.packed if fits else row.pack(self.layer, self.weights, numbers.compute)
        ends, later = _ends(numbers, self.bias, added, self.activation)
        if fits and residual is None and row.ready and numbers.real and numbers.result == data.dtype:
            return self._bind(data, row.ready(made, data, packed, ends))(data)
        with numbers.adding():
            return later.after_bias(numbers.finish(row.run(made, data, packed, ends)))

    def resized(self, layer: Layer) -> Prepared:
        """The same layer in another size; its weights are packed anew only where other taps meet other phases."""
        same = self.row.sizeless and tap_order(layer) == tap_order(self.layer)
        packed = self.packed if same else self.row.pack(layer, self.weights, self.compute)
        return replace(self, layer=layer, packed=packed, bound={})

    def ready(self, x: Array) -> Ready | None:
        """What computes data like ``x``, seen before and lying as the engine wants it."""
        found = self.bound.get((x.shape, x.strides, x.dtype))
        return found if found is not None and found.takes(x) else None

    def _bind(self, data: Array, ready: Ready) -> Ready:
        """Remember what fits data like this; not of every shape there ever was."""
        if len(self.bound) >= BOUND:
            self.bound.clear()
        self.bound[data.shape, data.strides, data.dtype] = ready
        return ready


def prepare(
    layer: Layer,
    weights: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    activation: Activation | str | None = None,
    dtype: DTypeLike | None = None,
    engine: str | None = None,
    whole: Whole | None = None,
) -> Prepared:
    """The layer with its weights packed once for inputs of ``dtype``, by default that of the weights.

    An input whose sums need another element type gets the same answer, but its weights are packed anew. A tile of a
    ``whole`` gets the very bits that the whole has there.
    """
    factors, addend = _factors(layer, weights, bias)
    check_kind(factors, "weights")
    held = sum(distinct(array).nbytes for array in (factors, addend) if array is not None)
    check(layer, dtype=dtype or factors.dtype, held=held)
    factors, addend = _frozen(factors), None if addend is None else _frozen(addend)
    operand = Operand.of(factors, "weights")
    like = whole.layer if whole else layer
    compute = _arithmetic(like, Operand.expected(dtype or factors.dtype), operand, addend).compute
    check(layer, dtype=compute, held=held)
    row, applied = choose(like, compute, engine), Activation.of(activation)
    return Prepared(layer, row, factors, operand, compute, row.pack(layer, factors, compute), addend, applied, whole)


def tap_order(layer: Layer) -> tuple[object, ...]:
    """All that the order of packed weights depends on, of a layer whose size may change."""
    met = (families(axis, layer.transposed) for axis in layer.axes)
    starts = (axis.before % axis.stride if layer.transposed else 0 for axis in layer.axes)
    return tuple(zip(met, starts, strict=True))


def check(layer: Layer, *, batch: int = 1, dtype: DTypeLike = "float32", held: int = 0) -> None:
    """UnstrideError where the layer's arrays, with ``held`` bytes more, do not fit in memory.

    Counts in integers and touches no array: for callers about to copy or rearrange one.
    """
    checks.check_memory(Footprint(layer, batch, np.dtype(dtype).name), held)


def _frozen(array: Array) -> Array:
    """A read-only copy, broadcast where the array is; itself where nobody can write to it."""
    if array.flags.owndata and not array.flags.writeable:
        return array
    return np.broadcast_to(distinct(array).copy(order="K"), array.shape)


def _factors(layer: Layer, weights: ArrayLike, bias: ArrayLike | None) -> tuple[Array, Array | None]:
    """Weights and bias as arrays that fit the layer."""
    factors, addend = np.asarray(weights), None if bias is None else np.asarray(bias)
    checks.check_weights(layer, factors)
    checks.check_bias(layer, addend)
    return factors, addend


def _data(layer: Layer, x: ArrayLike) -> Array:
    """The input as an array that fits the layer and the memory, before any element is read."""
    data = np.asarray(x)
    checks.check_input(layer, data)
    check_kind(data, "x")
    check(layer, batch=len(data), dtype=data.dtype)
    return data


def _affordable(layer: Layer, data: Array, numbers: Arithmetic, row: Engine, whole: Whole | None = None) -> Plan:
    """The plan, once its arrays are known to fit: also the sums rounded to a result of another type."""
    outputs = len(data) * layer.out_channels * prod(layer.output_size)
    rounded = outputs * numbers.result.itemsize * (numbers.result != numbers.compute)
    check(layer, batch=len(data), dtype=numbers.compute, held=rounded)
    return plan(layer, batch=len(data), dtype=numbers.compute, engine=row.name, result=numbers.result, whole=whole)


def _arithmetic(layer: Layer, x: Operand, weights: Operand, bias: Array | None) -> Arithmetic:
    """The types for the layer's outputs: sums over the input channels of a group and the taps of a family."""
    addend = None if bias is None else Operand.of(bias, "bias")
    taps = (max(map(len, families(axis, layer.transposed)), default=0) for axis in layer.axes)
    return Arithmetic.of((x, weights), addend, layer.in_channels // layer.groups * prod(taps))
