"""The argument forms that frameworks share: an integer, or one per axis; checked once, named in errors."""

from __future__ import annotations

from typing import TypeAlias

from ..errors import Reason, UnstrideError

Sizes: TypeAlias = int | tuple[int, ...]
"""One integer for every axis, or one per axis."""

Pads: TypeAlias = str | int | tuple[int, ...] | tuple[tuple[int, int], ...]
"""A word, one integer, one per axis, or a (before, after) pair per axis."""

Pairs: TypeAlias = tuple[tuple[int, int], ...]
"""A (before, after) pair for each spatial axis."""


def integer(value: object, name: str, reason: Reason, *, least: int | None = None) -> int:
    """``value`` if it is an integer of at least ``least``; booleans and floats are not."""
    if type(value) is not int or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise UnstrideError(reason, f"must be an integer{bound}", argument=name, value=value)
    return value


def per_axis(
    value: object,
    rank: int,
    name: str,
    reason: Reason,
    *,
    least: int | None = 1,
    broadcast_single: bool = False,
) -> tuple[int, ...]:
    """One integer per axis from an integer or a sequence of ``rank`` integers.

    ``broadcast_single`` also takes a sequence of one integer for every axis, as PyTorch's functions do.

    >>> per_axis(2, 3, "stride", Reason.STRIDE)
    (2, 2, 2)
    """
    if isinstance(value, (tuple, list)):
        entries = list(value) * rank if broadcast_single and len(value) == 1 else list(value)
        if len(entries) != rank:
            rule = f"must be one integer, or {rank} of them, one per axis"
            raise UnstrideError(reason, rule, argument=name, value=value)
    else:
        entries = [value] * rank
    if any(type(entry) is not int or (least is not None and entry < least) for entry in entries):
        bound = "" if least is None else f" of at least {least}"
        raise UnstrideError(reason, f"must be an integer{bound}, or {rank} of them", argument=name, value=value)
    return tuple(entries)


def integers(
    value: object, name: str, reason: Reason, *, rank: int | None = None, least: int | None = 1
) -> tuple[int, ...]:
    """Integers that are written out, ``rank`` of them where the rank is known; one for all axes is not taken."""
    if not isinstance(value, tuple) or (rank is not None and len(value) != rank):
        count = "" if rank is None else f"{rank} "
        rule, hint = f"must be a list of {count}integers", "write one for each axis, such as [2, 2]"
        raise UnstrideError(reason, rule, argument=name, value=value, hint=hint)
    return tuple(integer(entry, name, reason, least=least) for entry in value)


def pad_pairs(value: object, rank: int, name: str, *, least: int | None = 0) -> tuple[tuple[int, int], ...]:
    """A (before, after) pair per axis, from one integer, one per axis, or pairs.

    >>> pad_pairs((1, 2), 2, "padding")
    ((1, 1), (2, 2))
    """
    if isinstance(value, (tuple, list)) and value and all(isinstance(entry, (tuple, list)) for entry in value):
        if len(value) != rank or any(len(entry) != 2 for entry in value):
            rule = f"must be {rank} (before, after) pairs"
            raise UnstrideError(Reason.PADDING, rule, argument=name, value=value)
        flat = per_axis([side for entry in value for side in entry], 2 * rank, name, Reason.PADDING, least=least)
        return tuple(zip(flat[::2], flat[1::2], strict=True))
    return tuple((pad, pad) for pad in per_axis(value, rank, name, Reason.PADDING, least=least))


def one_of(value: object, choices: tuple[str, ...], name: str, reason: Reason) -> str:
    """``value`` if it is one of the words the framework knows, spelled as it spells them."""
    if not isinstance(value, str) or value not in choices:
        raise UnstrideError(reason, f"must be one of {', '.join(map(repr, choices))}", argument=name, value=value)
    return value


def check_divides(groups: int, count: int, counted: str, name: str = "groups") -> None:
    """UnstrideError unless the ``groups``, given as the argument ``name``, divide the ``count`` of what is counted."""
    if count % groups:
        raise UnstrideError(Reason.GROUPS, f"must divide {counted}, here {count}", argument=name, value=groups)


def check_channels(channels: int, declared: int, name: str, place: str) -> None:
    """UnstrideError unless the input has the channels that the argument ``name`` declares, in their ``place``."""
    if channels != declared:
        rule, hint = f"the input has {channels} channels", f"use {name}={channels}, or put the channels {place}"
        raise UnstrideError(Reason.CHANNELS, rule, argument=name, value=declared, hint=hint)


def compact(values: tuple[int, ...]) -> Sizes:
    """One integer where all axes agree, as a person would write it.

    >>> compact((2, 2)), compact((2, 1))
    (2, (2, 1))
    """
    return values[0] if len(set(values)) == 1 else values
