"""Threads that do one compiled job at a time together, without the GIL.

The calling thread leads: it opens the job, does its share, and returns when every index is done. A worker that has
nothing to do looks for the next job for ``SPIN`` seconds in compiled code, so that a burst of calls finds it awake,
and then sleeps in Python until a leader wakes it. While it looks, it offers its core to others every microsecond or
so, for there may be more threads than cores. ``sharing.py`` holds what they do between them.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from threading import Lock, Thread, get_ident

from ..threads import MAX_THREADS, num_threads, team
from . import binary, sharing
from . import team as openmp
from .words import ALIGNMENT, Word

SPIN = 150e-6
"""seconds that a worker looks for the next job before it sleeps"""

FEW = 32
"""threads for which there are counters at first, and how many more each time"""

_pool: Pool | None = None
_lock = Lock()
_exiting = False


def run(task: int, context: int, count: int, threads: int | None = None) -> None:
    """Call the compiled ``void task(i8* context, i64 index, i64 worker)`` once for every index below ``count``.

    ``task`` and ``context`` are addresses. At most ``threads`` threads work, and never more than ``num_threads()``:
    whoever holds memory for each worker passes the number that it has memory for. The caller is worker 0; workers of
    one call that run at the same time have different numbers, below that limit. Where another thread has the pool, the
    caller does every index itself. Where a framework calls, its own threads work.
    """
    limit = num_threads()
    if threads is not None and threads < limit:
        limit = threads
    size, limit = limit, min(limit, count)
    if limit > 1:
        if (theirs := team()) is not None:
            openmp.run(theirs, task, context, count, limit, size)
            return
        pool = _pool or _open()
        helpers = limit - 1 if limit <= pool.size else pool.grow(limit - 1)
        if helpers and pool.run(task, context, count, helpers):
            return
    _compiled().alone(task, context, count)


class Pool:
    """Workers, and the block of words that they and the leader share."""

    def __init__(self) -> None:
        code = _compiled()
        self._memory = ctypes.create_string_buffer(8 * Word.END + ALIGNMENT)
        self._block = -(-ctypes.addressof(self._memory) // ALIGNMENT) * ALIGNMENT
        self._words = (ctypes.c_int64 * Word.END).from_address(self._block)
        self._words[Word.SPINS] = _spins(code, self._block)
        self._words[Word.YIELD] = code.give_way
        self._lead, self._finish, self._serve = code.lead, code.finish, code.serve
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._most = 0 if _exiting else MAX_THREADS
        self._counted: list[ctypes.Array[ctypes.c_char]] = []
        self._counters = self._count(FEW)
        self.size = 1
        """threads, the caller's included"""

    def _count(self, threads: int) -> int:
        """The address of counters for so many threads; earlier ones stay, for they may be in use."""
        self._counted.append(ctypes.create_string_buffer(ALIGNMENT * (threads + 1)))
        return -(-ctypes.addressof(self._counted[-1]) // ALIGNMENT) * ALIGNMENT

    def run(self, task: int, context: int, count: int, helpers: int) -> bool:
        """Do a job with at most ``helpers`` workers beside the caller; False where another thread has the pool."""
        caller = get_ident()
        try:
            sleepers = self._lead(self._block, task, context, count, helpers, caller, self._counters)
            if sleepers > 0:
                for _ in range(sleepers):
                    self._wakes.put(None)
                self._finish(self._block, caller)
        except BaseException:
            # interrupted between these calls: no worker may keep the job, and some sleepers may never be woken
            self._finish(self._block, caller)
            _retire(self)
            raise
        return sleepers >= 0

    def grow(self, helpers: int) -> int:
        """Start workers until there are ``helpers``, as far as the system allows; how many of these there are."""
        with _lock:
            while len(self._threads) < min(helpers, self._most):
                thread = Thread(target=self._work, name=f"unstride-{len(self._threads) + 1}", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads from the system, or none at the interpreter's exit
                    self._most = len(self._threads)
                    break
                self._threads.append(thread)
                self._words[Word.WORKERS] = len(self._threads)
                if len(self._threads) % FEW == 0:
                    self._counters = self._count(len(self._threads) + FEW)
                self.size = len(self._threads) + 1
            return min(helpers, len(self._threads))

    def close(self) -> None:
        """Let every worker go when it has done what it is at."""
        self._words[Word.STOP] = 1
        for _ in self._threads:
            self._wakes.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the workers of a closed pool."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        serve, block, sleep = self._serve, self._block, self._wakes.get
        while serve(block):
            sleep()


def _open() -> Pool:
    """The pool of this process."""
    global _pool  # noqa: PLW0603 - one for the process
    with _lock:
        if _pool is None:
            _pool = Pool()
        return _pool


def _retire(pool: Pool) -> None:
    """Close a pool; the next call opens another."""
    global _pool  # noqa: PLW0603 - one for the process
    pool.close()
    with _lock:
        if _pool is pool:
            _pool = None


def _exit() -> None:
    """Before the interpreter ends: afterwards no worker may run compiled code or ask for the interpreter."""
    global _exiting  # noqa: PLW0603 - a state of the process
    _exiting = True
    pool = _pool
    if pool is not None:
        _retire(pool)
        pool.join(seconds=1.0)


def _begin_child() -> None:
    """In a child after fork: the workers are gone, and who held the lock may be."""
    global _pool, _lock
    _pool, _lock = None, Lock()


atexit.register(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The functions that ``sharing.emit`` describes; a call of one holds no GIL."""

    alone: Callable[[int, int, int], None]
    spin: Callable[[int, int], None]
    lead: Callable[[int, int, int, int, int, int, int], int]
    finish: Callable[[int, int], None]
    serve: Callable[[int], int]
    give_way: int
    """address of the function that lets another thread run"""


@cache
def _compiled() -> _Compiled:
    code = binary.load("pool", sharing.emit)
    word = ctypes.c_int64
    return _Compiled(
        ctypes.CFUNCTYPE(None, word, word, word)(code.address("alone")),
        ctypes.CFUNCTYPE(None, word, word)(code.address("spin")),
        ctypes.CFUNCTYPE(word, *[word] * 7)(code.address("lead")),
        ctypes.CFUNCTYPE(None, word, word)(code.address("finish")),
        ctypes.CFUNCTYPE(word, word)(code.address("serve")),
        _yield_address() or code.address("stay"),
    )


def _spins(code: _Compiled, block: int) -> int:
    """How many pauses take ``SPIN`` seconds; one takes 1 to 140 cycles, by the make of the CPU."""
    trial, shortest = 1000, float("inf")
    for _ in range(5):
        start = time.perf_counter()
        code.spin(block, trial)
        shortest = min(shortest, time.perf_counter() - start)
    return int(trial * SPIN / max(shortest, 1e-7))


def _yield_address() -> int:
    """The address of the system's function that lets another thread run, or 0."""
    try:
        if sys.platform == "win32":
            function = ctypes.WinDLL("kernel32").SwitchToThread
        else:
            function = ctypes.CDLL(None).sched_yield
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0
