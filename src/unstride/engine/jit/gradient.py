"""The gradient of the weights in compiled code: which tile suits a layer, and the call.

The same sums serve both directions of a layer: a tap joins a small channel and a large one wherever they meet. Small
positions are cut into *chunks*, walked in order; tasks share the sums among them or, where these are few, ranges of
chunks whose partial sums are added in order. What a task is depends on the layer alone, so the result is the same
for any number of threads.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np

from ...geometry import Layer
from .. import adjoint
from ..plan import Plan
from ..threads import num_threads
from . import binary, kernels_bias, kernels_gradient, pool
from .calls import PRODUCTS
from .gradient_shape import Shape, strips
from .gradient_tables import CHANNELS, Tables, tables
from .kernels_gradient import LATENCY
from .kernels_panels import Form
from .memory import Array, address, give, take
from .run import channels_first
from .tables import CACHED
from .target import Target, host
from .transpose import SHUFFLED

Gradient = Callable[[Array, Array], Array]
"""of the weights, from the input and the output's gradient"""

TAPS = 2**12
"""taps beyond which a layer's tables would take longer to write than its sums"""
POSITIONS = 2**31 - 1
"""large positions that the tables can tell apart"""
FLOATS = ("float32", "float64")
BLOCK = 2**14
"""elements that one task sums"""
JOINED = 64
"""elements of a row that fill the vectors of a sum"""
MOST_ROWS = {16: 8, 32: 12}
"""registers -> rows of a tile"""
MOST_VECTORS = 4
MERGED = 64
"""large channels up to which taps side by side count as channels"""
REUSED = 4
"""tiles that must read a gathered position for gathering to pay"""
MERGES = ("positions", "taps")
FAR = 3
"""cycles that a tile waits for such a position"""
GATHER = 2
"""cycles in which a vector is gathered"""
SPREAD = 256
"""bytes between positions from which a first-level cache holds too few of them"""


def ready(plan: Plan, x: Array, grad_output: Array) -> Gradient:
    """The gradient of the weights, ``(small_channels, large_channels / groups, *taps)``, from arrays like these."""
    dtype, layer = np.dtype(plan.dtype), plan.layer
    small, large = (x, grad_output) if layer.transposed else (grad_output, x)
    shape = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    if not small.size * large.size:
        return lambda *_: np.zeros(shape, dtype)
    if prod(layer.kernel) > TAPS or large.size // layer.large_channels > POSITIONS:
        return lambda x, grad_output: adjoint.weight_gradient(plan, x, grad_output)
    firsts = [channels_first(array) and array.shape[1] > 1 for array in (small, large)]
    bound = bind(layer, plan.batch, plan.dtype, *firsts)
    orders = [
        None if first else (0, *range(2, array.ndim), 1) for array, first in zip((small, large), firsts, strict=True)
    ]

    def gradient(x: Array, grad_output: Array) -> Array:
        small, large = (x, grad_output) if layer.transposed else (grad_output, x)
        return bound(_contiguous(small, dtype, orders[0]), _contiguous(large, dtype, orders[1]))

    return gradient


