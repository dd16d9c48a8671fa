"""One layer's words in another dialect, and exactly the input sizes at which those words say the same layer.

A framework's rule (SAME, ``auto_pad``, ``output_shape``) chooses its padding from the input's size; the target's
numbers are fixed. Every rule is a floor-linear function of the size, so that the sizes at which two specs agree repeat
with the stride once the size is past the kernel: reading both at the sizes up to there and two periods on decides all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TypeAlias

from ..dialects import registry
from ..dialects.arguments import Pairs
from ..dialects.refusal import Composition, Proposer, compose, ways
from ..dialects.spec import Spec, checked_spec
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer
from .lengths import Lengths, spelled

Size: TypeAlias = tuple[int, ...]

NEIGHBOURS = 32
"""most sizes whose words are tried"""
CALLS = 4
"""most calls that compositions are made of at one size"""
REACH = 20_000
"""most sizes of one axis that are read; past it only the asked size is stated"""


@dataclass(frozen=True, slots=True)
class Sayable:
    """A layer as another dialect says it, exact at the sizes that are stated."""

    written: Spec | Composition
    layer: Layer
    """the source's layer at the size that was asked for"""
    exact: tuple[Lengths, ...]
    """for each spatial axis, the lengths at which ``written`` is the source's layer"""
    taken: tuple[Lengths, ...]
    """for each spatial axis, the lengths that the source takes"""

    @property
    def spec(self) -> Spec:
        """What takes the weights: the whole layer, or the middle of the composition."""
        return self.written.spec if isinstance(self.written, Composition) else self.written

    @property
    def composition(self) -> Composition | None:
        """The steps around the spec, where one call does not do."""
        return self.written if isinstance(self.written, Composition) else None

    @property
    def pad_input(self) -> Pairs:
        """Zeros that the input gets before the call, a pair an axis; negative: elements dropped."""
        return self.written.pad_input if isinstance(self.written, Composition) else ((0, 0),) * self.layer.rank

    @property
    def crop_output(self) -> Pairs:
        """Elements that the output loses after the call, a pair an axis."""
        return self.written.crop_output if isinstance(self.written, Composition) else ((0, 0),) * self.layer.rank

    def holds(self, size: Size) -> bool:
        """Whether ``written`` is the source's layer for inputs of this spatial size."""
        return len(size) == len(self.exact) and all(map(Lengths.__contains__, self.exact, size))

    @property
    def everywhere(self) -> bool:
        """Whether it holds at every size that the source takes."""
        return all(map(Lengths.covers, self.exact, self.taken))

    @property
    def rule(self) -> str:
        """The sizes in words: "every size", or what each axis must be."""
        return spelled(self.exact, self.taken)


def everywhere(
    spec: Spec, kernel_shape: Size, channels: int, to: str, size: Size, *, accept: Callable[[Spec], bool] | None = None
) -> Sayable:
    """``spec`` in the words of the dialect ``to``, exact at ``size`` and at as many other sizes as can be.

    ``kernel_shape`` is in the spec's own weight layout, ``channels`` are the input's; ``accept`` says which of the
    target's specs may be used (all of them where it is left out). Raises UnstrideError where the
    source rejects the size or the target can say the layer in no way.

    >>> from unstride.dialects import keras
    >>> found = everywhere(keras.Conv2D(4, 3, strides=2, padding="same"), (3, 3, 1, 4), 1, "torch", (7, 7))
    >>> found.spec.code(), found.rule
    ('torch.nn.Conv2d(1, 4, 3, stride=2, padding=1)', 'odd heights and odd widths only')
    """
    source = _Reader(checked_spec(spec), kernel_shape, channels)
    layer = source.layer(size)
    found: Sayable | None = None
    propose = partial(_accepted, registry.named(to).module().propose, accept or _any)
    for written in _candidates(source, propose, layer):
        if (each := _stated(source, written, layer)) is None:
            continue
        if each.everywhere:
            return each
        if found is None or _share(each) > _share(found):
            found = each
    if found is None:
        refusal = registry.write(layer, to)
        rule = getattr(refusal, "rule", "no composition of its calls is this layer")
        raise UnstrideError(Reason.UNSUPPORTED, f"{to} cannot say this layer: {rule}", argument="to", value=spec.code())
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """A spec with the shapes that do not depend on the size."""

    spec: Spec
    kernel_shape: Size
    channels: int

    def layer(self, size: Size) -> Layer:
        data = self.spec.data_layout(len(size) + (2 if self.spec.batched else 1))
        return self.spec.read(data.join(1, self.channels, size), self.kernel_shape)

    def found(self, size: Size) -> Layer | None:
        try:
            return self.layer(size)
        except UnstrideError:
            return None

    def takes(self, size: Size) -> bool:
        return self.found(size) is not None


def _any(spec: Spec) -> bool:
    del spec
    return True


def _accepted(
    propose: Proposer, accept: Callable[[Spec], bool], layer: Layer, batch: int
) -> Iterator[Callable[[], Spec]]:
    """The proposals that may be used; one that raises as it is built is passed on, to raise where it is tried."""
    for build in propose(layer, batch):
        with suppress(UnstrideError):
            if not accept(build()):
                continue
        yield build


