"""Numbers in few signs."""

from __future__ import annotations

from math import isfinite

from .scene import Number

DIGITS = (3, 2, 1)
"""How many digits a number that is too long is rounded to, by turns, until it has room"""


def number(value: Number, digits: int = 3) -> str:
    """A number in few signs: exact where it is short, else rounded to ``digits``.

    >>> number(10), number(-0.25), number(1 / 3), number(1 / 3, 1), number(123456789), number(-3e-9)
    ('10', '−0.25', '0.333', '0.3', '1.23e8', '−3e−9')
    """
    if isinstance(value, complex):
        text = f"{value:.{digits}g}".replace("j", "i")
    elif isinstance(value, int):
        text = str(int(value)) if abs(value) < 100_000 else _scientific(value, digits)
    else:
        text = _rounded(value, digits)
    return text.replace("-", "−")


def exact(value: Number) -> str:
    """An integer in all its digits, another number in six.

    >>> exact(10**20), exact(2.0), exact(0.1 + 0.2)
    ('100000000000000000000', '2', '0.3')
    """
    text = str(int(value)) if isinstance(value, int) else f"{value:.6g}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """A share of 0…1.

    >>> percent(0), percent(0.19), percent(1e-9), percent(1)
    ('0 %', '19 %', 'below 0.01 %', '100 %')
    """
    return "below 0.01 %" if 0 < share < 1e-4 else f"{100 * share:.3g} %"


def _rounded(value: float, digits: int) -> str:
    """With ``digits`` in all, or after the point where the number is less than one; powers of ten where it is tiny."""
    whole, size = repr(value).removesuffix(".0"), abs(value)
    if not isfinite(value) or ("e" not in whole and len(whole.lstrip("-")) <= digits + 1):
        return whole
    if 10**-digits <= size < 100_000:
        before_point = len(str(int(size))) if size >= 1 else 0
        return f"{value:.{max(0, digits - before_point)}f}"
    mantissa, _, power = f"{value:.{max(0, digits - 2)}e}".partition("e")
    mantissa = mantissa.rstrip("0").removesuffix(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(power)}"


def _scientific(value: int, digits: int) -> str:
    # by its digits: floating point would overflow where a long sum of integers does not
    lead = str(abs(value))
    mantissa = f"{lead[0]}.{lead[1:digits]}".rstrip("0").removesuffix(".")
    return f"{'-' if value < 0 else ''}{mantissa}e{len(lead) - 1}"
