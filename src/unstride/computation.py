"""Compute a spec on arrays, in the dialect's own data and weight layouts: where dialects meet the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dialects.arguments import Pairs
from .dialects.refusal import Composition
from .dialects.spec import Spec
from .engine import execute
from .engine.ends import Activation
from .errors import Reason, UnstrideError
from .geometry import DataLayout, Layer, canonical
from .live import Live, weigh

if TYPE_CHECKING:
    Array = NDArray[Any]


def run(
    spec: Spec | Live,
    x: ArrayLike,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    residual: ArrayLike | None = None,
    activation: str | None = None,
    engine: str | None = None,
) -> Array:
    """The spec computed on ``x`` with ``kernel`` and ``bias``, or a live layer with its own weights: ``run(layer, x)``.

    ``x`` is in the dialect's own data layout, ``kernel`` in its own weight layout, ``bias`` holds one number per
    output channel. A ``residual`` of the output's shape is added; then the layer's activation is applied, or the one
    named here, for a dialect whose layers have none. Raises UnstrideError for shapes or element types that the
    framework would reject.

    >>> from unstride import parse
    >>> spec = parse("keras.layers.Conv1DTranspose(1, 2, strides=2, use_bias=False)")
    >>> run(spec, np.array([[[1], [2]]]), np.array([[[3]], [[4]]])).ravel().tolist()
    [3, 4, 6, 8]
    """
    spec, kernel, bias = weigh(spec, kernel, bias)
    applied = _activation(spec, activation)
    data, weights = as_array(x, "x"), as_array(kernel, "kernel")
    layer = spec.read(data.shape, weights.shape)
    layout = spec.data_layout(data.ndim)
    batch, _, _ = layout.split(data.shape)
    execute.check(layer, batch=batch, dtype=weights.dtype)
    packed = spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(weights)
    canonical_x = layout.to_canonical(data.shape).apply(data)
    addend = _checked_bias(spec, layer, bias)
    added = _residual(spec.output_layout(data.ndim), residual)
    y = execute.run(layer, canonical_x, packed, addend, residual=added, activation=applied, engine=engine)
    return _as_dialect(spec.output_layout(data.ndim), y)


class Gradients(NamedTuple):
    """What a small change of each array does to a number that depends on the output."""

    x: Array
    """in the dialect's data layout"""
    kernel: Array
    """in the dialect's weight layout"""
    bias: Array | None
    """one number per output channel; None where the layer has no bias"""


def gradients(spec: Spec | Live, x: ArrayLike, grad_output: ArrayLike, kernel: ArrayLike | None = None) -> Gradients:
    """The gradients for input, kernel and bias, from the gradient for the output before any activation.

    Arrays are in the dialect's own layouts; a live layer brings its own kernel. Raises UnstrideError as ``run`` does,
    and where ``grad_output`` has another shape than the output.

    >>> from unstride import parse
    >>> spec = parse("keras.layers.Conv1DTranspose(1, 2, strides=2)")
    >>> found = gradients(spec, np.array([[[1.0], [2.0]]]), np.ones((1, 4, 1)), np.array([[[3.0]], [[4.0]]]))
    >>> found.x.ravel().tolist(), found.kernel.ravel().tolist(), found.bias.tolist()
    ([7.0, 7.0], [3.0, 3.0], [4.0])
    """
    spec, kernel, _ = weigh(spec, kernel, None)
    data, weights, grad = as_array(x, "x"), as_array(kernel, "kernel"), as_array(grad_output, "grad_output")
    layer = spec.read(data.shape, weights.shape)
    layout, output, stored = spec.data_layout(data.ndim), spec.output_layout(data.ndim), spec.weight_layout(layer.rank)
    wanted = spec.output_shape(data.shape, weights.shape)
    if grad.shape != wanted:
        rule = f"must have the output's shape {wanted}"
        raise UnstrideError(Reason.SIZE, rule, argument="grad_output.shape", value=grad.shape)
    packed = stored.to(canonical(layer.rank), layer).apply(weights)
    given, seed = layout.to_canonical(data.shape).apply(data), output.to_canonical(grad.shape).apply(grad)
    for_x = _as_dialect(layout, execute.input_gradient(layer, seed, packed))
    for_kernel = canonical(layer.rank).to(stored, layer).apply(execute.weight_gradient(layer, given, seed))
    return Gradients(for_x, for_kernel, execute.bias_gradient(layer, seed) if layer.bias else None)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A spec with its weights packed for one input shape; call it with arrays of that shape."""

    spec: Spec
    layer: Layer
    input_shape: tuple[int, ...]
    compute: execute.Prepared
    direct: dict[tuple[object, ...], Callable[[Array], Array]] = field(default_factory=dict)
    """by strides and type: what takes and gives arrays that lie in the dialect's layouts already"""

    def __call__(self, x: ArrayLike, residual: ArrayLike | None = None) -> Array:
        if residual is None and type(x) is np.ndarray:
            straight = self.direct.get((x.shape, x.strides, x.dtype))
            if straight is not None:
                return straight(x)
        data = as_array(x, "x")
        if data.shape != self.input_shape:
            rule = f"these weights were prepared for inputs of shape {self.input_shape}"
            raise UnstrideError(
                Reason.SIZE, rule, argument="x.shape", value=data.shape, hint="prepare again for another shape"
            )
        layout = self.spec.data_layout(data.ndim)
        canonical_x = layout.to_canonical(data.shape).apply(data)
        written = self.spec.output_layout(data.ndim)
        y = _as_dialect(written, self.compute(canonical_x, _residual(written, residual)))
        self._remember(data, canonical_x, y)
        return y

    def _remember(self, data: Array, canonical_x: Array, y: Array) -> None:
        """Where nothing was moved on either side, the next array like this one goes straight to the engine."""
        ready = self.compute.ready(canonical_x)
        if ready is None or len(self.direct) >= execute.BOUND or canonical_x.ctypes.data != data.ctypes.data:
            return
        if y.flags.c_contiguous and y.shape == ready.shape:
            self.direct[data.shape, data.strides, data.dtype] = ready.written


