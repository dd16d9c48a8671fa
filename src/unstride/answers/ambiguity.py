"""Ambiguity: the large sizes that share one small size, and the argument that selects each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any

from ..dialects import registry
from ..dialects.arguments import Sizes, compact
from ..dialects.refusal import ways
from ..dialects.spec import Spec, argument, checked_shape
from ..dialects.windows import Window, spelled
from ..errors import UnstrideError
from ..geometry import Layer

LISTED = 32
"""Most sizes of one axis that are listed one by one; a longer range is listed at both ends."""

_SIZES = ("output_size", "output_shape", "target_shape")
_EXTRAS = ("output_padding", "adj")
SELECTING = (*_SIZES, *_EXTRAS)
"""The arguments by which frameworks let one of the sizes be asked for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the possible sizes, and how to ask for it."""

    size: int
    chosen: bool
    """whether the line as it stands gives this size"""
    argument: str | None
    """what selects it, such as ``output_padding=1``; None where no argument of this call does"""
    code: str | None
    """the line that gives it, in the same dialect; None where the dialect has none"""


@dataclass(frozen=True, slots=True)
class AxisSizes:
    """The sizes of the large side that share one size of the small side, on axes with the same numbers."""

    axes: tuple[int, ...]
    """the spatial axes, counted from 0"""
    small: int
    large: int
    """the large size of this layer"""
    sizes: range
    choices: tuple[Choice, ...]
    """for a transposed convolution, how to ask for each size; empty for a convolution, whose input has the size"""

    def text(self) -> str:
        """The sizes in lines of text."""
        head = f"large {spelled(self.sizes)} all go with small {self.small}"
        return "\n".join([head, *(f"  {c.size}: {_asked(c)}" for c in self.choices)])

    def as_json(self) -> dict[str, Any]:
        """The sizes as JSON values."""
        return {
            "axes": list(self.axes),
            "small": self.small,
            "large": self.large,
            "sizes": [self.sizes.start, self.sizes.stop - 1],
            "choices": [
                {"size": c.size, "chosen": c.chosen, "argument": c.argument, "code": c.code} for c in self.choices
            ],
        }


def _asked(choice: Choice) -> str:
    if choice.chosen:
        return "this line"
    return choice.argument or choice.code or "no argument of this framework selects it"


def list_sizes(
    spec: Spec, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None
) -> tuple[AxisSizes, ...]:
    """The large sizes that share the small size, once for each kind of axis.

    >>> from unstride.dialects.torch import Conv2d
    >>> list_sizes(Conv2d(1, 1, 3, stride=7, padding=1), (1, 1, 28, 28))[0].sizes
    range(22, 29)
    """
    layer = spec.read(input_shape, kernel_shape)
    shape = checked_shape(input_shape, "input_shape")
    _, _, size = spec.data_layout(len(shape)).split(shape)
    found: dict[Window, list[int]] = {}
    for index, window in enumerate(spec.windows(size, layer.kernel)):
        found.setdefault(window, []).append(index)
    return tuple(
        AxisSizes(
            tuple(axes),
            window.axis.small,
            window.axis.large,
            window.alternatives,
            tuple(_choices(spec, shape, layer, axes, window)) if spec.transposed else (),
        )
        for window, axes in found.items()
    )


def _choices(
    spec: Spec, input_shape: tuple[int, ...], layer: Layer, axes: list[int], window: Window
) -> Iterator[Choice]:
    sizes = window.alternatives
    listed = list(sizes) if len(sizes) <= LISTED else [*sizes[: LISTED // 2], *sizes[-LISTED // 2 :]]
    for size in listed:
        if size < 0:
            continue
        wanted = tuple(size if i in axes else axis.large for i, axis in enumerate(layer.axes))
        if wanted == layer.output_size:
            yield Choice(size, chosen=True, argument=None, code=spec.code())
            continue
        said, asked = _selected(spec, input_shape, layer, wanted) or (None, _other_way(spec, layer, wanted))
        yield Choice(size, chosen=False, argument=said, code=asked.code() if asked else None)


def asking_arguments(spec: Spec) -> dict[str, Any]:
    """The arguments of the line that ask for one of the sizes, with their values."""
    given = ((argument(field.name), field, getattr(spec, field.name)) for field in fields(spec))
    return {name: value for name, field, value in given if name in SELECTING and value not in (None, field.default)}


def _selected(
    spec: Spec, input_shape: tuple[int, ...], layer: Layer, wanted: tuple[int, ...]
) -> tuple[str, Spec] | None:
    """The same line with one argument changed, so that it gives the ``wanted`` output size."""
    kernel_shape = spec.kernel_shape(layer)
    for changes in _asking(spec, input_shape, layer, wanted):
        asked = _changed(spec, changes, input_shape, kernel_shape, wanted)
        if asked is not None:
            name = next(reversed(changes))
            return f"{argument(name)}={changes[name]}", asked
    return None


def _asking(
    spec: Spec, input_shape: tuple[int, ...], layer: Layer, wanted: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """The changed arguments, the asking one last: as the line already asks, then an output padding, then a size."""
    data = spec.output_layout(len(input_shape))
    batch, _, _ = spec.data_layout(len(input_shape)).split(input_shape)
    whole = data.join(batch, layer.out_channels, wanted)
    unset = {f.name: _default(f) for f in fields(spec) if argument(f.name) in _SIZES}
    # as long as the line's own: some frameworks take the spatial size and the whole shape
    sizes = [{n: v} for n in unset for v in sorted((wanted, whole), key=lambda v: len(v) != _length(getattr(spec, n)))]
    if set(asking_arguments(spec)) & set(_SIZES):
        yield from sizes
    for field in (f for f in fields(spec) if f.name in _EXTRAS):
        for value in _extras(spec, field.name, unset, (input_shape, spec.kernel_shape(layer)), wanted):
            yield unset | {field.name: value}
        yield unset | {field.name: _default(field)}  # where nothing is said, the framework may infer another size
    yield from sizes


def _length(value: object) -> int:
    return len(value) if isinstance(value, tuple) else 0


def _default(field: Field[Any]) -> object:
    return None if field.default is MISSING else field.default


def _extras(
    spec: Spec,
    name: str,
    unset: dict[str, Any],
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    wanted: tuple[int, ...],
) -> Iterator[Sizes]:
    """The output padding that lengthens each axis to ``wanted``, measured from what a legal one yields.

    Given as one integer where it can be, then as one per axis: frameworks differ in which they take.
    """
    for start in (0, 1):  # an output padding of 0 may itself be illegal
        for value in (start, (start,) * len(wanted)):
            try:
                got = replace(spec, **unset, **{name: value}).read(*shapes).output_size
            except UnstrideError:
                continue
            needed = tuple(start + size - least for size, least in zip(wanted, got, strict=True))
            yield compact(needed)
            yield needed
            return


def _changed(
    spec: Spec,
    changes: dict[str, Any],
    input_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    wanted: tuple[int, ...],
) -> Spec | None:
    try:
        asked = replace(spec, **changes)
        read = asked.read(input_shape, kernel_shape)
    except UnstrideError:
        return None
    return asked if read.output_size == wanted else None


def _other_way(spec: Spec, layer: Layer, wanted: tuple[int, ...]) -> Spec | None:
    """Another line of the same dialect with this window's start and the ``wanted`` size."""
    axes = tuple(replace(axis, large=size) for axis, size in zip(layer.axes, wanted, strict=True))
    sought = replace(layer, axes=axes)
    return next(ways(sought, registry.named(spec.dialect).module().propose), None)
