"""``draw``: the spec read, the arrays brought into the relation's order, and the picture of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..dialects.spec import Spec, checked_shape
from ..dialects.usual import input_hint
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, canonical
from ..live import Live, parse, weigh_if_known
from ..pictures import Example, Period, Picture, View
from ..pictures.compare import LETTERS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

INTEGER_LIMIT = 10**300
TEXT_LIMIT = 100_000
"""Longest array that is written out on a command line."""


def draw(
    spec: str | Spec | Layer | Live,
    input_shape: tuple[int, ...] | None = None,
    kernel_shape: tuple[int, ...] | None = None,
    *,
    view: str | None = None,
    x: ArrayLike | None = None,
    kernel: ArrayLike | None = None,
    compare: Sequence[str | Spec | Layer | Live] = (),
    channels: tuple[int, int] = (0, 0),
    theme: str = "auto",
) -> Picture:
    """A picture of a pasted line, a spec or a layer, which shows itself in a notebook and saves itself to a file.

    A live layer of a framework brings its kernel along.

    ``view`` is scatter, gather, zeros, matrix, coverage, gain (both causes of a checkerboard, from ``kernel``), or
    compare (with other layers on the same input). ``x`` and ``kernel`` put numbers on it: whole arrays in the
    dialect's own layouts, or one channel's spatial values alone. ``channels`` are the input and the output channel
    drawn.
    ``theme`` is auto (as the reader prefers), light or dark. Raises UnstrideError as ``Spec.read`` does, and for
    arrays of other shapes.

    >>> picture = draw("Conv1DTranspose(1, 2, strides=2)", x=[1, 2], kernel=[3, 4])
    >>> [cell.value for cell in picture.scene.grids[-1].cells]
    [3, 4, 6, 8]
    """
    chosen = _view(view, comparing=bool(compare))
    given, kernel = _given(spec, kernel)
    data, weights = _array(x, "x"), _array(kernel, "kernel")
    layer = given if isinstance(given, Layer) else _read(given, input_shape, kernel_shape, data, weights)
    _check_channels(layer, channels)
    if not (layer.in_channels and layer.out_channels) and (data is not None or weights is not None):
        rule = "a layer without channels has no numbers"
        raise UnstrideError(Reason.CHANNELS, rule, argument="channels", value=(layer.in_channels, layer.out_channels))
    numbers = _channel(given, layer, data, channels[0]), _taps(given, layer, weights, channels)
    period = _period(given, layer, weights, channels) if chosen is View.GAIN else None
    first = Example(layer, _label(given), *numbers, channels, _flipped(given, layer), period)
    others = [_other(other, first) for other in compare]
    if len(others) >= len(LETTERS):
        rule = f"at most {len(LETTERS) - 1} other layers fit on one picture"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="compare", value=len(others))
    return Picture(chosen, (first, *others), theme)


def _given(
    subject: str | Spec | Layer | Live, kernel: ArrayLike | None = None
) -> tuple[Spec | Layer, ArrayLike | None]:
    """A pasted line parsed, a spec or a layer as it is; with the kernel, a live layer's own where none is given."""
    if isinstance(subject, Layer):
        return subject, kernel
    spec, kernel, _ = weigh_if_known(parse(subject) if isinstance(subject, str) else subject, kernel)
    return spec, kernel


def written_values(text: str | None, name: str) -> Any:
    """An array written out in brackets, such as ``[[2,1],[3,2]]``, or the name of a file that holds one."""
    if text is None:
        return None
    from ..files import SUFFIXES, load

    if any(suffix in text for suffix in SUFFIXES):
        return load(text)
    try:
        if len(text) > TEXT_LIMIT:
            raise ValueError(text)
        values = json.loads(text)
    except (ValueError, RecursionError):
        hint = "or name a file: x.npy, a.npz:x"
        rule = f"must be numbers in brackets, at most {TEXT_LIMIT} signs, such as [[2,1],[3,2]]"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=name, value=text, hint=hint) from None
    from ..computation import as_array

    as_array(values, name)
    return values


