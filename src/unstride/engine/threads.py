"""How many threads a call uses: a setting of the process."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..errors import Reason, UnstrideError

THREADS_VARIABLE = "UNSTRIDE_NUM_THREADS"
"""environment variable that says how many threads a call uses; read once, when first needed"""

MAX_THREADS = 4096

_chosen: int | None = None
_followed: int | None = None
_default: int | None = None


def num_threads() -> int:
    """Threads that a call uses: the number set, else ``UNSTRIDE_NUM_THREADS``, else the CPUs this process may use.

    A framework that the engine works in may say how many of these CPUs it uses itself: see ``follow``.
    """
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


def follow(count: int) -> None:
    """Use as many threads as the framework that calls; a number that the user gave this library holds."""
    global _followed  # noqa: PLW0603 - a setting of the process
    _followed = None if THREADS_VARIABLE in os.environ else max(1, min(count, MAX_THREADS))


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
    global _default  # noqa: PLW0603 - read once for the process
    _default = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)
