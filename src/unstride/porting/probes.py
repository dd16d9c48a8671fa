"""Integer inputs that identify every tap and channel of an affine map, and the answers to them.

An affine map is fixed by its value at zero and at one unit input for each input element: a basis, so that any mistake
in tap, flip, channel, group, offset or bias shows. Where that is too many inputs, units that lie further apart than
any response reaches share one; where that is still too many, random dense integers remain, on which two different maps
agree with a chance of at most 1/9 each. Whether a thing is affine, and not clipped, rounded or bent beyond these
integers, is asked at several scales besides. Data is ``(batch, channels, *spatial)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout
from ..live.calling import Called

Array = NDArray[Any]

ELEMENTS = 1 << 23
"""the most elements of inputs and outputs that the units may have together"""
CHUNK_ELEMENTS = 1 << 21
"""about how many elements one call is given"""
DENSE, REACH = 8, 4
"""how many dense inputs there are, of integers from −REACH to REACH: sums of products stay exact far longer"""
LINE = 48
"""on how many positions of an axis responses are measured at most"""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two things compared, for one input size."""

    called: Called
    data: DataLayout
    output: DataLayout
    batch: int
    """how many images the given input shape has"""

    def one(self, x: Array) -> Array:
        """The canonical output for a canonical input, in one call."""
        moved = DataLayout.first(self.data.rank).to(self.data, x.shape).apply(x)
        y = np.asarray(self.called.function(np.ascontiguousarray(moved)))
        if y.ndim != len(self.output.order):
            rule = f"answers with {y.ndim} dimensions where {self.output.name} has {len(self.output.order)}"
            raise UnstrideError(Reason.RANK, rule, argument=self.called.name, value=y.shape, hint="give layouts=")
        canonical: Array = self.output.to_canonical(y.shape).apply(y)
        return canonical

    def answer(self, x: Array, chunk: int) -> Array:
        """The outputs for any number of images: ``chunk`` at a time, or as many as the thing takes."""
        step = chunk if self.data.batched else 1
        try:
            return self._in_steps(x, step)
        except Exception:
            # whatever a framework raises for a batch it was not made for; with its own batch it must answer
            if step == self.batch:
                raise
            return self._in_steps(x, self.batch)

    def _in_steps(self, x: Array, step: int) -> Array:
        padded = np.concatenate([x, np.zeros((-len(x) % step, *x.shape[1:]), x.dtype)])
        parts = [self.one(padded[start : start + step]) for start in range(0, len(padded), step)]
        for part in parts:
            if len(part) != step:
                rule = f"gives {len(part)} images for {step}"
                raise UnstrideError(Reason.SIZE, rule, argument=self.called.name, value=part.shape)
        return np.concatenate(parts)[: len(x)]


@dataclass(frozen=True, slots=True)
class Scale:
    """Dense inputs of another magnitude: multiples of a power of two, so that every element type holds them."""

    words: str
    step: float
    top: int
    """the largest magnitude of what is drawn, a multiple of ``step``"""

    @property
    def factor(self) -> float:
        """What the first of the integer inputs is multiplied with: the smallest numbers, or else the largest."""
        return self.step if self.step < 1 else self.top / REACH


SCALES = (
    Scale("sixteenths up to ±4", 1 / 16, 4),
    Scale("integers up to ±64", 1, 64),
    Scale("integers up to ±1024", 16, 1024),
)
"""below and above the integers from −REACH to REACH"""


@dataclass(frozen=True, slots=True)
class Probes:
    """Inputs of one sort, made some at a time."""

    words: str
    """how many and what they are"""
    count: int
    make: Callable[[int, int], Array]
    """the inputs from one number to another"""
    basis: bool = False
    """whether they tell all affine maps apart"""


def zero(shape: tuple[int, ...], dtype: str) -> Probes:
    """The input that shows the bias."""
    return Probes("zero", 1, lambda start, stop: np.zeros((stop - start, *shape), dtype), basis=False)


def dense(shape: tuple[int, ...], dtype: str, seed: int) -> Probes:
    """Random integers everywhere; ``shape`` is ``(channels, *spatial)``."""
    values = np.random.default_rng(seed).integers(-REACH, REACH + 1, (DENSE, *shape)).astype(dtype)
    return Probes(f"{DENSE} dense random integer inputs", DENSE, lambda start, stop: values[start:stop])