def _view(view: str | None, *, comparing: bool) -> View:
    name = view or ("compare" if comparing else "scatter")
    if name not in list(View):
        rule = f"must be one of {', '.join(View)}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="view", value=view)
    if comparing and name != View.COMPARE:
        rule, hint = "shows one layer; only compare shows several", "leave out the view, or the layers to compare"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="view", value=name, hint=hint)
    if name == View.COMPARE and not comparing:
        hint = "give compare=[...], or --compare CODE"
        raise UnstrideError(Reason.ARGUMENT, "needs other layers", argument="view", value=name, hint=hint)
    return View(name)


def _array(value: ArrayLike | None, name: str) -> Any:
    if value is None:
        return None
    from ..computation import as_array

    array = as_array(value, name)
    if array.dtype.kind == "O":  # integers longer than 64 bits; they may still meet floating-point ones
        known = all(isinstance(entry, int) and abs(entry) < INTEGER_LIMIT for entry in array.flat)
    else:
        known = array.dtype.kind in "biufcV" and array.dtype.type.__name__ != "void"  # V: also short floating point
    if not known:
        rule = f"must hold numbers, integers below {INTEGER_LIMIT:.0e}"
        raise UnstrideError(Reason.DTYPE, rule, argument=f"{name}.dtype", value=str(array.dtype))
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
    shape = spec.known_input_shape if input_shape is None else checked_shape(input_shape, "input_shape")
    if shape is None and data is not None:
        shape = _completed(spec, data.shape)
    if shape is None:
        hint = input_hint(spec, "input_shape=")
        raise UnstrideError(Reason.SIZE, "is needed", argument="input_shape", value=None, hint=hint)
    if kernel_shape is None and weights is not None:
        layout = spec.weight_layout(spec.data_layout(len(shape)).rank)
        whole = weights.ndim == len(layout.order)
        kernel_shape = weights.shape if whole else layout.shape_of(weights.shape, 1, 1) if spec.functional else None
    return spec.read(shape, kernel_shape)


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
    if not isinstance(channels, (tuple, list)) or [type(channel) for channel in channels] != [int, int]:
        rule = "must be two integers: a channel of the input, and one of the output"
        raise UnstrideError(Reason.CHANNELS, rule, argument="channels", value=channels)
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
    whole, canonical_weights = _weights(given, layer, weights)
    return canonical_weights[_pair(whole, channels)]


def _weights(given: Spec | Layer, layer: Layer, weights: Any) -> tuple[Layer, Any]:
    """The whole kernel in the relation's order; of one channel's taps alone, with the layer of that channel."""
    layout = canonical(layer.rank) if isinstance(given, Layer) else given.weight_layout(layer.rank)
    if weights.shape == layer.kernel:
        layer = replace(layer, small_channels=1, large_channels=1, groups=1)
        weights = weights.reshape(layout.shape(layer))
    if weights.shape != layout.shape(layer):
        rule = f"this layer's kernel array has the shape {layout.shape(layer)}: {layout.name}"
        raise UnstrideError(Reason.KERNEL, rule, argument="kernel.shape", value=weights.shape)
    return layer, layout.to(canonical(layer.rank), layer).apply(weights)


def _pair(layer: Layer, channels: tuple[int, int]) -> tuple[int, int]:
    """Where two channels are in canonical weights; of one channel's taps alone, there is no other place."""
    small, large = channels if layer.transposed else channels[::-1]
    return min(small, layer.small_channels - 1), large % (layer.large_channels // layer.groups)


def _period(given: Spec | Layer, layer: Layer, weights: Any, channels: tuple[int, int]) -> Period | None:
    """Coverage and gains of one period; None without a kernel."""
    if weights is None:
        return None
    from ..answers.coverage import measure_coverage
    from ..checkerboards.gain import measure_gain

    coverage = measure_coverage(layer)
    gain = measure_gain(*_weights(given, layer, weights))
    place = _pair(gain.layer, channels)
    several = gain.values.shape[:2] != (1, 1)
    return Period(
        tuple(axis.pattern for axis in coverage.axes),
        gain.values[place],
        float(coverage.alternation),
        float(gain.pair_alternation(*place)),
        float(gain.alternation) if several else None,
        gain.worst_channels if several and gain.alternation else None,
    )


def _other(other: str | Spec | Layer | Live, first: Example) -> Example:
    """Another layer on the first one's input and kernel."""
    given, _ = _given(other)
    try:
        layer = given if isinstance(given, Layer) else _read_alike(given, first.layer)
    except UnstrideError as error:
        raise error.located(f"in the layer to compare, on the same input: {_label(given)}") from None
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
