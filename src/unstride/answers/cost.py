"""Exact cost: the products really computed, counted in closed form, and the bytes that they touch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod

from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer


@dataclass(frozen=True, slots=True)
class Cost:
    """What one layer costs for one batch."""

    multiply_accumulates: int
    """products of an existing input element with a tap that lands inside the output, all channels"""
    naive: int
    """what ``output elements × taps`` counts: also the products with padding and with inserted zeros"""
    weights: int
    """elements of the kernel array"""
    parameters: int
    """weights and bias"""
    input_bytes: int
    output_bytes: int
    weight_bytes: int
    """bytes of the kernel array"""

    def as_json(self) -> dict[str, int]:
        """The cost as JSON values."""
        return asdict(self)


def count_cost(layer: Layer, batch: int = 1, itemsize: int = 4) -> Cost:
    """The exact cost of ``layer`` on ``batch`` inputs with elements of ``itemsize`` bytes.

    >>> count_cost(Layer((Axis(2, 4, kernel=3, stride=2),) * 2, 1, 1)).multiply_accumulates
    25
    """
    for name, value, least in (("batch", batch, 0), ("itemsize", itemsize, 1)):
        if type(value) is not int or value < least:
            rule = f"must be an integer of at least {least}"
            raise UnstrideError(Reason.ARGUMENT, rule, argument=name, value=value)
    pairs = layer.small_channels * layer.large_channels // layer.groups
    weights = pairs * prod(layer.kernel)
    outputs = batch * layer.out_channels * prod(layer.output_size)
    return Cost(
        multiply_accumulates=batch * pairs * prod(map(count_products, layer.axes)),
        naive=batch * pairs * prod(layer.output_size) * prod(layer.kernel),
        weights=weights,
        parameters=weights + (layer.out_channels if layer.bias else 0),
        input_bytes=batch * layer.in_channels * prod(layer.input_size) * itemsize,
        output_bytes=outputs * itemsize,
        weight_bytes=weights * itemsize,
    )


def count_products(axis: Axis) -> int:
    """``Axis.products`` without a loop over the taps: exact and instant for any size.

    >>> count_products(Axis(small=2, large=4, kernel=3, stride=2))
    5
    """
    return _below(axis, axis.large + axis.before) - _below(axis, axis.before)


def _below(axis: Axis, limit: int) -> int:
    """How many (small, tap) pairs have ``stride·small + dilation·tap < limit``.

    For one tap these are ⌈(limit − dilation·tap) / stride⌉ smalls, held between 0 and ``small``: first every small
    while the quotient exceeds them, then a falling run that ``_floor_sum`` adds up, then none.
    """
    if limit <= 0 or axis.small == 0:
        return 0
    # taps up to here reach all smalls: dilation·tap < limit − stride·(small − 1)
    whole = min(axis.kernel, max(0, -(-(limit - axis.stride * (axis.small - 1)) // axis.dilation)))
    reached = min(axis.kernel, -(-limit // axis.dilation))
    falling = max(0, reached - whole)
    # ⌈(limit − dilation·tap) / stride⌉, summed from the last falling tap backwards so that every term grows
    least = limit - axis.dilation * (reached - 1) + axis.stride - 1
    return whole * axis.small + _floor_sum(falling, axis.stride, axis.dilation, least)


def _floor_sum(count: int, modulus: int, slope: int, start: int) -> int:
    """Σ ⌊(slope·i + start) / modulus⌋ for i in [0, count), by Euclid's algorithm; slope and start not negative."""
    total = 0
    while count > 0:
        total += slope // modulus * (count * (count - 1) // 2) + start // modulus * count
        slope, start = slope % modulus, start % modulus
        highest = slope * count + start
        if highest < modulus:
            break
        count, modulus, slope, start = highest // modulus, slope, modulus, highest % modulus
    return total