def _candidates(source: _Reader, propose: Proposer, layer: Layer) -> Iterator[Spec | Composition]:
    """What the target says of the layer at the size and at those that follow it; none twice."""
    period = 1 if layer.transposed else max(layer.stride)
    seen: set[Spec | Composition] = set()
    for step in range(min(period, NEIGHBOURS)):
        near = source.found(tuple(length + step for length in layer.input_size))
        if near is None:
            continue
        said: Iterator[Spec | Composition] = chain(ways(near, propose), _compositions(near, propose))
        for written in said:
            # a composition's layer has the sizes it was found at, which its steps do not depend on
            key = replace(written, layer=layer) if isinstance(written, Composition) else written
            if key not in seen:
                seen.add(key)
                yield written


def _compositions(layer: Layer, propose: Proposer) -> Iterator[Composition]:
    """The nearest composition, then those whose call is another one."""
    calls: set[Spec] = set()
    others = partial(_accepted, propose, lambda spec: spec not in calls)
    while len(calls) < CALLS and (found := compose(layer, others)) is not None:
        yield found
        calls.add(found.spec)


def _stated(source: _Reader, written: Spec | Composition, layer: Layer) -> Sayable | None:
    """The candidate with the lengths at which it is exact; None where it is not at the layer's own size."""
    same = _comparison(source, written, layer)
    size = layer.input_size
    if not same(size):
        return None
    exact, taken = [], []
    for axis in range(layer.rank):
        period, reach = _bounds(source, layer, written, axis)

        at = partial(_with_length, size, axis)
        if reach > REACH:
            exact.append(Lengths.only(size[axis]))
            taken.append(Lengths())
            continue
        exact.append(Lengths.observed(partial(_holds, same, at), period, reach, size[axis]))
        taken.append(Lengths.observed(partial(_holds, source.takes, at), period, reach))
    return Sayable(written, layer, tuple(exact), tuple(taken))


def _with_length(size: Size, axis: int, length: int) -> Size:
    return (*size[:axis], length, *size[axis + 1 :])


def _holds(test: Callable[[Size], bool], at: Callable[[int], Size], length: int) -> bool:
    return test(at(length))


def _bounds(source: _Reader, layer: Layer, written: Spec | Composition, axis: int) -> tuple[int, int]:
    """The period of both rules on one axis, and the length from which on they repeat."""
    here = layer.axes[axis]
    size = layer.input_size
    longer = source.found(_with_length(size, axis, size[axis] + here.stride))
    fixed = longer is None or longer.output_size[axis] == layer.output_size[axis]
    margins = sum(map(abs, written.pad_input[axis])) if isinstance(written, Composition) else 0
    reach = 2 * here.span + abs(here.before) + abs(here.after) + margins + 2 * here.stride
    if not layer.transposed:
        return here.stride, reach
    return 1, (reach + (here.large if fixed else 0)) // here.stride + 4


def _comparison(source: _Reader, written: Spec | Composition, layer: Layer) -> Callable[[Size], bool]:
    """Whether the candidate is the source's layer, as a function of the size."""
    if isinstance(written, Spec):
        target = _Reader(written, written.kernel_shape(layer), layer.in_channels)
        return partial(_equal, source, target)
    inner = _Reader(written.spec, written.spec.kernel_shape(written.layer), written.layer.in_channels)
    return partial(_equal_composed, source, inner, written)


def _equal(source: _Reader, target: _Reader, size: Size) -> bool:
    wanted = source.found(size)
    return wanted is not None and target.found(size) == wanted


def _equal_composed(source: _Reader, inner: _Reader, written: Composition, size: Size) -> bool:
    wanted = source.found(size)
    padded = tuple(length + sum(pair) for length, pair in zip(size, written.pad_input, strict=True))
    made = inner.found(padded) if wanted and min(padded) >= 0 else None
    if wanted is None or made is None:
        return False
    return all(map(_same_axis, wanted.axes, made.axes, written.pad_input, written.crop_output, [wanted] * made.rank))


def _same_axis(wanted: Axis, made: Axis, pads: tuple[int, int], crops: tuple[int, int], layer: Layer) -> bool:
    """Whether the call's axis with zeros around its input and a crop of its output is the wanted one."""
    if (made.span, made.stride) != (wanted.span, wanted.stride):
        return False
    if layer.transposed:
        large, before = made.large - sum(crops), made.before + crops[0] - pads[0] * made.stride
        return min(pads) >= 0 and (wanted.large, wanted.before) == (large, before)
    # an element that is dropped ahead of the call must be one that no tap of the wanted layer reads
    unread = (pads[0] >= 0 or made.before <= 0) and (pads[1] >= 0 or made.after <= 0)
    return unread and (wanted.small, wanted.before) == (made.small - sum(crops), made.before + pads[0])


def _share(found: Sayable) -> float:
    """The share of all sizes at which it is exact; single sizes count next to nothing."""
    share = 1.0
    for lengths in found.exact:
        share *= len(lengths.remainders) / lengths.period + 1e-6 * len(lengths.early)
    return share
