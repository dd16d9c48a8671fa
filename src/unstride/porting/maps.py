"""The answers to all probes, as an affine map; two of them compared, and told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import channels, diagnosis, probes, stationary, wording
from .comparing import Difference, Kind, Pair, unequal
from .probes import DENSE, REACH, SCALES, Probes, Scale, Side

Array = NDArray[Any]
ROUNDING = 1e-4
"""how far, of the largest output, an affine map in single precision may be from the sum of its parts"""
COARSE = 16
"""and in a coarser type, in units in the last place"""
GUARD = 8
"""how much of the range of exact numbers is left free for partial sums, which may be larger than the sum"""
NUDGE, STEEP = 2.0**-20, 8.0
"""by how much, relatively, inputs are moved to see how steep a function is, and how many such moves are rounding"""
SMALLER = (4, 3, 2)
"""the spatial sizes, per axis, on which a map too large for all its units is told apart: the first that fits"""


@dataclass(frozen=True, eq=False)
class Wide:
    """What one side answers to the dense inputs of one scale."""

    scale: Scale
    given: Array
    answers: Array

    @cached_property
    def exact(self) -> bool:
        """Whether the answers are multiples of the inputs' unit, few enough that sums of them are exact."""
        counts = self.answers.astype(np.float64) / min(1.0, self.scale.step)
        return bool((counts == np.rint(counts)).all() and (np.abs(counts) < _integers(self.answers) / GUARD).all())


def _integers(array: Array) -> float:
    """Below which magnitude an array's element type holds all integers."""
    return 2 / float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else np.inf


@dataclass(frozen=True, eq=False)
class Answers:
    """What one side answers, canonically, for one input size."""

    shape: tuple[int, ...]
    """the input's, ``(channels, *spatial)``"""
    zero: Array
    dense: Array
    given: Array
    """the dense inputs"""
    summed: Array
    """the answer to the sum of the first two dense inputs"""
    units: Array | None
    """the answers to units, or to grids of them"""
    probes: Probes | None
    wide: tuple[Wide, ...] = ()
    """the answers at other scales; none where these were not asked, or rejected"""

    @property
    def basis(self) -> bool:
        """Whether there is a unit for each input element."""
        return self.probes is not None and self.probes.basis

    @property
    def words(self) -> str:
        """What was asked."""
        lines = ["zero", *([self.probes.words] if self.probes else []), f"{DENSE} dense random integer inputs"]
        if self.wide:
            count = sum(len(each.given) for each in self.wide)
            lines.append(f"{count} dense inputs of {wording.joined(each.scale.words for each in self.wide)}")
        return wording.joined(lines)

    @property
    def every(self) -> tuple[Array, ...]:
        """All answers, in parts."""
        return (self.zero, self.dense, *(() if self.units is None else (self.units,)))

    @cached_property
    def exact(self) -> bool:
        """Whether all answers are integers that the element type holds exactly."""
        limit = _integers(self.zero)
        return all(bool((part == np.rint(part)).all() and (np.abs(part) < limit).all()) for part in self.every)

    @property
    def count(self) -> int:
        """How many numbers were answered."""
        return sum(part.size for part in (*self.every, *(each.answers for each in self.wide)))

    @cached_property
    def finite(self) -> int:
        """How many of them are finite."""
        parts = (*self.every, *(each.answers for each in self.wide))
        return sum(int(np.isfinite(part).sum()) for part in parts)

    @cached_property
    def linear(self) -> Array | None:
        """The map without its bias, ``(in, *input, out, *output)``, in a type that differences are exact in."""
        if self.units is None or not self.basis or not all(np.isfinite(part).all() for part in self.every):
            return None
        plain = self.units.astype(np.float64) - self.zero.astype(np.float64)
        return plain.reshape(*self.shape, *self.zero.shape[1:])

    @cached_property
    def affine(self) -> bool:
        """Whether the dense answers are those of the affine map that the units make; without these, whether they add.

        Numbers that are no integers are allowed rounding.
        """
        if self.linear is not None:
            return _equal(self._made(self.given, self.linear), self.dense, exact=self.exact)
        wide = self.dense[:2].astype(np.float64)
        return _equal(wide[:1] + wide[1:] - self.zero, self.summed, exact=self.exact)

    @cached_property
    def affine_throughout(self) -> bool:
        """Whether that holds at all scales too."""
        return self.affine and bool(self.wide) and all(map(self._affine_at, self.wide))

    def _affine_at(self, wide: Wide) -> bool:
        exact, found = self.exact and wide.exact, wide.answers
        if self.linear is not None:
            return _equal(self._made(wide.given, self.linear), found, exact=exact)
        first, zero = self.dense[:1].astype(np.float64), self.zero.astype(np.float64)
        multiple, drawn = (each[None].astype(np.float64) for each in found[:2])
        expected = np.concatenate([zero + wide.scale.factor * (first - zero), multiple + drawn - zero])
        return _equal(expected, found[[0, 2]], exact=exact)

    def _made(self, given: Array, linear: Array) -> Array:
        """What the units make of inputs."""
        flat = given.reshape(len(given), -1).astype(np.float64) @ linear.reshape(prod(self.shape), -1)
        made: Array = flat.reshape(len(given), *self.zero.shape[1:]) + self.zero
        return made


