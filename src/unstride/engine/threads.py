"""How many threads a call uses: a setting of the process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from ..errors import Reason, UnstrideError

THREADS_VARIABLE = "UNSTRIDE_NUM_THREADS"
"""environment variable that says how many threads a call uses; read once, when first needed"""

MAX_THREADS = 4096

_chosen: int | None = None
_followed: int | None = None
_team: Team | None = None
_forked = False
_default: tuple[int, bool] | None = None
"""a number, and whether the environment names it"""
_share: ContextVar[int | None] = ContextVar("share", default=None)


def num_threads() -> int:
    """Threads that a call uses: the number set, else ``UNSTRIDE_NUM_THREADS``, else the CPUs this process may use.

    A framework that the engine works in may say how many of these CPUs it uses itself: see ``follow``.
    """
    share = _share.get()
    return _settled() if share is None else share


def _settled() -> int:
    if _chosen is not None:
        return _chosen
    default, named = _default or _read()
    return default if _followed is None or named else _followed


def _read() -> tuple[int, bool]:
    """The default, once for the process."""
    global _default  # noqa: PLW0603 - read once for the process
    text = os.environ.get(THREADS_VARIABLE)
    _default = (_cpus(), False) if text is None else (_parsed(text), True)
    return _default


def set_num_threads(count: int) -> None:
    """Use ``count`` threads from the next call on; UnstrideError unless it is an integer from 1 to ``MAX_THREADS``."""
    global _chosen  # noqa: PLW0603 - a setting of the process
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_THREADS:
        rule = f"must be an integer from 1 to {MAX_THREADS}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="count", value=count, hint="1 uses the calling thread only")
    _chosen = count


@contextmanager
def sharing(count: int) -> Iterator[None]:
    """Calls of this thread, inside, use ``count`` threads: other threads have calls of their own at the same time.

    >>> with sharing(1):
    ...     num_threads()
    1
    """
    before = _share.set(count)
    try:
        yield
    finally:
        _share.reset(before)


class Team(NamedTuple):
    """The functions of a framework's OpenMP threads, by their addresses."""

    parallel: int
    """``GOMP_parallel``"""
    number: int
    """``omp_get_thread_num``"""


def follow(count: int, team: Team | None = None) -> None:
    """Use as many threads as the framework that calls; a number that the user gave this library holds.

    ``team`` is there where those threads are OpenMP's.
    """
    global _followed, _team
    _followed, _team = max(1, min(count, MAX_THREADS)), team


def team() -> Team | None:
    """How the threads of the framework that calls are reached; none where the engine's own are used."""
    _, named = _default or _read()
    # a child has the library's state but none of its threads
    return None if _forked or named or _chosen is not None or _followed is None else _team


def _parsed(text: str) -> int:
    digits = text.strip()
    if digits.isascii() and digits.isdecimal() and len(digits) <= 4 and 1 <= int(digits) <= MAX_THREADS:
        return int(digits)
    rule = f"must be an integer from 1 to {MAX_THREADS}"
    hint = "unset it to use every CPU that this process may use"
    raise UnstrideError(Reason.ARGUMENT, rule, argument=THREADS_VARIABLE, value=text, hint=hint)


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_THREADS)
    counted: Callable[[], int | None] = getattr(os, "process_cpu_count", os.cpu_count)
    return min(counted() or 1, MAX_THREADS)


def _begin_child() -> None:
    """In a child after fork, which may have other CPUs than its parent."""
    global _default, _forked
    _default, _forked = None, True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)
