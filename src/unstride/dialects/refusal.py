"""Refusal: why a dialect cannot say a layer, and the nearest exact composition; ``settle`` decides which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

from ..errors import UnstrideError
from ..geometry import Axis, DataLayout, Layer
from .arguments import Pairs
from .spec import Spec

Proposer: TypeAlias = Callable[[Layer, int], Iterable[Callable[[], Spec]]]
"""A dialect's ways to say a layer for a batch size, best first; each is built when tried, and may raise."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A layer the dialect can say, with exact steps around it that together equal the layer asked for."""

    spec: Spec
    layer: Layer
    """what ``spec`` computes"""
    pad_input: Pairs
    """zeros added to the input's spatial axes; negative: elements dropped, once the zeros are there"""
    crop_output: Pairs
    """elements dropped from the output's spatial axes"""
    split: int = 1
    """number of equal runs of channels that are computed one by one and concatenated"""
    kernel_dilation: tuple[int, ...] = ()
    """where not empty: the kernel is stretched by this many elements per tap, zeros between"""
    add_bias: bool = False
    """whether the bias is added in a step of its own"""

    def steps(self) -> tuple[str, ...]:
        """What to do, in order; array slices are as NumPy and every framework write them."""
        dimensions = self.layer.rank + (2 if self.spec.batched else 1)
        data, output = self.spec.data_layout(dimensions), self.spec.output_layout(dimensions)
        found = []
        if self.split > 1:
            found.append(f"split x and the kernel into {self.split} groups; for each:")
        if any(before > 0 or after > 0 for before, after in self.pad_input):
            grown = tuple((max(before, 0), max(after, 0)) for before, after in self.pad_input)
            found.append(f"x = pad x with zeros, (before, after) per spatial axis: {grown}")
        if any(before < 0 or after < 0 for before, after in self.pad_input):
            found.append(f"x = x[{slices(data, _drops(self.pad_input))}]")
        if self.kernel_dilation:
            found.append(f"kernel = kernel with zeros between its taps, dilation {self.kernel_dilation}")
        found.append(f"y = {self.spec.code()}")
        if any(side for pair in self.crop_output for side in pair):
            found.append(f"y = y[{slices(output, self.crop_output)}]")
        if self.split > 1:
            found.append("concatenate the groups' y along the channels")
        if self.add_bias:
            found.append("y = y + bias, along the channels")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The dialect cannot say the layer in one call: the rule that forbids it, and what equals it exactly."""

    dialect: str
    rule: str
    tried: tuple[str, ...]
    """each line that came near, and what it would compute instead"""
    composition: Composition | None

    def __str__(self) -> str:
        lines = [f"{self.dialect} cannot say this layer in one call: {self.rule}"]
        lines += [f"  {attempt}" for attempt in self.tried]
        if self.composition:
            lines += ["exactly the same:"] + [f"  {step}" for step in self.composition.steps()]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a layer in one dialect: a spec, or a refusal with the composition that equals the layer."""

    dialect: str
    """the dialect's name"""
    written: Spec | Refusal

    @property
    def exact(self) -> bool:
        """Whether one call in the dialect is exactly the layer."""
        return isinstance(self.written, Spec)

    @property
    def composition(self) -> Composition | None:
        """The exact composition, where one call does not do."""
        return None if isinstance(self.written, Spec) else self.written.composition

    @property
    def target(self) -> Spec | None:
        """The spec that takes the weights: the whole layer, or the middle of its composition."""
        if isinstance(self.written, Spec):
            return self.written
        return self.composition.spec if self.composition else None

    def facts(self) -> dict[str, Any]:
        """What every JSON answer says about it."""
        return {
            "exact": self.exact,
            "code": self.written.code() if isinstance(self.written, Spec) else None,
            "refusal": None if isinstance(self.written, Spec) else self.written.rule,
            "composition": list(self.composition.steps()) if self.composition else None,
        }


def settle(
    layer: Layer, dialect: str, propose: Proposer, batch: int = 1, *, limit: str = "its arguments have no such window"
) -> Spec | Refusal:
    """The first proposal that reads back as exactly ``layer``, else a Refusal with the nearest composition.

    ``limit`` says what the dialect's arguments can describe; it is the rule of the refusal.
    """
    for spec in ways(layer, propose, batch):
        return spec
    composition = compose(layer, propose, batch)
    if layer.bias and any(True for _ in ways(replace(layer, bias=False), propose, batch)):
        return Refusal(dialect, "the call has no bias argument", (), composition)
    tried = tuple(dict.fromkeys(_attempts(layer, propose, batch)))
    rule = f"{limit}; wanted: {_windows(layer)}" if tried else f"it has no {_kind(layer)}"
    return Refusal(dialect, rule, tried[:4], composition)