def _equal(expected: Array, found: Array, *, exact: bool) -> bool:
    """Whether all is finite and equal, but for rounding where numbers are not exact."""
    if not np.isfinite(expected).all() or not np.isfinite(found).all():
        return False
    largest = float(np.abs(expected).max(initial=0))
    eps = float(np.finfo(found.dtype).eps) if found.dtype.kind == "f" else 0.0
    return not unequal(expected, found, 0.0 if exact else max(ROUNDING, COARSE * eps) * largest).any()


def ask(sides: tuple[Side, Side], shape: tuple[int, ...], seed: int) -> tuple[Answers, Answers]:
    """Both sides' answers to the same probes, for inputs ``(channels, *spatial)``."""
    dtype = sides[0].called.dtype
    nothing, random = probes.zero(shape, dtype), probes.dense(shape, dtype, seed)
    zeros = [probes.asked(side, nothing, prod(shape)) for side in sides]
    out = max(each[0].size for each in zeros)
    plan = probes.planned(sides, shape, out, dtype, seed)
    given, elements = random.make(0, DENSE), max(prod(shape), out)
    made = []
    for side, zero in zip(sides, zeros, strict=True):
        units = None if plan is None else probes.asked(side, plan, elements)
        answered = probes.asked(side, random, elements)
        summed = side.answer(given[:1] + given[1:2], 1)
        made.append(Answers(shape, zero, answered, given, summed, units, plan))
    return made[0], made[1]


def at_scales(
    pair: tuple[Answers, Answers], sides: tuple[Side, Side], ulps: float, seed: int
) -> tuple[tuple[Answers, Answers], Difference | None]:
    """The answers with those at all scales that the element types reach, and what these tell apart."""
    a, b = pair
    wide: list[tuple[Wide, Wide]] = []
    for scale in SCALES:
        if not all(_reaches(each, side, scale) for each, side in zip(pair, sides, strict=True)):
            continue
        given = probes.scaled(a.given[0], scale, seed)
        found = [_tried(side, given) for side in sides]
        one, other = found
        if isinstance(one, str) and isinstance(other, str):
            return pair, None
        for answer, letter, taker in ((one, "a", "b"), (other, "b", "a")):
            if isinstance(answer, str):
                text = f"{letter} rejects inputs up to ±{scale.top}, which {taker} takes: {answer}"
                return pair, Difference(Kind.FAILURE, text)
        if not isinstance(one, str) and not isinstance(other, str):
            wide.append((Wide(scale, given, one), Wide(scale, given, other)))
    asked = tuple(replace(each, wide=tuple(both[number] for both in wide)) for number, each in enumerate((a, b)))
    return (asked[0], asked[1]), next(filter(None, (_ranged(*each, pair, sides, ulps) for each in wide)), None)


def _reaches(answers: Answers, side: Side, scale: Scale) -> bool:
    """Whether the element type holds, with room to spare, what an affine map would answer."""
    types = [np.dtype(side.called.dtype), *(each.dtype for each in (answers.zero, answers.dense))]
    limit = min((float(np.finfo(each).max) for each in types if each.kind == "f"), default=np.inf)
    finite = answers.dense[np.isfinite(answers.dense)].astype(np.float64)
    return float(np.abs(finite).max(initial=REACH)) * 4 * scale.top / REACH < limit


