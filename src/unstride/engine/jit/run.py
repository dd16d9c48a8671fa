"""The engine's row: which layers compiled code takes, and how a call reaches it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.util import find_spec
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...geometry import Layer
from ..activations import FUSED
from ..boxes import by_output
from ..dtypes import HALVES
from ..ends import Activation, Ends
from ..plan import Plan
from ..threads import num_threads
from .memory import address, output

if TYPE_CHECKING:
    from .calls import Job
    from .gradient import Gradient
    from .plans import Bound

Array = NDArray[Any]

TYPES = ("float32", "float64")
ALIGNED = 2**16
"""bytes of an output from which on it starts on a cache line"""
PARTS = 2**14
"""boxes beyond which a layer's tables would take longer to write than its sums"""
TAPS = 2**17
"""taps beyond which, the same"""


@cache
def available() -> bool:
    """Whether llvmlite is installed."""
    return find_spec("llvmlite") is not None


@lru_cache(maxsize=1024)
def supports(layer: Layer, dtype: np.dtype[Any]) -> bool:
    """Whether compiled code computes the layer with sums in the type."""
    if dtype.name not in TYPES or layer.rank > 3 or not layer.in_channels * layer.out_channels:
        return False
    if max(layer.kernel) > TAPS or max(layer.stride) > TAPS:
        return False
    strips = prod(len(by_output(axis, layer.transposed)) for axis in layer.axes)
    return strips <= PARTS and prod(layer.kernel) <= TAPS


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A layer's weights, and the orders in which compiled code wanted them so far."""

    weights: Array
    orders: dict[object, Array] = field(default_factory=dict)


def pack(_: Layer, weights: Array, dtype: np.dtype[Any]) -> Packed:
    """The weights, to be ordered when it is known how the data lies."""
    return Packed(weights.astype(dtype, copy=False))


def run(plan: Plan, x: Array, packed: Packed, ends: Ends) -> Array:
    """The layer's output, in the layout of ``x``."""
    return ready(plan, x, packed, ends)(x, ends.residual)


def ready(plan: Plan, x: Array, packed: Packed, ends: Ends) -> Ready:
    """A function of data with the shape, strides and type of ``x``, and of a residual where ``ends`` has one."""
    bound, after = _bound(plan, x, ends)
    family = bound.family
    if family.order not in packed.orders:
        packed.orders[family.order] = family.pack_weights(packed.weights)
    bias = None if ends.bias is None else family.pack_bias(ends.bias)
    return Ready(bound, packed.orders[family.order], bias, after)


def direct(plan: Plan, x: Array, weights: Array, ends: Ends) -> Direct | None:
    """A function of data, weights and bias like these, where data need not be moved first."""
    if ends.residual is not None:
        return None
    found = Direct(*_bound(plan, x, ends), weights, ends.bias)
    return found if found.takes(x) else None


def _bound(plan: Plan, x: Array, ends: Ends) -> tuple[Bound, Activation | None]:
    """The layer's code and tables, and what is left to do after them."""
    from . import plans
    from .ends import End
    from .target import host

    activation = ends.activation
    fused = activation if activation and activation.name in FUSED else None
    half = plan.result in HALVES and x.dtype.name == plan.result and host().halves
    end = End(
        bias=ends.bias is not None,
        residual=ends.residual is not None,
        activation=fused.name if fused else None,
        parameters=fused.parameters if fused else (),
        stored=plan.result if half else None,
    )
    first = plan.whole.channels_first if plan.whole else channels_first(x)
    like = plan.whole.layer if plan.whole else None
    bound = plans.bind(plan.layer, plan.batch, plan.dtype, end, channels_first=first, like=like)
    return bound, None if fused else activation


def weight_gradient(plan: Plan, x: Array, grad_output: Array) -> Array:
    """The gradient of the weights, ``(small_channels, large_channels / groups, *taps)``."""
    return ready_gradient(plan, x, grad_output)(x, grad_output)


