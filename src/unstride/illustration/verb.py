"""``draw``: the spec read, the arrays brought into the relation's order, and the picture of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..dialects.code import parse
from ..dialects.spec import Spec, checked_spec
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, canonical
from ..pictures import Example, Picture, View
from ..pictures.views import LETTERS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TEXT_LIMIT = 100_000
"""Longest array that is written out on a command line."""


def draw(
    spec: str | Spec | Layer,
    input_shape: tuple[int, ...] | None = None,
    kernel_shape: tuple[int, ...] | None = None,
    *,
    view: str | None = None,
    x: ArrayLike | None = None,
    kernel: ArrayLike | None = None,
    compare: Sequence[str | Spec | Layer] = (),
    channels: tuple[int, int] = (0, 0),
) -> Picture:
    """A picture of a pasted line, a spec or a layer, which shows itself in a notebook and saves itself to a file.

    ``view`` is scatter, gather, zeros, matrix, coverage, or compare (with other layers on the same input). ``x`` and
    ``kernel`` put numbers on it: whole arrays in the dialect's own layouts, or one channel's spatial values alone.
    ``channels`` are the input and the output channel drawn. Raises UnstrideError as ``Spec.read`` does, and for
    arrays of other shapes.

    >>> picture = draw("Conv1DTranspose(1, 2, strides=2)", x=[1, 2], kernel=[3, 4])
    >>> [cell.value for cell in picture.scene.grids[-1].cells]
    [3, 4, 6, 8]
    """
    chosen = _view(view, comparing=bool(compare))
    given = _given(spec)
    data, weights = _array(x, "x"), _array(kernel, "kernel")
    layer = given if isinstance(given, Layer) else _read(given, input_shape, kernel_shape, data, weights)
    _check_channels(layer, channels)
    numbers = _channel(given, layer, data, channels[0]), _taps(given, layer, weights, channels)
    first = Example(layer, _label(given), *numbers, channels, _flipped(given, layer))
    others = [_other(other, first) for other in compare]
    if len(others) >= len(LETTERS):
        rule = f"at most {len(LETTERS) - 1} other layers fit on one picture"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="compare", value=len(others))
    return Picture(chosen, (first, *others))


def _given(subject: str | Spec | Layer) -> Spec | Layer:
    """A pasted line parsed; a spec or a layer as it is."""
    if isinstance(subject, Layer):
        return subject
    return parse(subject) if isinstance(subject, str) else checked_spec(subject)


def written_values(text: str | None, name: str) -> Any:
    """An array written out in brackets, such as ``[[2,1],[3,2]]``, or the name of a file that holds one."""
    if text is None:
        return None
    if not text.lstrip().startswith("["):
        from ..files import load

        return load(text)
    try:
        if len(text) > TEXT_LIMIT:
            raise ValueError(text)
        return json.loads(text)
    except (ValueError, RecursionError):
        hint = "or name a file: x.npy, a.npz:x"
        rule = f"must be numbers in brackets, at most {TEXT_LIMIT} signs, such as [[2,1],[3,2]]"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=name, value=text, hint=hint) from None


def _view(view: str | None, *, comparing: bool) -> View:
    name = view or ("compare" if comparing else "scatter")
    if name not in list(View):
        rule = f"must be one of {', '.join(View)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="view", value=view)
    if comparing != (name == View.COMPARE):
        hint = "give the other layers to compare, or leave them out"
        raise UnstrideError(
            Reason.ARGUMENT, "compares layers, and is for that only", argument="view", value=name, hint=hint
        )
    return View(name)


def _array(value: ArrayLike | None, name: str) -> Any:
    if value is None:
        return None
    from ..computation import as_array

    array = as_array(value, name)
    integers = array.dtype.kind == "O" and all(isinstance(entry, int) for entry in array.flat)  # longer than 64 bits
    if array.dtype.kind not in "biufcV" and not integers:
        raise UnstrideError(Reason.DTYPE, "must hold numbers", argument=name, value=str(array.dtype))
    return array


def _label(given: Spec | Layer) -> str:
    return "" if isinstance(given, Layer) else given.code()


def _flipped(given: Spec | Layer, layer: Layer) -> bool:
    """Whether the dialect's kernel array holds the taps in reverse."""
    return isinstance(given, Spec) and given.weight_layout(layer.rank).flipped