def prepare(
    spec: Spec | Live,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...],
    activation: str | None = None,
) -> Prepared:
    """The spec or live layer with its weights packed once, for calls on inputs of one shape; the rest as in ``run``."""
    spec, kernel, bias = weigh(spec, kernel, bias)
    applied = _activation(spec, activation)
    weights = as_array(kernel, "kernel")
    layer = spec.read(input_shape, weights.shape)
    batch, _, _ = spec.data_layout(len(input_shape)).split(tuple(input_shape))
    execute.check(layer, batch=batch, dtype=weights.dtype)
    packed = spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(weights)
    compute = execute.prepare(layer, packed, _checked_bias(spec, layer, bias), activation=applied)
    return Prepared(spec, layer, tuple(input_shape), compute)


def own_activation(spec: Spec) -> Activation | None:
    """The activation that the spec's layer ends in."""
    return _activation(spec, None)


def _activation(spec: Spec, named: str | None) -> Activation | None:
    """The spec's activation, or the one that is named; UnstrideError for two."""
    own = spec.activation_name
    if named is not None and own not in (None, "linear"):
        rule, hint = f"{spec.call} has the activation {own} already", "name it in one place"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="activation", value=named, hint=hint)
    if named is None and (spec.dialect, own) in _OTHERWISE:
        rule, hint = _OTHERWISE[spec.dialect, own], "leave it out, and apply it to the result"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="activation", value=own, hint=hint)
    return Activation.of(named or own)


_OTHERWISE: dict[tuple[str, str | None], str] = {
    ("keras2", "hard_sigmoid"): "is min(max(x / 5 + 1 / 2, 0), 1) in Keras 2, which is not computed here"
}
"""(dialect, activation) -> what the name means there, where it is another function than Keras 3's"""


def _residual(layout: DataLayout, residual: ArrayLike | None) -> Array | None:
    """The residual in canonical order; UnstrideError where it has another number of dimensions."""
    if residual is None:
        return None
    array = as_array(residual, "residual")
    if array.ndim != len(layout.order):
        rule = f"must have the output's {len(layout.order)} dimensions, ordered {layout.name}"
        raise UnstrideError(Reason.RANK, rule, argument="residual.shape", value=array.shape)
    moved: Array = layout.to_canonical(array.shape).apply(array)
    return moved


