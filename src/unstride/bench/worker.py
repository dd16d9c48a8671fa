"""A process that times one competitor: ``python -m unstride.bench.worker NAME THREADS``, one JSON line a request.

It says first whether it could start; then it answers ``load`` (build a call, compare its values, find how often to
repeat it), ``time`` (seconds of one call, once) and ``drop`` (forget all calls). What frameworks print goes to
standard error.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter_ns
from typing import Any, TextIO

from . import machine, peers
from .jobs import Arrays, Expected, Job, Runner, UnsupportedError

LEAST_NS = 2_000_000
"""a timing repeats its call for this long at least"""
SETTLE_NS = 5_000_000
"""a timing begins with calls that are not timed, one at least, for this long: other processes have had the caches"""
LONG_NS = 50_000_000
"""a call this long is timed at once: what its caches lack is a negligible part of it"""
SLOW_NS = 500_000_000
"""a call that takes longer is not made once more to find how often to repeat it"""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A call and how often one timing repeats it."""

    runner: Runner
    loops: int
    long: bool = False

    def nanoseconds(self) -> float:
        """One call, the mean of the loop."""
        call = self.runner.call
        begin = perf_counter_ns()
        while not self.long:
            call()
            if perf_counter_ns() - begin > SETTLE_NS:
                break
        begin = perf_counter_ns()
        for _ in range(self.loops):
            call()
        return (perf_counter_ns() - begin) / self.loops


def pin(threads: int) -> int:
    """Keep this process on so many CPUs, where the system can; how many it has."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[:threads])
    return len(os.sched_getaffinity(0))


def load(request: Answer, expected: Expected | None) -> tuple[Loaded, Answer]:
    """The call that the request describes, timed for the first time."""
    if "probe" in request:
        measured = machine.build(machine.Probe(**request["probe"]))
        loaded, seconds = _calibrated(measured.runner)
        return loaded, {"seconds": seconds, "amount": measured.amount, "variant": measured.variant}
    job = Job.from_json(request["job"])
    runner = peers.competitor(request["name"]).build(job, _arrays(job))
    fault = expected.fault(runner.fetch(runner.call())) if expected else None
    if fault:
        raise ArithmeticError(fault)
    loaded, seconds = _calibrated(runner)
    return loaded, {"seconds": seconds}


def _arrays(job: Job) -> Arrays:
    return _cached_arrays(job.case, job.dtype)


_cached_arrays = lru_cache(maxsize=1)(Arrays.of)
_cached_expected = lru_cache(maxsize=1)(Expected.load)


def _calibrated(runner: Runner) -> tuple[Loaded, float]:
    """The number of loops, and the seconds that one call takes."""
    runner.call()
    begin = perf_counter_ns()
    runner.call()
    once = max(1, perf_counter_ns() - begin)
    if once < SLOW_NS:
        once = max(1, round(Loaded(runner, max(1, LEAST_NS // once)).nanoseconds()))
    return Loaded(runner, -(-LEAST_NS // once), long=once > LONG_NS), once * 1e-9


class Desk:
    """Answers the requests of one parent."""

    def __init__(self, name: str, threads: int) -> None:
        self.name, self.threads = name, threads
        self.loaded: dict[int, Loaded] = {}

    def start(self) -> Answer:
        """What the competitor says of itself."""
        cpus = pin(self.threads)
        told = (
            machine.start(self.threads)
            if self.name == machine.NAME
            else peers.competitor(self.name).start(self.threads)
        )
        gc.disable()
        return {"ready": {**told, "cpus": cpus}}

    def answer(self, request: Answer) -> Answer:
        """One answer: figures, or why there are none."""
        if request["do"] == "drop":
            self.loaded.clear()
            gc.collect()
            return {"dropped": True}
        if request["do"] == "time":
            return {"nanoseconds": self.loaded[request["id"]].nanoseconds()}
        path = request.get("expected")
        try:
            expected = _cached_expected(Path(path)) if path else None
            self.loaded[request["id"]], told = load({"name": self.name, **request}, expected)
        except UnsupportedError as error:
            return {"unsupported": str(error)}
        except ArithmeticError as error:
            return {"wrong": str(error)}
        return told


def serve(desk: Desk, requests: TextIO, answers: TextIO) -> None:
    """Answer every line; an exception of a framework is an answer too."""

    def send(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    def told(error: Exception) -> Answer:
        lines = str(error).strip().splitlines()
        return {"failed": f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]}

    try:
        send(desk.start())
    except Exception as error:  # whatever a framework raises is its answer
        send(told(error))
        return
    for line in requests:
        try:
            send(desk.answer(json.loads(line)))
        except Exception as error:
            send(told(error))


def main(arguments: list[str]) -> None:
    """Serve on standard input and output; frameworks that print get standard error for it."""
    name, threads = arguments
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        serve(Desk(name, int(threads)), sys.stdin, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