def _tried(side: Side, given: Array) -> Array | str:
    """The answers, or the first line of what the thing raises; an overflow is an answer like any other."""
    try:
        with np.errstate(all="ignore"):
            return side.answer(given, probes.chunk(given[0].size))
    except Exception as error:
        # frameworks and functions raise anything for numbers that they were not made for
        return first_line(error)


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _ranged(
    one: Wide, other: Wide, of: tuple[Answers, Answers], sides: tuple[Side, Side], ulps: float
) -> Difference | None:
    """The difference at one scale, with the range of both outputs where that tells it."""
    a, b = of
    exact = all(each.exact for each in (one, other, a, b))
    pair = _pair(one.answers, other.answers, a, ulps, exact=exact)
    if pair.near(pair.a, pair.b) or (not exact and _rounded(pair, one, sides[0])):
        return None
    first = diagnosis.first_unequal(pair).words
    spans = [(wording.number(np.nanmin(each)), wording.number(np.nanmax(each))) for each in (pair.a, pair.b)]
    apart = f"; a's outputs reach from {' to '.join(spans[0])}, b's from {' to '.join(spans[1])}"
    text = f"equal on integers up to ±{REACH}, not on {one.scale.words}: {first}"
    return Difference(Kind.RANGE, text + (apart if spans[0] != spans[1] else ""))


@np.errstate(all="ignore")
def _rounded(pair: Pair, wide: Wide, side: Side) -> bool:
    """Whether all that differs is what rounding of the inputs does to ``a`` there, which may be steep."""
    signs = np.random.default_rng(0).choice([-NUDGE, NUDGE], wide.given.shape)
    nudged = _tried(side, (wide.given * (1 + signs)).astype(wide.given.dtype))
    if isinstance(nudged, str):
        return False
    slack = pair.within + STEEP * np.abs(nudged.astype(np.float64) - pair.a)
    return bool((~unequal(pair.a, pair.b, pair.within) | (np.abs(pair.a - pair.b) <= slack)).all())


def within(a: Array, b: Array, ulps: float, *, exact: bool) -> float:
    """The largest difference that counts as none: 0 for integers, else ``ulps`` of the largest output."""
    if exact:
        return 0.0
    eps = max(float(np.finfo(each.dtype).eps) if each.dtype.kind == "f" else 0.0 for each in (a, b))
    largest = max(float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in (a, b))
    return ulps * eps * largest


@np.errstate(all="ignore")  # of numbers that are not finite, nothing is computed but whether they are the same
def told_apart(a: Answers, b: Answers, sides: tuple[Side, Side], ulps: float) -> tuple[Difference, ...]:
    """The differences; nothing where all answers are equal."""
    exact = a.exact and b.exact
    pairs = [_pair(mine, yours, a, ulps, exact=exact) for mine, yours in zip(a.every, b.every, strict=True)]
    if all(pair.a.shape == pair.b.shape and pair.near(pair.a, pair.b) for pair in pairs):
        return ()
    whole = _pair(np.concatenate(a.every), np.concatenate(b.every), a, ulps, exact=exact)
    # what one sort of probe tells may be far less than the largest output of another
    simple = diagnosis.explained(whole) or next(found for each in pairs if (found := diagnosis.explained(each)))
    if whole.a.shape != whole.b.shape or (simple and simple[0].kind not in {Kind.VALUES, Kind.FLIP, Kind.AXES}):
        return _with_sides(simple, a, b, whole.within)
    if simple[0].kind != Kind.VALUES:
        # an output that is turned as a whole may also be one that is moved far: a layer's words come first
        affine = a.linear is not None and b.linear is not None and a.affine and b.affine
        return (_apart(a, b, whole.within) if affine else ()) or simple
    if a.linear is None or b.linear is None:
        return _on_less(a, sides, ulps) or simple
    if not a.affine or not b.affine:
        return simple
    return _apart(a, b, whole.within) or _concrete(a, b, whole) or simple


def _pair(a: Array, b: Array, of: Answers, ulps: float, *, exact: bool) -> Pair:
    flat = of.zero.reshape(of.zero.shape[1], -1)
    bias = flat[:, 0].astype(np.float64) if flat.size and not unequal(flat, flat[:, :1]).any() else None
    wide = [each.astype(np.float64) for each in (a, b)]
    return Pair(wide[0], wide[1], within=within(a, b, ulps, exact=exact), bias=bias)