def bias_gradient(grad_output: Array, dtype: np.dtype[Any]) -> Array:
    """The gradient of the bias, ``(out_channels,)``; arrays in any other order than the two are left to NumPy."""
    batch, channels, *size = grad_output.shape
    moved = grad_output.transpose(0, *range(2, grad_output.ndim), 1)
    if dtype.name not in FLOATS or grad_output.dtype != dtype or not grad_output.size:
        return adjoint.bias_gradient(grad_output, dtype)
    if grad_output.flags.c_contiguous:
        return np.asarray(np.add.reduce(_sums("rows", grad_output, batch * channels).reshape(batch, channels), axis=0))
    if not moved.flags.c_contiguous:
        return adjoint.bias_gradient(grad_output, dtype)
    positions = batch * prod(size)
    # narrow rows are joined, so that vectors are full
    joined = gcd(positions, 1 << (-(-JOINED // channels) - 1).bit_length())
    partial = np.add.reduce(_sums("columns", moved, positions // joined), axis=0)
    return np.asarray(np.add.reduce(partial.reshape(joined, channels), axis=0))


def _sums(what: str, data: Array, rows: int) -> Array:
    """The sums of each row of an array of ``rows`` rows, or of the columns of each block of rows."""
    width = data.size // rows
    block = max(1, BLOCK // width)
    tasks = -(-rows // block)
    found = np.empty(rows if what == "rows" else (tasks, width), data.dtype)
    code = binary.load(f"bias {data.dtype.name}", lambda target: kernels_bias.emit(data.dtype.name, target))
    context = array("q", [address(data), address(found), rows, width, block])
    pool.run(code.address(what), context.buffer_info()[0], tasks)
    return found


def _contiguous(array: Array, dtype: np.dtype[Any], order: tuple[int, ...] | None) -> Array:
    """The array with its axes in an order, side by side; itself where it is so."""
    moved = array.transpose(order) if order else array
    return moved if moved.flags.c_contiguous and moved.dtype == dtype else np.ascontiguousarray(moved, dtype)


class Bound:
    """A layer's code and tables, for one batch, type and layout of each side."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.dtype = shape, np.dtype(shape.form.dtype)
        self.held, self.order = shape.held
        form, layer = shape.form, shape.layer
        pairs = layer.small_channels * (layer.large_channels // layer.groups)
        self.products = shape.batch * pairs * prod(axis.products for axis in layer.axes)
        self.task = binary.load(form.key, lambda target: kernels_gradient.emit(form, target)).address("task")

    @cached_property
    def shared(self) -> Tables:
        """What threads need that share its tasks."""
        return tables(self.shape, shared=True)

    @cached_property
    def alone(self) -> Tables:
        """What a thread needs that does all."""
        return tables(self.shape, shared=False)

    def __call__(self, small: Array, large: Array) -> Array:
        """The gradient from contiguous arrays of the two sides."""
        threads = num_threads() if self.products > PRODUCTS else 1
        made = self.shared if threads > 1 else self.alone
        allocate = np.empty if made.fresh else np.zeros
        sums = allocate((made.splits, *self.held), self.dtype)
        scratch = take(made.scratch * threads)
        addresses = (address(made.plan), address(small), address(large), address(sums), scratch.address)
        context = array("q", addresses)
        pool.run(self.task, context.buffer_info()[0], made.task_count, threads)
        give(scratch, made.scratch * threads)
        total = sums[0] if made.splits == 1 else np.add.reduce(sums, axis=0)
        return np.asarray(total.transpose(self.order))


@lru_cache(maxsize=512)
def bind(layer: Layer, batch: int, dtype: str, small_first: bool, large_first: bool) -> Bound:
    """The code and tables of a layer."""
    lanes = host().lanes(np.dtype(dtype).itemsize)
    candidates = (
        Shape(layer, batch, form, lanes, small_first, large_first, merged)
        for form, merged in _forms(layer, dtype, host(), packed=large_first)
    )
    best = min(candidates, key=lambda shape: (cost(shape), shape.form.rows))
    return Bound(replace(best, form=_refined(best)))


def _forms(layer: Layer, dtype: str, target: Target, *, packed: bool) -> Iterator[tuple[Form, str]]:
    """Every tile that the registers hold, and whether it has taps side by side."""
    last = layer.axes[-1]
    lanewise = layer.groups > 1 and layer.small_channels == layer.groups == layer.large_channels
    # a group's channels lie side by side from tap to tap where it is alone, or packed alone
    mergeable = (
        (layer.groups == 1 or packed)
        and last.dilation == 1 < last.kernel
        and layer.large_channels // layer.groups <= MERGED
    )
    for vectors in range(1, MOST_VECTORS + 1):
        # a register to spare: without one the compiler keeps sums in memory
        taken = 2 * vectors if lanewise else vectors + 2
        for rows in range(1, min(MOST_ROWS[target.registers], (target.registers - taken) // vectors) + 1):
            if lanewise:
                yield from ((Form(dtype, rows, vectors, small_lanes=True, lanewise=True), how) for how in MERGES)
                continue
            for small_lanes, merged in product((False, True), ("", *MERGES) if mergeable else ("",)):
                form = Form(dtype, rows, vectors, small_lanes)
                yield replace(form, large=_large(layer, form, target, merged)), merged


def _large(layer: Layer, form: Form, target: Target, merged: str) -> str:
    """Where tiles read the large side."""
    lanes = form.vectors * target.lanes(form.item)
    small_width, large_width = (lanes, form.rows) if form.small_lanes else (form.rows, lanes)
    larges, smalls = layer.large_channels // layer.groups, layer.small_channels // layer.groups
    if not merged:
        return "chunk" if larges > large_width else "direct"
    spread = layer.axes[-1].stride * larges * form.item >= SPREAD
    return "part" if spread and -(-min(smalls, CHANNELS[0]) // small_width) >= REUSED else "direct"


def _refined(shape: Shape) -> Form:
    """The form with what the layer's numbers of channels ask of it."""
    form, lanes = shape.form, shape.form.vectors * shape.lanes
    runs = {len(strip.taps) for strip in strips(shape, shape.layer.rank - 1)}
    wide = {run * shape.larges for run in runs}
    rows, columns = (wide, {shape.smalls}) if form.small_lanes else ({shape.smalls}, wide)
    if form.lanewise:
        rows = runs
    direct = form.lanewise or (shape.smalls <= lanes if form.small_lanes else form.large == "direct")
    packed = [shape.small_first] if form.small_lanes else [shape.large_first]
    if form.lanewise:
        packed = [shape.small_first, shape.large_first]
    masked = direct and not all(packed) and any(count % lanes for count in columns)
    counts = ((shape.smalls, shape.small_first), (shape.larges, shape.large_first))
    few = tuple(count if first and 1 < count <= SHUFFLED and not form.lanewise else 0 for count, first in counts)
    rests = tuple(sorted({count % form.rows for count in rows} - {0}))
    return replace(form, masked=masked, rests=rests, few=(few[0], few[1]))


def cost(shape: Shape) -> float:
    """Cycles that one row of small positions takes, about."""
    form, width = shape.form, shape.form.vectors * shape.lanes
    last = shape.layer.axes[-1]
    together = max(1, 256 // max(1, last.small))
    gather = GATHER * {"direct": 0.0, "part": 1.0, "chunk": min(1.0, last.stride / last.kernel)}[form.large]
    begin = 40 if prod(shape.held[0]) * shape.item < CACHED else 160
    total = 0.0
    for strip in strips(shape, shape.layer.rank - 1):
        wide = len(strip.taps) * shape.larges
        rows, columns = (wide, shape.smalls) if form.small_lanes else (shape.smalls, wide)
        if form.lanewise:
            rows, columns = len(strip.taps), shape.smalls
        blocks = -(-columns // width)
        whole, rest = divmod(rows, form.rows)
        each = whole * _cycles(form, form.rows) + (_cycles(form, rest) if rest else 0)
        gathered = gather * (-(-wide // form.rows) if form.small_lanes else -(-wide // width) * form.vectors)
        if form.large == "direct" and not form.lanewise and last.stride * shape.larges * form.item >= SPREAD:
            each += FAR * (whole + (rest > 0))
        tiles = blocks * (whole + (rest > 0))
        total += len(strip.output) * (blocks * each + gathered) + begin * tiles / together
    return total


def _cycles(form: Form, rows: int) -> float:
    """Cycles of one position in a tile: two multiply-adds or two loads in each, and a sum is long in coming."""
    products = rows * form.vectors
    loads = products + form.vectors if form.lanewise else rows + form.vectors
    return max(products, loads, LATENCY if not form.lanewise else 0) / 2 + 1
