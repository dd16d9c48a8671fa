"""For which input sizes a written network is the original: read off size by size, told in words and as conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from ...errors import Reason, UnstrideError
from ...network.graph import Graph
from ...network.operations import Convolution, Features, Operation, Pool, Resize
from ...network.sizes import Sizes, propagate
from ..lengths import Lengths

if TYPE_CHECKING:
    from .common import Lowered

PERIOD_LIMIT = 256
"""longest repetition that is looked for"""
REACH = 64
"""lengths that are tried at least"""
_COMMON = (64, 32, 128, 16, 8, 256, 4, 48, 96, 2, 1)
"""lengths tried first where the source leaves the size open"""
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclass(frozen=True, slots=True)
class InputSizes:
    """The sizes of one input: for each spatial axis its lengths."""

    name: str
    axes: tuple[Lengths, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the axes are called."""
        return AXES.get(len(self.axes)) or tuple(f"axis_{axis}" for axis in range(len(self.axes)))

    def __contains__(self, size: tuple[int, ...]) -> bool:
        return len(size) == len(self.axes) and all(map(Lengths.__contains__, self.axes, size))

    @property
    def everywhere(self) -> bool:
        """Whether every size is one of them."""
        return all(axis == Lengths() for axis in self.axes)

    @property
    def words(self) -> str:
        """The sizes in words.

        >>> InputSizes("x", (Lengths(period=1), Lengths(period=4))).words
        'any height, width a multiple of 4'
        """
        if not self.axes:
            return "vectors"
        if self.everywhere:
            return "any size"
        told = [told_lengths(axis) for axis in self.axes]
        if len(told) > 1 and len(set(told)) == 1:
            *most, last = self.names
            return _phrase(f"{', '.join(most)} and {last}", told[0])
        return ", ".join(map(_phrase, self.names, told))


def _phrase(name: str, told: str) -> str:
    return f"any {name}" if told == "any" else f"{name} {told}"


def told_lengths(lengths: Lengths) -> str:
    """The lengths in words that may stand behind the axis's name.

    >>> told_lengths(Lengths(period=2, remainders=frozenset({1}), start=5))
    'odd, at least 5'
    """
    if not lengths.remainders:
        return " or ".join(map(str, sorted(lengths.early))) or "of no length"
    period, remainders = lengths.period, sorted(lengths.remainders)
    if period == 1:
        text = f"at least {lengths.start}" if lengths.start > 1 else "any"
    elif remainders == [0]:
        text = f"a multiple of {period}"
    elif period == 2:
        text = "odd"
    else:
        text = f"{' or '.join(map(str, remainders))} modulo {period}"
    least = next(length for length in range(lengths.start, lengths.start + period) if length in lengths)
    if period > 1 and least > min(length or period for length in remainders):
        text += f", at least {least}"
    return f"{text}, or {' or '.join(map(str, sorted(lengths.early)))}" if lengths.early else text


def condition(name: str, lengths: Lengths) -> str | None:
    """Python source that is true where the variable's value is one of the lengths; None where every value is.

    >>> condition("height", Lengths(period=16))
    'height % 16 == 0'
    """
    parts = []
    if lengths.remainders:
        if lengths.start > 1:
            parts.append(f"{name} >= {lengths.start}")
        if lengths.period > 1:
            remainders = sorted(lengths.remainders)
            one = f"== {remainders[0]}" if len(remainders) == 1 else f"in {tuple(remainders)}"
            parts.append(f"{name} % {lengths.period} {one}")
        if not parts:
            return None
    early = sorted(lengths.early)
    if early:
        one = f"{name} == {early[0]}" if len(early) == 1 else f"{name} in {tuple(early)}"
        repeats = " and ".join(parts)
        return f"{one} or {repeats}" if len(parts) == 1 else f"{one} or ({repeats})" if parts else one
    return " and ".join(parts) or "False"


# --- finding them ---------------------------------------------------------------------------------------------


