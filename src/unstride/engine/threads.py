"""How many threads a call uses: a setting of the process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import Reason, UnstrideError

THREADS_VARIABLE = "UNSTRIDE_NUM_THREADS"
"""environment variable that says how many threads a call uses; read once, when first needed"""

MAX_THREADS = 4096

_chosen: int | None = None
_followed: int | None = None
_team = 0
_forked = False
_default: int | None = None
_share: ContextVar[int | None] = ContextVar("share", default=None)


def num_threads() -> int:
    """Threads that a call uses: the number set, else ``UNSTRIDE_NUM_THREADS``, else the CPUs this process may use.

    A framework that the engine works in may say how many of these CPUs it uses itself: see ``follow``.
    """
    share = _share.get()
    return _settled() if share is None else share


def _settled() -> int:
    global _default  # noqa: PLW0603 - read once for the process
    if _chosen is not None:
        return _chosen
    if _default is None:
        text = os.environ.get(THREADS_VARIABLE)
        _default = _cpus() if text is None else _parsed(text)
    return _default if _followed is None else _followed


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


def follow(count: int, team: int = 0) -> None:
    """Use as many threads as the framework that calls; a number that the user gave this library holds.

    ``team`` is the address of OpenMP's ``GOMP_parallel``, where those threads are OpenMP's.
    """
    global _followed, _team  # noqa: PLW0603 - a setting of the process
    _followed = None if THREADS_VARIABLE in os.environ else max(1, min(count, MAX_THREADS))
    _team = team


def team() -> int:
    """The address by which the threads of the framework that calls are reached; 0 where the engine's own are used."""
    # a child has the library's state but none of its threads
    return 0 if _forked or _chosen is not None or _followed is None else _team


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
