"""Which element types can be computed, what type a result has, and in which type its sums are taken.

* floating point and complex: the result has ``numpy.result_type`` of the operands; half precision, bfloat16
  included, is summed in single precision and rounded once;
* integers: the result is a 64-bit integer (unsigned where every operand is) and exact. Where the largest
  possible sum fits a float's significand the sums are taken in that float, which is just as exact and runs
  through BLAS; where it could exceed 64 bits they are taken in Python's integers;
* objects: Python's ``int`` of any size, ``Fraction``, ``float`` and ``complex``, and what else is registered as
  ``numbers.Complex``: these can be multiplied and added together. ``Decimal`` is not, as it knows no ``float``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from numbers import Complex
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import Reason, UnstrideError

Array = NDArray[Any]

HALVES = ("float16", "bfloat16")
"""types that are summed in single precision; NumPy knows the second where ``ml_dtypes`` is imported"""

_EXACT: tuple[tuple[int, np.dtype[Any]], ...] = ((2**24, np.dtype(np.float32)), (2**53, np.dtype(np.float64)))
"""largest magnitude up to which every integer is a float of the type"""


@dataclass(frozen=True, slots=True)
class Operand:
    """What the choice of a type needs to know of an array."""

    dtype: np.dtype[Any]
    peak: int = 0
    """largest magnitude; only of integers"""

    @classmethod
    def of(cls, array: Array, argument: str) -> Operand:
        """The operand's type and magnitude. Raises UnstrideError for elements that are not numbers."""
        check_kind(array, argument)
        array = distinct(array)
        if not all(_is_number(value) for value in _objects(array)):
            raise _not_numbers(array, argument)
        dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
        if dtype.kind not in "iu" or not array.size:
            return cls(dtype)
        return cls(dtype, max(abs(int(array.max())), abs(int(array.min()))))

    @classmethod
    def expected(cls, dtype: DTypeLike) -> Operand:
        """An operand not seen yet: its integers are taken to be of 16 bits at most."""
        known = np.dtype(dtype)
        return cls(known, min(2**16, int(np.iinfo(known).max)) if known.kind in "iu" else 0)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The element type of a result, and the one its sums are taken in."""

    result: np.dtype[Any]
    compute: np.dtype[Any]

    @classmethod
    def of(cls, factors: Sequence[Operand], bias: Operand | None, terms: int) -> Arithmetic:
        """The types for sums of ``terms`` products of one element of each factor, plus the bias."""
        operands = [*factors, bias] if bias else list(factors)
        kinds = {operand.dtype.kind for operand in operands}
        if "O" in kinds:
            return cls(np.dtype(object), np.dtype(object))
        if kinds <= {"i", "u"}:
            products = terms * prod(operand.peak for operand in factors)
            return cls._integer(operands, products + (bias.peak if bias else 0))
        result = np.result_type(*(operand.dtype for operand in operands))
        return cls(result, np.dtype(np.float32) if result.name in HALVES else result)

    @property
    def real(self) -> bool:
        """Whether the result is a real floating-point type."""
        return self.result.kind == "f" or self.result.name in HALVES

    @classmethod
    def _integer(cls, operands: Iterable[Operand], bound: int) -> Arithmetic:
        signed = any(operand.dtype.kind == "i" for operand in operands)
        result = np.dtype(np.int64 if signed else np.uint64)
        exact = (*_EXACT, (np.iinfo(result).max, result))
        return cls(result, next((dtype for limit, dtype in exact if bound <= limit), np.dtype(object)))

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Around the sums: UnstrideError for Python numbers that do not go together, as ``10**400`` and a float."""
        try:
            yield
        except (TypeError, ArithmeticError) as error:
            if self.compute.kind != "O":
                raise
            raise UnstrideError(
                Reason.DTYPE,
                f"these Python numbers cannot be multiplied and added together: {error}",
                argument="dtype",
                value="object",
                hint="pass integers and fractions only, or floating-point arrays only",
            ) from error

    def finish(self, sums: Array) -> Array:
        """The sums in the result's type. Raises UnstrideError where an integer does not fit."""
        try:
            with np.errstate(over="ignore"):  # half precision rounds to infinity
                return sums.astype(self.result, copy=False)
        except OverflowError:
            raise UnstrideError(
                Reason.DTYPE,
                f"an output does not fit {self.result}",
                argument="x",
                hint="pass arrays of Python integers (dtype=object), which have no limit",
            ) from None


def distinct(array: Array) -> Array:
    """The elements that the array really has: one along each axis that a broadcast repeats."""
    return array[tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)]


def check_kind(array: Array, argument: str) -> None:
    """Raise UnstrideError for an element type that is not a number's; reads no element."""
    if array.dtype.kind not in "iufcO" and array.dtype.name not in HALVES:
        raise _not_numbers(array, argument)


def _not_numbers(array: Array, argument: str) -> UnstrideError:
    return UnstrideError(
        Reason.DTYPE,
        "must hold integers, floating-point or complex numbers",
        argument=f"{argument}.dtype",
        value=str(array.dtype),
        hint="convert it first, for example with astype('float32')",
    )


def _objects(array: Array) -> Iterable[object]:
    return array.flat if array.dtype.kind == "O" else ()


def _is_number(value: object) -> bool:
    return isinstance(value, Complex) and not isinstance(value, bool)