def ways(layer: Layer, propose: Proposer, batch: int = 1) -> Iterator[Spec]:
    """Every proposal that reads back as exactly ``layer``, best first, none twice."""
    seen = set()
    for build in propose(layer, batch):
        spec = _said(build, layer, batch)
        if spec is not None and spec not in seen:
            seen.add(spec)
            yield spec


def _said(build: Callable[[], Spec], layer: Layer, batch: int) -> Spec | None:
    try:
        spec = build()
        read = spec.read(spec.input_shape(layer, batch), spec.kernel_shape(layer))
    except UnstrideError:
        return None
    return spec if read == layer else None


def _attempts(layer: Layer, propose: Proposer, batch: int) -> Iterator[str]:
    for build in propose(layer, batch):
        try:
            spec = build()
            read = spec.read(spec.input_shape(layer, batch), spec.kernel_shape(layer))
        except UnstrideError as error:
            yield str(error)
            continue
        if read.axes != layer.axes:
            yield f"{spec.code()} gives {_windows(read)}"


def _kind(layer: Layer) -> str:
    grouped = f" with {layer.groups} groups" if layer.groups > 1 else ""
    return f"{layer.rank}-D {'transposed ' if layer.transposed else ''}convolution{grouped}"


def _windows(layer: Layer) -> str:
    small_or_large = "large" if layer.transposed else "small"
    parts = [f"{getattr(axis, small_or_large)} (before {axis.before}, after {axis.after})" for axis in layer.axes]
    return "output " + " × ".join(parts)


def compose(layer: Layer, propose: Proposer, batch: int = 1) -> Composition | None:
    """The nearest exact composition: fewest extra steps first; None where even the plain window cannot be said."""
    dilation = layer.dilation
    stretches = ((), dilation) if max(dilation) > 1 else ((),)
    for split, stretch, add_bias in product((1, layer.groups), stretches, (False, layer.bias)):
        for sayable, padded, cropped in _plain_windows(_reduced(layer, split, bool(stretch), add_bias)):
            for spec in ways(sayable, propose, batch):
                return Composition(spec, sayable, padded, cropped, split, stretch, add_bias)
    return None


def _reduced(layer: Layer, split: int, stretched: bool, add_bias: bool) -> Layer:
    """One group's part of the layer, its kernel stretched, its bias left to a later step."""
    return replace(
        layer,
        axes=tuple(replace(axis, kernel=axis.span, dilation=1) for axis in layer.axes) if stretched else layer.axes,
        small_channels=layer.small_channels // split,
        large_channels=layer.large_channels // split,
        groups=layer.groups // split,
        bias=layer.bias and not add_bias,
    )


def _plain_windows(layer: Layer) -> Iterator[tuple[Layer, Pairs, Pairs]]:
    """The layer itself, then layers that every framework can say, with the margins that make up the difference."""
    none = ((0, 0),) * layer.rank
    yield layer, none, none
    if not layer.transposed:
        if all(axis.full >= 0 for axis in layer.axes):
            margins = tuple((axis.before, axis.after) for axis in layer.axes)
            axes = tuple(replace(axis, large=axis.full, before=0) for axis in layer.axes)
            yield replace(layer, axes=axes), margins, none
        return
    # the same padding and length, the crop moved: the full extent, or whole strides where the kernel is shorter
    for least in ("full", "strides"):
        parts = [_cropped(axis, least) for axis in layer.axes]
        yield (
            replace(layer, axes=tuple(axis for axis, _, _ in parts)),
            tuple(margins for _, margins, _ in parts),
            tuple(crops for _, _, crops in parts),
        )


def _cropped(axis: Axis, least: str) -> tuple[Axis, tuple[int, int], tuple[int, int]]:
    """A longer window that starts at 0, over an input that zeros extend where no stamp would reach."""
    ahead = max(0, -(axis.before // axis.stride))
    behind = max(0, -(axis.after // axis.stride))
    small = axis.small + ahead + behind
    full = (small - 1) * axis.stride + axis.span
    large = max(full, small * axis.stride) if least == "strides" else full
    before = axis.before + ahead * axis.stride
    grown = replace(axis, small=small, large=max(large, 0), before=0)
    return grown, (ahead, behind), (before, grown.large - before - axis.large)


def _drops(margins: Pairs) -> Pairs:
    return tuple((max(-before, 0), max(-after, 0)) for before, after in margins)


def slices(data: DataLayout, drops: Pairs) -> str:
    """The slice that drops those elements.

    >>> slices(DataLayout("N01C"), ((0, 1), (1, 0)))
    ':, :-1, 1:, :'
    """
    parts = {}
    for axis, (before, after) in enumerate(drops):
        parts[str(axis)] = f"{before or ''}:{-after if after else ''}"
    return ", ".join(parts.get(token, ":") for token in data.order)
