"""The gain of each phase: what a constant input comes out as there, away from the borders.

Output index ``large`` of a transposed convolution sums the taps of its phase only, ``large + before ≡ dilation·tap``
modulo the stride. Phases whose taps sum to different numbers turn a constant into a checkerboard, even where coverage
is even. For a convolution the same sums say how its gradient weighs the input's phases.

One number for it, the alternation: the share of the gains' energy that is not their mean over the phases,

    1 − Σ P·|mean gain|² / Σ |gain|²        sums over input channels (and phases), P phases,

which is the expected share of the output's energy that alternates when every input channel is constant over space
with independent values of mean 0 and one variance. It is 0 where all phases agree, 1 where the phases cancel, and
the same whatever the kernel's scale. Of an all-ones kernel it is the alternation of the coverage.

Source: the weights' part of the argument in Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts",
2016; phases as in Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..computation import as_array
from ..engine.dtypes import check_kind
from ..engine.memory import check_bytes
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer

Array = NDArray[Any]
Map: TypeAlias = tuple[Any, ...]
"""numbers in nested tuples, one level for each spatial axis"""

LIMIT = 1e140
"""Largest weight: the sum of as many squares as an array holds is still a number in double precision."""


@dataclass(frozen=True, eq=False)
class Gain:
    """The phases' gains and energies; phase ``r`` of an axis holds the large indices that are ``r`` modulo the stride.

    Arrays of integers hold Python's integers, so that nothing overflows or rounds.
    """

    layer: Layer
    values: Array
    """``(small channels, large channels / groups, *stride)``: sum of the phase's taps for each pair of channels"""
    energy: Array
    """``(large channels, *stride)``: sum of the squares of the taps that meet there. Input elements that are
    independent, of mean 0 and variance 1, come out with this variance: uneven energy gives noise a checkerboard"""

    @cached_property
    def alternation(self) -> Fraction | float:
        """The layer's one number, all channels together: 0 where all phases agree; a fraction for integers."""
        rows = self._by_channel
        return share(rows.reshape(1, rows.shape[0] * rows.shape[1], rows.shape[2]))[0]

    @cached_property
    def channels(self) -> tuple[Fraction | float, ...]:
        """The number of each large channel (of a transposed convolution: output channel) on its own."""
        return share(self._by_channel)

    @cached_property
    def energy_alternation(self) -> Fraction | float:
        """The same number of the energies: 0 where independent inputs come out equally strong in all phases."""
        return share(self.energy.reshape(1, self.layer.large_channels, self._phases))[0]

    @cached_property
    def strength(self) -> Map:
        """Root mean square of the gain over all pairs of channels, for each phase."""
        pairs = max(1, prod(self.values.shape[:2]))
        squares = _squares(self.values).sum((0, 1), initial=0)
        strength: Map = _nested(np.array([sqrt(value / pairs) for value in squares.flat]).reshape(squares.shape))
        return strength

    def pair(self, small: int, large: int) -> Map:
        """The gain of each phase between two channels; ``large`` counts within the group."""
        gains: Map = _nested(self.values[small, large])
        return gains

    def pair_alternation(self, small: int, large: int) -> Fraction | float:
        """The number of the same two channels on their own."""
        return share(self.values[small, large].reshape(1, 1, self._phases))[0]

    @cached_property
    def worst(self) -> tuple[int, int]:
        """The pair of channels whose gains alternate most; ``large`` counts within the group."""
        apart = self.values.reshape(*self.values.shape[:2], self._phases)
        spread = self._phases * _squares(apart).sum(2) - _squares(apart.sum(2))
        small, large = divmod(int(np.argmax(spread)), self.values.shape[1])
        return small, large

    @property
    def worst_channels(self) -> tuple[int, int]:
        """The same pair as input and output channel of the whole layer."""
        small, large = self.worst
        wide = self.layer.large_channels // self.layer.groups
        whole = small // (self.layer.small_channels // self.layer.groups) * wide + large
        return (small, whole) if self.layer.transposed else (whole, small)

    def as_json(self) -> dict[str, Any]:
        """The gains as JSON values."""
        return {
            "alternation": float(self.alternation),
            "channels": [float(value) for value in self.channels],
            "strength": self.strength,
            "energy": _nested(self.energy.sum(0, initial=0).astype(np.float64)),
            "energy_alternation": float(self.energy_alternation),
        }

    @property
    def _phases(self) -> int:
        return prod(self.layer.stride)

    @property
    def _by_channel(self) -> Array:
        """``(large channels, small channels / groups, phases)``."""
        groups, wide, phases = self.layer.groups, self.values.shape[1], self._phases
        deep = self.values.shape[0] // groups
        split = self.values.reshape(groups, deep, wide, phases).transpose(0, 2, 1, 3)
        return split.reshape(groups * wide, deep, phases)