def first_sizes(graph: Graph, size: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None) -> Sizes:
    """The sizes to write the network for: those given, else the source's own, else the first that it takes."""
    if isinstance(size, Mapping):
        return {given.name: size.get(given.name) or _closed(given.size, 32) for given in graph.inputs}
    if size is not None:
        return {given.name: size[: len(given.size)] for given in graph.inputs}
    known: Sizes = {given.name: _closed(given.size, 1) for given in graph.inputs}
    if not any(None in given.size for given in graph.inputs):
        return known
    problem = None
    for length in (*_COMMON, *range(17, 2 * PERIOD_LIMIT), *range(1, 17)):
        found: Sizes = {given.name: _closed(given.size, length) for given in graph.inputs}
        misfits = propagate(graph, found).misfits
        if not misfits:
            return found
        problem = problem or misfits[0].error
    rule = f"no input of equal lengths below {2 * PERIOD_LIMIT} fits: {problem.rule if problem else ''}"
    raise UnstrideError(Reason.SIZE, rule, argument="size", value=None, hint="give the input's spatial size")


def _closed(size: tuple[int | None, ...], length: int) -> tuple[int, ...]:
    return tuple(length if given is None else given for given in size)


def exact_sizes(graph: Graph, sizes: Sizes, exact: Callable[[Sizes], bool]) -> tuple[InputSizes, ...]:
    """For each input the sizes at which ``exact`` holds, seen from ``sizes``, where it is known to hold.

    Lengths that the source fixes stay as they are. Inputs of different sizes are fixed too, since what one may be
    depends on the others; those of equal size go together.
    """
    spatial = [given for given in graph.inputs if given.size]
    together = len({(sizes[given.name], given.size) for given in spatial}) <= 1
    axes: list[Lengths] = []
    if spatial and together:
        base = sizes[spatial[0].name]
        for axis, given in enumerate(spatial[0].size):
            if given is not None:
                axes.append(Lengths.only(given))
                continue

            def holds(length: int, axis: int = axis) -> bool:
                at = (*base[:axis], length, *base[axis + 1 :])
                return exact({each.name: at if each.size else () for each in graph.inputs})

            axes.append(_observed(holds, period(graph, sizes, axis), base[axis]))
    return tuple(
        InputSizes(given.name, tuple(axes) if together and given.size else tuple(map(Lengths.only, sizes[given.name])))
        for given in graph.inputs
    )


def _observed(holds: Callable[[int], bool], period: int, sure: int) -> Lengths:
    if period > PERIOD_LIMIT:
        return Lengths.only(sure)
    least = max(REACH, 2 * period)
    found = Lengths.observed(holds, period, least, sure)
    if found.remainders or sure <= least:
        return found
    return Lengths.observed(holds, period, sure, sure)


def period(graph: Graph, sizes: Sizes, axis: int) -> int:
    """After how many elements more on an input's axis every value of the network is whole elements longer.

    A layer repeats itself with its stride; the strides down to it multiply, those of steps up divide.
    """
    features = propagate(graph, sizes).features
    scale = {given.name: Fraction(1) for given in graph.inputs}
    found = 1
    for node in graph.nodes:
        given = features[node.inputs[0]]
        taken = max(scale[name] for name in node.inputs)
        down, up = _strides(node.operation, given, axis)
        scale[node.name] = taken * down / up
        found = lcm(found, (taken * down).numerator, scale[node.name].numerator)
    return found


def _strides(operation: Operation, given: Features, axis: int) -> tuple[int, int]:
    """How many input elements a step down, and output elements a step up, belong together."""
    if axis < len(given.size):
        if isinstance(operation, Convolution):
            layer = operation.layer(given)
            stride = layer.axes[axis].stride
            return (1, stride) if layer.transposed else (stride, 1)
        if isinstance(operation, Pool):
            return operation.stride[axis], 1
        if isinstance(operation, Resize):
            return 1, operation.factor[axis]
    return 1, 1


def free_axes(lowered: Lowered, sizes: tuple[InputSizes, ...]) -> dict[str, tuple[bool, ...]]:
    """For each axis of every input, whether what was written is exact at every length that the source takes."""
    source = lowered.source
    if not lowered.holds:
        return {each.name: tuple(bool(axis.remainders) for axis in each.axes) for each in sizes}
    taken = exact_sizes(source, lowered.sizes, lambda each: not propagate(source, each).misfits)
    pairs = zip(sizes, taken, strict=True)
    return {
        mine.name: tuple(bool(a.remainders) and a.covers(b) for a, b in zip(mine.axes, theirs.axes, strict=True))
        for mine, theirs in pairs
    }


def messages(sizes: InputSizes) -> Iterator[tuple[str, str, str]]:
    """For each axis that is not free: its name, the condition as source, and what is demanded in words."""
    for name, lengths in zip(sizes.names, sizes.axes, strict=True):
        if (tested := condition(name, lengths)) is not None:
            yield name, tested, told_lengths(lengths)
