"""What removes a checkerboard: an even kernel, weights that start equal in all phases, the sub-pixel form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

from ..answers.coverage import is_even
from ..dialects import registry
from ..dialects.arguments import compact
from ..dialects.refusal import Outcome
from ..dialects.spec import Spec
from ..errors import UnstrideError
from ..geometry import Axis, Layer
from .conversion import subpixel_lines
from .icnr import usual_layouts


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing to do, with the source that does it."""

    name: str
    """``kernel``, ``initialise`` or ``sub-pixel``"""
    says: str
    """what it does, in a sentence"""
    lines: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The remedy as JSON values."""
        return {"name": self.name, "says": self.says, "lines": list(self.lines)}


@dataclass(frozen=True, slots=True)
class EvenLayer:
    """A layer of the same sizes whose phases all have equally many taps."""

    layer: Layer
    outcome: Outcome
    shift: tuple[Fraction, ...]
    """how far the stamps' middles move along the large side, per axis: 0 or half an element"""


def even_layers(layer: Layer, dialect: str, batch: int = 1) -> tuple[EvenLayer, ...]:
    """The nearest even kernels below and above, cropped so that both sizes stay; none where the layer is even.

    The middle of every stamp stays where it is, or moves by half an element where the kernel's length changes by an
    odd number; of the two halves, the one that the dialect says in one call. The larger kernel comes first; the
    smaller is there if the dialect says it in one call and its stamps reach as much of the large side.

    >>> layer = Layer((Axis(2, 4, kernel=3, stride=2),), 1, 1)
    >>> [found.layer.axes[0].kernel for found in even_layers(layer, "torch")]
    [4, 2]
    """
    if all(map(is_even, layer.axes)):
        return ()
    larger, smaller = (
        tuple(each for late in (True, False) if _reaches(layer, each := _evened(layer, up=up, late=late)))
        for up in (True, False)
    )
    found = [_best(layer, larger, dialect, batch)]
    if smaller and smaller != larger and (less := _best(layer, smaller, dialect, batch)).outcome.exact:
        found.append(less)
    return tuple(found)


def _reaches(layer: Layer, even: Layer) -> bool:
    """Whether no more elements than before lie outside all stamps."""
    pairs = zip(layer.axes, even.axes, strict=True)
    return all(new.before >= min(0, old.before) and new.after >= min(0, old.after) for old, new in pairs)


def _evened(layer: Layer, *, up: bool, late: bool) -> Layer:
    return replace(layer, axes=tuple(_even_axis(axis, up=up, late=late) for axis in layer.axes))


def _even_axis(axis: Axis, *, up: bool, late: bool) -> Axis:
    if is_even(axis):
        return axis
    # a dilation that shares a factor with the stride leaves phases empty whatever the kernel: its extent is filled
    dilation = axis.dilation if gcd(axis.stride, axis.dilation) == 1 else 1
    taps = axis.kernel if dilation == axis.dilation else axis.span
    whole = taps // axis.stride + (1 if up and taps % axis.stride else 0)
    even = replace(axis, kernel=max(1, whole) * axis.stride, dilation=dilation)
    grown = even.span - axis.span
    return replace(even, before=axis.before + (-(-grown // 2) if late else grown // 2))


def _best(layer: Layer, layers: tuple[Layer, ...], dialect: str, batch: int) -> EvenLayer:
    module = registry.named(dialect).module()
    tried = [EvenLayer(each, Outcome(dialect, module.write(each, batch)), _shift(layer, each)) for each in layers]
    return next((each for each in tried if each.outcome.exact), tried[0])


def _shift(layer: Layer, even: Layer) -> tuple[Fraction, ...]:
    pairs = zip(layer.axes, even.axes, strict=True)
    return tuple(Fraction(new.span - old.span, 2) - new.before + old.before for old, new in pairs)


def find_remedies(layer: Layer, spec: Spec, batch: int) -> tuple[Remedy, ...]:
    """What to do about the layer, in the spec's dialect; nothing at stride 1."""
    if max(layer.stride) == 1:
        return ()
    evened = even_layers(layer, spec.dialect, batch)
    starts = evened[0].outcome if evened else Outcome(spec.dialect, spec)
    applied = (f"# then apply {spec.activation_name}",) if spec.activation_name else ()
    found = [_kernel(layer, each, applied) for each in evened]
    if layer.transposed:
        found += _initialise(evened[0].layer if evened else layer, starts)
        found += _subpixel(layer, spec, batch, applied)
    return tuple(found)


def _kernel(layer: Layer, even: EvenLayer, applied: tuple[str, ...]) -> Remedy:
    dilated = f" and dilation {compact(even.layer.dilation)}" if even.layer.dilation != layer.dilation else ""
    moved = "the stamps' middles stay" if not any(even.shift) else "the stamps' middles move by half an element"
    says = f"kernel {compact(even.layer.kernel)}{dilated}, a multiple of the stride: even coverage, the same sizes"
    return Remedy("kernel", f"{says}; {moved}", (*_said(even.outcome), *applied))


def _said(outcome: Outcome) -> tuple[str, ...]:
    if isinstance(outcome.written, Spec):
        return (outcome.written.code(),)
    steps = outcome.composition.steps() if outcome.composition else ()
    return steps or (f"# {outcome.dialect} cannot say it: {outcome.facts()['refusal']}",)


def _initialise(layer: Layer, outcome: Outcome) -> Iterator[Remedy]:
    """ICNR weights, where the dialect's usual call has this layout and the kernel is not dilated."""
    target = outcome.target
    if target is None or max(layer.dilation) > 1 or (outcome.composition and outcome.composition.split > 1):
        return
    layout = target.weight_layout(layer.rank)
    if usual_layouts(outcome.dialect, layer.rank, transposed=True)[0] != layout:
        return
    grouped = f", groups={layer.groups}" if layer.groups > 1 else ""
    call = f"unstride.icnr({layout.shape(layer)}, {compact(layer.stride)}, dialect={outcome.dialect!r}{grouped})"
    says = "weights that start equal in all phases (ICNR): no checkerboard before training"
    yield Remedy("initialise", says, (f"kernel = {call}",))


def _subpixel(layer: Layer, spec: Spec, batch: int, applied: tuple[str, ...]) -> Iterator[Remedy]:
    says = "the sub-pixel form: the same layer with weights from unstride.to_subpixel, free to learn even phases after"
    try:
        yield Remedy("sub-pixel", says, (*subpixel_lines(layer, spec.dialect, batch), *applied))
    except UnstrideError as error:
        yield Remedy("sub-pixel", says, (f"# {error}",))