def ready_gradient(plan: Plan, x: Array, grad_output: Array) -> Gradient:
    """The same, as a function of arrays with these shapes, strides and types."""
    from . import gradient

    return gradient.ready(plan, x, grad_output)


def bias_gradient(grad_output: Array, dtype: np.dtype[Any]) -> Array:
    """The gradient of the bias, ``(out_channels,)``: the sum over batch and positions."""
    from . import gradient

    return gradient.bias_gradient(grad_output, dtype)


def channels_first(x: Array) -> bool:
    """Whether each channel's positions lie side by side, rather than each position's channels."""
    return bool(x.strides[1] > x.strides[-1])


class _Placed:
    """A layer with its code and tables at hand, for inputs of one shape and layout."""

    __slots__ = ("_after", "_allocate", "_bound", "_dtype", "_order", "_view", "shape")

    def __init__(self, bound: Bound, after: Activation | None) -> None:
        self._bound, self._after, self._dtype = bound, after, bound.dtype
        self.shape, rank = bound.output_shape, len(bound.output_shape) - 2
        # vectors that lie across two cache lines take longer to store; to align a small array takes longer still
        self._allocate = output if prod(self.shape) * bound.dtype.itemsize >= ALIGNED else np.empty
        self._order = (0, *range(2, rank + 2), 1) if not bound.channels_first else None
        self._view = (0, rank + 1, *range(1, rank + 1)) if not bound.channels_first else None

    def takes(self, x: Array) -> bool:
        """Whether data lies as the code wants it."""
        moved = x.transpose(self._order) if self._order else x
        return moved.dtype == self._dtype and bool(moved.flags.c_contiguous)

    def _placed(self, array: Array) -> Array:
        """The array in the order and type that the code wants; itself where it is."""
        moved = array.transpose(self._order) if self._order else array
        return moved if self.takes(array) else np.ascontiguousarray(moved, self._dtype)


class Ready(_Placed):
    """With its weights packed."""

    __slots__ = ("_held", "_start", "complete")

    def __init__(self, bound: Bound, weights: Array, bias: Array | None, after: Activation | None = None) -> None:
        super().__init__(bound, after)
        self._held, self._start = (weights, bias), bound.starter(weights, bias)
        self.complete = after is None

    def __call__(self, x: Array, residual: Array | None = None) -> Array:
        y = self.written(self._placed(x), None if residual is None else self._placed(residual))
        return y.transpose(self._view) if self._view else y

    def written(self, x: Array, residual: Array | None = None) -> Array:
        """The output in the order of its elements in memory; ``x`` is trusted to lie as the code wants it."""
        y = self._allocate(self.shape, self._dtype)
        self._start(x, y, residual)
        return self._after(y) if self._after else y

    def at(self, x: int, y: int, beside: Job | None = None) -> None:
        """Fill memory at an address from data at another, both laid out as for ``written``; do other tasks as well."""
        self._start.at(x, y, beside)


class Direct(_Placed):
    """With other weights each time."""

    __slots__ = ("_call", "_gathered")

    def __init__(self, bound: Bound, after: Activation | None, weights: Array, bias: Array | None) -> None:
        super().__init__(bound, after)
        self._call, self._gathered = bound.caller(), bound.gathered(weights, bias)

    def __call__(self, x: Array, weights: Array, bias: Array | None) -> Array:
        y = self._allocate(self.shape, self._dtype)
        if self._gathered and not (self._bound.shared and num_threads() > 1):
            self._gathered(x, y, weights, bias)
        else:
            self._packed(x, y, weights, bias)
        y = self._after(y) if self._after else y
        return y.transpose(self._view) if self._view else y

    def _packed(self, x: Array, y: Array, weights: Array, bias: Array | None) -> None:
        family = self._bound.family
        added = None if bias is None else family.pack_bias(bias)
        addend = 0 if added is None else address(added)
        late = self._bound.late(weights, addend)
        if late:
            late(x, y, None)
        else:
            packed = family.pack_weights(weights)
            self._call(x, y, address(packed), addend)