def measure_gain(layer: Layer, weights: ArrayLike) -> Gain:
    """The gain of every phase, from weights ``(small channels, large channels / groups, *taps)``.

    Exact for integers and fractions. Raises UnstrideError for weights of another shape, or that are not finite.

    >>> measure_gain(Layer((Axis(2, 4, kernel=3, stride=2),), 1, 1), [[[1, 2, 3]]]).pair(0, 0)
    (4, 2)
    """
    array = as_array(weights, "kernel")
    wanted = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    if array.shape != wanted:
        rule = f"must have shape {wanted}: small channels, large channels / groups, taps"
        raise UnstrideError(Reason.KERNEL, rule, argument="kernel.shape", value=array.shape)
    exact = _exact(array)
    check_bytes(4 * prod(wanted[:2]) * prod(layer.stride) * exact.itemsize, "the gains of all phases")
    grouped = _squares(exact).reshape(layer.groups, layer.small_channels // layer.groups, *wanted[1:])
    energy = _fold(layer, grouped.sum(1, initial=0).reshape(1, layer.large_channels, *layer.kernel))[0]
    return Gain(layer, _sealed(_fold(layer, exact)), _sealed(energy))


def share(values: Array) -> tuple[Fraction | float, ...]:
    """The alternation of each row of ``(rows, channels, phases)``.

    Taken from the differences to the first phase, so that equal phases give 0 exactly, whatever the rounding.
    """
    phases = values.shape[-1]
    apart = values - values[:, :, :1]
    total = phases * _squares(values).sum((1, 2), initial=0)
    uneven = phases * _squares(apart).sum((1, 2), initial=0) - _squares(apart.sum(2)).sum(1, initial=0)
    return tuple(_ratio(part, whole) for part, whole in zip(uneven.tolist(), total.tolist(), strict=True))


def _ratio(part: Any, whole: Any) -> Fraction | float:
    if isinstance(part, float) or isinstance(whole, float):
        return min(1.0, max(0.0, part / whole)) if whole else 0.0
    return Fraction(part) / whole if whole else Fraction(0)


def _squares(values: Array) -> Array:
    squares: Array = values.real**2 + values.imag**2 if values.dtype.kind == "c" else values * values
    return squares


def _exact(array: Array) -> Array:
    """Integers as Python's, so that sums and squares have no limit; everything else in double precision."""
    check_kind(array, "kernel")
    if array.dtype.kind in "iu":
        return array.astype(object)
    try:
        wide = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnstrideError(Reason.DTYPE, f"must hold real numbers: {error}", argument="kernel") from None
    check_finite(wide, "kernel")
    whole = array.dtype.kind == "O" and all(isinstance(value, (int, Fraction)) for value in array.flat)
    return array if whole else wide


def check_finite(array: Array, name: str) -> None:
    """UnstrideError that names the first NaN, infinity or number too large to be squared, where there is one."""
    if array.dtype.kind not in "fc":
        return
    with np.errstate(over="ignore"):  # a narrow type holds no such limit, and needs none
        refused = ~(np.abs(array) < array.real.dtype.type(LIMIT))
    if refused.any():
        place = tuple(map(int, np.argwhere(refused)[0]))
        value = array[place].item()
        kind = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else "too large"
        rule = f"is {kind}: weights must be finite numbers below {LIMIT:.0e} in magnitude"
        others = f"{int(refused.sum())} of the {array.size} weights are not" if refused.sum() > 1 else "all others are"
        argument = f"{name}[{', '.join(map(str, place))}]"
        raise UnstrideError(Reason.DTYPE, rule, argument=argument, value=value, hint=others)


def _fold(layer: Layer, weights: Array) -> Array:
    """The taps of each phase added up, axis by axis."""
    for place, axis in enumerate(layer.axes, start=2):
        weights = _fold_axis(axis, weights, place)
    return weights


def _fold_axis(axis: Axis, weights: Array, place: int) -> Array:
    taps = np.moveaxis(weights, place, 0)
    folded = np.zeros((axis.stride, *taps.shape[1:]), weights.dtype)
    for tap in range(axis.kernel):
        folded[(axis.dilation * tap - axis.before) % axis.stride] += taps[tap]
    return np.moveaxis(folded, 0, place)


def _sealed(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _nested(array: Array) -> Any:
    return tuple(map(_nested, array)) if array.ndim > 1 else tuple(array.tolist())