def _with_sides(found: tuple[Difference, ...], a: Answers, b: Answers, near: float) -> tuple[Difference, ...]:
    """A shift, with the side on which each one crops where that is the cause."""
    if not found or found[0].kind != Kind.SHIFT or a.linear is None or b.linear is None:
        return found
    one, other = stationary.kernel_of(a.linear, near), stationary.kernel_of(b.linear, near)
    if one is None or other is None or one.lines != other.lines:
        return found
    first, *rest = found
    return (Difference(first.kind, first.words + stationary.side_words(one, other)), *rest)


def _apart(a: Answers, b: Answers, near: float) -> tuple[Difference, ...]:
    """The linear parts told apart, and the bias."""
    mine, yours = a.linear, b.linear
    if mine is None or yours is None:
        return ()
    split = len(a.shape)
    first, second = (np.moveaxis(each, split, 1) for each in (mine, yours))
    found: tuple[Difference, ...] = ()
    if unequal(mine, yours, near).any():
        found = channels.reordered(first, second, near)
        if not found and channels.swapped(first, second, near):
            found = (Difference(Kind.SWAPPED_CHANNELS, "kernel's input and output channels swapped"),)
        if not found and unequal(a.zero, b.zero, near).any():
            found = _linear_places(mine, yours, near)  # where the bias is the same, all this has been tried with it
        found = found or stationary.told_apart(mine, yours, near)
        if not found:
            return ()
    return (*found, *_bias_apart(a, b, near))


def _linear_places(a: Array, b: Array, near: float) -> tuple[Difference, ...]:
    """The linear part alone scaled, moved or ending earlier, where the bias is not."""
    split = a.ndim // 2
    flat = [each.reshape(-1, *each.shape[split:]) for each in (a, b)]
    bare = Pair(flat[0], flat[1], within=near, bias=np.zeros(flat[0].shape[1]))
    for hypothesis in (diagnosis.scaled, diagnosis.unreached, diagnosis.shifted):
        found = hypothesis(bare)
        if found is not None:
            return (found,)
    return ()


def _bias_apart(a: Answers, b: Answers, near: float) -> tuple[Difference, ...]:
    return diagnosis.explained(_pair(a.zero, b.zero, a, 0.0, exact=near == 0))


def _concrete(a: Answers, b: Answers, whole: Pair) -> tuple[Difference, ...]:
    """The first product that differs, by the input element and the output element that it joins."""
    mine, yours = a.linear, b.linear
    if mine is None or yours is None:
        return ()
    different = unequal(mine, yours, whole.within)
    if not different.any():
        return ()
    split = len(a.shape)
    place = tuple(int(i) for i in np.argwhere(different)[0])
    here, there = place[:split], place[split:]
    count = int(different.sum())
    text = (
        f"{count} of the {different.size} factors that join inputs to outputs differ; the first joins input channel "
        f"{here[0]} at {here[1:]} to output channel {there[0]} at {there[1:]}: "
        f"{wording.number(yours[place])} where a has {wording.number(mine[place])}"
    )
    return (Difference(Kind.VALUES, text),)


def _on_less(a: Answers, sides: tuple[Side, Side], ulps: float) -> tuple[Difference, ...]:
    """The difference on a smaller input, for which all units fit; nothing where it does not show there."""
    for length in SMALLER:
        size = tuple(min(length, whole) for whole in a.shape[1:])
        shape = (a.shape[0], *size)
        try:
            zeros = [probes.asked(side, probes.zero(shape, side.called.dtype), prod(shape)) for side in sides]
            if not probes.fits(shape, max(each[0].size for each in zeros)):
                continue
            one, other = ask(sides, shape, seed=0)
        except Exception:
            # a thing made for one size raises what it likes for another: then nothing is learnt
            return ()
        if one.zero.shape != other.zero.shape or not one.affine or not other.affine:
            return ()
        found = told_apart(one, other, sides, ulps)
        named = found and all(each.kind != Kind.VALUES for each in found)
        words = (f"{each.words} (on an input of size {size})" for each in found if named)
        return tuple(Difference(each.kind, text) for each, text in zip(found, words, strict=False))
    return ()