def _read(
    spec: Spec, input_shape: tuple[int, ...] | None, kernel_shape: tuple[int, ...] | None, data: Any, weights: Any
) -> Layer:
    """The layer for the shapes given, or for those of the arrays."""
    shape = input_shape or spec.known_input_shape
    if shape is None and data is not None:
        shape = _completed(spec, data.shape)
    if shape is None:
        hint = "give it in the framework's own data layout, batch and channels included: (1, 2, 2, 1)"
        raise UnstrideError(Reason.SIZE, "is needed", argument="input_shape", value=None, hint=hint)
    if kernel_shape is None and weights is not None:
        layout = spec.weight_layout(spec.data_layout(len(shape)).rank)
        whole = weights.ndim == len(layout.order)
        kernel_shape = weights.shape if whole else layout.shape_of(weights.shape, 1, 1) if spec.functional else None
    return spec.read(tuple(shape), kernel_shape)


def _completed(spec: Spec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The whole shape of an input of which one channel alone may be given."""
    try:
        spec.data_layout(len(shape))
    except UnstrideError:
        layout = spec.data_layout(len(shape) + (2 if spec.batched else 1))
        if layout.rank != len(shape):
            raise
        return layout.join(1, 1, shape)
    return shape


def _check_channels(layer: Layer, channels: tuple[int, int]) -> None:
    """UnstrideError unless the two channels exist and meet."""
    for name, channel, most in zip(("input", "output"), channels, (layer.in_channels, layer.out_channels), strict=True):
        if not 0 <= channel < max(1, most):
            rule = f"{name} channels here are 0 to {most - 1}"
            raise UnstrideError(Reason.CHANNELS, rule, argument="channels", value=channels)
    groups = [channel * layer.groups // max(1, most) for channel, most in _counted(layer, channels)]
    if groups[0] != groups[1]:
        rule = f"these channels lie in groups {groups[0]} and {groups[1]}, which do not meet"
        raise UnstrideError(Reason.GROUPS, rule, argument="channels", value=channels)


def _counted(layer: Layer, channels: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (channels[0], layer.in_channels), (channels[1], layer.out_channels)


def _channel(given: Spec | Layer, layer: Layer, data: Any, channel: int) -> Any:
    """One input channel's numbers; the first of the batch."""
    if data is None or data.shape == layer.input_size:
        return data
    rule = f"this layer's input has the sizes {layer.input_size} and {layer.in_channels} channels"
    wrong = UnstrideError(Reason.SIZE, rule, argument="x.shape", value=data.shape)
    try:
        layout = DataLayout.first(layer.rank) if isinstance(given, Layer) else given.data_layout(data.ndim)
        batch, channels, size = layout.split(data.shape)
    except UnstrideError:
        raise wrong from None
    if (channels, size) != (layer.in_channels, layer.input_size) or not batch:
        raise wrong
    return layout.to_canonical(data.shape).apply(data)[0, channel]


def _taps(given: Spec | Layer, layer: Layer, weights: Any, channels: tuple[int, int]) -> Any:
    """The taps between two channels, in the relation's order; a framework that reverses its taps does so here too."""
    if weights is None:
        return None
    layout = canonical(layer.rank) if isinstance(given, Layer) else given.weight_layout(layer.rank)
    if weights.shape == layer.kernel:
        layer, channels = replace(layer, small_channels=1, large_channels=1, groups=1), (0, 0)
        weights = weights.reshape(layout.shape(layer))
    if weights.shape != layout.shape(layer):
        rule = f"this layer's kernel array has the shape {layout.shape(layer)}: {layout.name}"
        raise UnstrideError(Reason.KERNEL, rule, argument="kernel.shape", value=weights.shape)
    small, large = channels if layer.transposed else channels[::-1]
    per_group = layer.large_channels // layer.groups
    return layout.to(canonical(layer.rank), layer).apply(weights)[small, large % per_group]


def _other(other: str | Spec | Layer, first: Example) -> Example:
    """Another layer on the first one's input and kernel."""
    given = _given(other)
    layer = given if isinstance(given, Layer) else _read_alike(given, first.layer)
    if layer.transposed != first.transposed or layer.input_size != first.layer.input_size:
        rule = "layers are compared on one input, in one direction"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="compare", value=_label(given) or layer)
    kernel = first.kernel if layer.kernel == first.layer.kernel else None
    _check_channels(layer, first.channels)
    return Example(layer, _label(given), first.x, kernel, first.channels, _flipped(given, layer))


def _read_alike(spec: Spec, layer: Layer) -> Layer:
    data = spec.data_layout(layer.rank + (2 if spec.batched else 1))
    shape = data.join(1, layer.in_channels, layer.input_size)
    if not spec.functional:
        return spec.read(shape)
    layout = spec.weight_layout(layer.rank)
    return spec.read(shape, layout.shape_of(layer.kernel, layer.small_channels, layer.large_channels, layer.groups))