def scaled(first: Array, scale: Scale, seed: int) -> Array:
    """Three inputs: a multiple of ``first``, random numbers, and their sum."""
    most = int(scale.top / scale.step)
    drawn = np.random.default_rng(seed + 1).integers(-most, most + 1, first.shape) * scale.step
    multiple = first * scale.factor
    made: Array = np.stack([multiple, drawn, multiple + drawn]).astype(first.dtype)
    return made


def units(shape: tuple[int, ...], dtype: str) -> Probes:
    """One input for each element: 1 there, 0 elsewhere."""
    size = prod(shape)

    def make(start: int, stop: int) -> Array:
        made = np.zeros((stop - start, size), dtype)
        made[np.arange(stop - start), np.arange(start, stop)] = 1
        return made.reshape(-1, *shape)

    return Probes(f"all {size} unit inputs", size, make, basis=True)


def grids(shape: tuple[int, ...], dtype: str, spacing: tuple[int, ...], seed: int) -> Probes:
    """For each channel and each origin, small numbers ``spacing`` apart; they meet every element once."""
    channels, *size = shape
    starts = list(product(range(channels), *map(range, spacing)))
    codes = np.random.default_rng(seed).integers(1, REACH + 1, size).astype(dtype)

    def make(start: int, stop: int) -> Array:
        made = np.zeros((stop - start, *shape), dtype)
        for image, (channel, *origin) in zip(made, starts[start:stop], strict=True):
            places = tuple(slice(first, None, step) for first, step in zip(origin, spacing, strict=True))
            image[(channel, *places)] = codes[places]
        return made

    apart = " × ".join(map(str, spacing))
    words = (
        f"{len(starts)} inputs with a number every {apart} positions of one channel, further than a response reaches"
    )
    return Probes(words, len(starts), make, basis=False)


def fits(shape: tuple[int, ...], out: int) -> bool:
    """Whether all units of inputs ``shape``, with outputs of ``out`` elements, are few enough."""
    return prod(shape) * (prod(shape) + out) <= ELEMENTS


def planned(sides: tuple[Side, Side], shape: tuple[int, ...], out: int, dtype: str, seed: int) -> Probes | None:
    """The units, or grids of them, if they are few enough; ``out`` is how many elements an output has."""
    if fits(shape, out):
        return units(shape, dtype)
    each = prod(shape) + out
    spacing = measured(sides, shape, dtype, seed)
    if spacing is not None and shape[0] * prod(spacing) * each <= ELEMENTS:
        return grids(shape, dtype, spacing, seed)
    return None


def measured(sides: tuple[Side, Side], shape: tuple[int, ...], dtype: str, seed: int) -> tuple[int, ...] | None:
    """How far apart two positions must lie on each axis so that no output element sees both."""
    channels, *size = shape
    codes = np.random.default_rng(seed).integers(1, REACH + 1, channels)
    spacing = []
    for axis, length in enumerate(size):
        third = LINE // 3
        middle = range(length // 2 - third // 2, length // 2 - third // 2 + third)
        places = list(range(length)) if length <= LINE else [*range(third), *middle, *range(length - third, length)]
        x = np.zeros((len(places) + 1, *shape), dtype)
        for image, place in enumerate(places, start=1):
            x[image, :, *(place if other == axis else extent // 2 for other, extent in enumerate(size))] = codes
        apart = max(_apart(side.answer(x, chunk(x[0].size)), axis, places) for side in sides)
        spacing.append(min(apart, length))
    return tuple(spacing)


def _apart(answers: Array, axis: int, places: list[int]) -> int:
    responses = answers[1:] != answers[:1]
    others = tuple(other for other in range(1, responses.ndim) if other != axis + 2)
    lines = responses.any(axis=others)
    met = [(place, np.flatnonzero(line)) for place, line in zip(places, lines, strict=True) if line.any()]
    overlaps = (q - p for (p, here), (q, there) in product(met, met) if q > p and here[-1] >= there[0])
    return max(overlaps, default=0) + 1


def chunk(elements: int) -> int:
    """How many images of that many elements one call is given."""
    return max(1, min(256, CHUNK_ELEMENTS // max(1, elements)))


def asked(side: Side, probes: Probes, elements: int) -> Array:
    """The answers to all of the probes."""
    step = min(chunk(elements), probes.count)
    return np.concatenate(list(_answers(side, probes, step)))


def _answers(side: Side, probes: Probes, step: int) -> Iterator[Array]:
    for start in range(0, probes.count, step):
        yield side.answer(probes.make(start, min(start + step, probes.count)), step)
