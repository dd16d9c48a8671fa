"""PyTorch's arguments as the relation: what every call needs besides its tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch

Ints: TypeAlias = int | Sequence[int]
CACHED = 4096
"""answers remembered"""


class Relation(NamedTuple):
    """The arguments of ``operator.apply`` after the tensors."""

    stride: Sequence[int]
    dilation: Sequence[int]
    before: Sequence[int]
    size: Sequence[int]
    """the output's spatial size"""
    groups: int
    transposed: bool


def per_axis(value: Any, rank: int) -> list[int] | None:
    """One integer for each axis; None for what PyTorch would not take so."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return [value] * rank
    if isinstance(value, Sequence) and not isinstance(value, str):
        entries = list(value) * rank if len(value) == 1 else list(value)
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in entries)
        return entries if len(entries) == rank and whole else None
    return None


def spans(kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """Extent of the dilated kernel on each axis."""
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


def fulls(size: Sequence[int], stride: Sequence[int], span: Sequence[int]) -> list[int]:
    """Extent that the stamps of an input of this size cover."""
    return [(n - 1) * s + e for n, s, e in zip(size, stride, span, strict=True)]


def _remembered(find: Callable[..., Relation | None]) -> Callable[..., Relation | None]:
    """The function, with its answers remembered for arguments that can be: a model asks the same each time."""
    known = lru_cache(maxsize=CACHED)(find)

    def answer(*arguments: Any) -> Relation | None:
        # lists have no hash, 1.0 and True have that of 1; a compiler has its own symbols, and warns of what is cached
        told = not torch.compiler.is_compiling() and all(map(_plain, arguments))
        return (known if told else find)(*arguments)

    return answer


def _plain(value: Any) -> bool:
    kind = type(value)
    return kind is int or kind is str or (kind in (tuple, torch.Size) and all(type(each) is int for each in value))


@_remembered
def transposed(
    shape: Sequence[int], weight: Sequence[int], stride: Ints, padding: Ints, extra: Ints, groups: int, dilation: Ints
) -> Relation | None:
    """A transposed convolution's; None where PyTorch refuses it, or an axis would be empty."""
    rank = len(weight) - 2
    given = [per_axis(value, rank) for value in (stride, padding, extra, dilation)]
    if len(shape) != rank + 2 or any(value is None for value in given):
        return None
    steps, margins, extras, spread = (value or [] for value in given)
    full = fulls(shape[2:], steps, spans(weight[2:], spread))
    size = [f - 2 * p + o for f, p, o in zip(full, margins, extras, strict=True)]
    legal = min(steps) > 0 and min(spread) > 0 and min(margins) >= 0 and min(extras) >= 0
    limits = all(o < max(s, d) for o, s, d in zip(extras, steps, spread, strict=True))
    fits = groups > 0 and shape[1] == weight[0] and weight[0] % groups == 0
    if not (legal and limits and fits and min(size) > 0 and _some(shape, weight)):
        return None
    return Relation(steps, spread, margins, size, groups, transposed=True)


@_remembered
def forward(
    shape: Sequence[int], weight: Sequence[int], stride: Ints, padding: Ints | str, dilation: Ints, groups: int
) -> Relation | None:
    """A convolution's, likewise."""
    rank = len(weight) - 2
    steps, spread = per_axis(stride, rank), per_axis(dilation, rank)
    if len(shape) != rank + 2 or steps is None or spread is None or min(steps) < 1 or min(spread) < 1:
        return None
    span = spans(weight[2:], spread)
    margins = _margins(padding, span, steps)
    if margins is None:
        return None
    before, total = margins
    size = [(n + t - e) // s + 1 for n, t, e, s in zip(shape[2:], total, span, steps, strict=True)]
    room = all(n + t >= e for n, t, e in zip(shape[2:], total, span, strict=True))
    fits = groups > 0 and shape[1] == weight[1] * groups and weight[0] % groups == 0
    if not (room and fits and _some(shape, weight)):
        return None
    return Relation(steps, spread, before, size, groups, transposed=False)


def _margins(padding: Ints | str, span: list[int], steps: list[int]) -> tuple[list[int], list[int]] | None:
    """Elements before, and in all; of ``same`` the odd one comes behind."""
    if padding == "valid":
        return [0] * len(span), [0] * len(span)
    if padding == "same":
        return None if max(steps) > 1 else ([(e - 1) // 2 for e in span], [e - 1 for e in span])
    before = None if isinstance(padding, str) else per_axis(padding, len(span))
    if before is None or min(before) < 0:
        return None
    return before, [2 * p for p in before]


def _some(shape: Sequence[int], weight: Sequence[int]) -> bool:
    """Whether every array has elements."""
    return all(length > 0 for length in (*shape, *weight))