def run_canonical(
    written: Spec | Composition,
    layer: Layer,
    x: Array,
    weights: Array,
    bias: Array | None = None,
    compute: Callable[[Spec, Array, Array, Array | None], Array] = run,
) -> Array:
    """What a dialect wrote for ``layer``, computed on canonical arrays: to prove that it is the same layer.

    ``x`` is ``(batch, channels, *spatial)``, ``weights`` ``(small channels, large channels / groups, *taps)``. The
    arrays go through the dialect's own layouts; a composition's steps are taken one after the other. ``compute`` makes
    the call itself, from arrays in these layouts: the framework, say.
    """
    if isinstance(written, Spec):
        dimensions = layer.rank + (2 if written.batched else 1)
        data, first = written.data_layout(dimensions), DataLayout.first(layer.rank)
        kernel = canonical(layer.rank).to(written.weight_layout(layer.rank), layer).apply(weights)
        y = compute(written, first.to(data, x.shape).apply(x), kernel, bias)
        back: Array = written.output_layout(dimensions).to(first, y.shape).apply(y)
        return back
    return _run_composition(written, x, weights, bias, compute)


def _run_composition(
    found: Composition,
    x: Array,
    weights: Array,
    bias: Array | None,
    compute: Callable[[Spec, Array, Array, Array | None], Array],
) -> Array:
    x = np.pad(x, [(0, 0), (0, 0), *((max(before, 0), max(after, 0)) for before, after in found.pad_input)])
    x = _cropped(x, tuple((max(-before, 0), max(-after, 0)) for before, after in found.pad_input))
    if found.kernel_dilation:
        weights = _stretched(weights, found.kernel_dilation)
    inner = None if found.add_bias or bias is None else bias
    biases = [None] * found.split if inner is None else np.split(inner, found.split)
    groups = zip(np.split(x, found.split, 1), np.split(weights, found.split, 0), biases, strict=True)
    parts = [run_canonical(found.spec, found.layer, part, kernel, addend, compute) for part, kernel, addend in groups]
    y = _cropped(np.concatenate(parts, axis=1), found.crop_output)
    if found.add_bias and bias is not None:
        y = y + bias.reshape(-1, *[1] * found.layer.rank)
    return y


def _cropped(array: Array, drops: Pairs) -> Array:
    ends = zip(drops, array.shape[2:], strict=True)
    return array[:, :, *(slice(before, size - after) for (before, after), size in ends)]


def _stretched(weights: Array, dilation: tuple[int, ...]) -> Array:
    """The weights with zeros between their taps."""
    spans = [step * (taps - 1) + 1 for step, taps in zip(dilation, weights.shape[2:], strict=True)]
    wide = np.zeros((*weights.shape[:2], *spans), weights.dtype)
    wide[:, :, *(slice(None, None, step) for step in dilation)] = weights
    return wide


def as_array(value: ArrayLike, name: str) -> Array:
    """The value as an array; UnstrideError where it is ragged or not numeric."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        lengths = _row_lengths(value)
        if len(lengths) > 1:
            rule = f"rows differ in length: {' and '.join(map(str, lengths))}"
            hint = "give every row as many numbers"
            raise UnstrideError(Reason.DTYPE, rule, argument=name, value=value, hint=hint) from None
        raise UnstrideError(Reason.DTYPE, f"cannot be read as an array: {error}", argument=name) from None
    return array


def _row_lengths(value: object) -> tuple[int, ...]:
    """The first two different lengths of rows of one depth; a number is a row of length 0; fewer where all agree."""
    level: list[object] = [value]
    while any(isinstance(row, (list, tuple)) for row in level):
        lengths = tuple(dict.fromkeys(len(row) if isinstance(row, (list, tuple)) else 0 for row in level))
        if len(lengths) > 1:
            return lengths[:2]
        level = [entry for row in level if isinstance(row, (list, tuple)) for entry in row]
    return ()


def _checked_bias(spec: Spec, layer: Layer, bias: ArrayLike | None) -> Array | None:
    if bias is None:
        return None
    if not layer.bias:
        hint = "leave the bias out, or say so in the layer (use_bias=True, bias=True)"
        raise UnstrideError(Reason.ARGUMENT, f"{spec.call} is written without a bias here", argument="bias", hint=hint)
    return as_array(bias, "bias")


def _as_dialect(layout: DataLayout, y: Array) -> Array:
    moved: Array = layout.from_canonical(y.shape).apply(y)
    return moved
