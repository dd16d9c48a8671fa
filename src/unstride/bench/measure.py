"""The measurement: one process for each competitor and number of threads, asked in turn, in another order each round.

The processes that are not asked wait, so that whatever the machine does meanwhile hits all of them alike; one that
crashes or hangs loses its own call only.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Self

from . import machine
from .cases import Case
from .crew import Crew, WorkerLostError
from .jobs import CALLS, Expected, Job
from .peers import OURS, entries
from .results import Absence, Group, Key, Limit, Timing
from .worker import LEAST_NS, LONG_NS, SETTLE_NS

LEAST_ROUNDS, MOST_ROUNDS = 5, 100
"""where a time budget decides"""
HOPELESS = 10
"""times as slow as the fastest: timed in the first round only, where it would eat the budget"""
SHARE = 20
"""parts of the budget, of which a hopeless call may take one"""

_PROBE = "probe"

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, and for how long."""

    cases: tuple[Case, ...]
    peers: tuple[str, ...]
    threads: tuple[int, ...]
    layouts: tuple[str, ...]
    directions: tuple[str, ...]
    calls: tuple[str, ...]
    dtype: str = "float32"
    rounds: int | None = None
    seconds: float = 5
    """budget of the rounds of one group; ``rounds`` overrides it"""
    timeout: float = 180
    """seconds after which a call without an answer is given up"""
    seed: int = 0
    """of the order within the rounds"""


@dataclass(slots=True)
class Handle:
    """One call as its worker knows it, and what came of it."""

    key: Key
    id: int
    request: dict[str, Any]
    seconds: float = 0
    amount: int = 0
    variant: str = ""
    nanoseconds: list[float | None] = field(default_factory=list)
    absence: Absence | None = None

    @property
    def worker(self) -> tuple[str, int]:
        """Whose call it is."""
        return self.key.competitor, self.key.threads

    @property
    def probe(self) -> str | None:
        """The kind of probe of the machine; None: a competitor's call."""
        return str(self.request[_PROBE]["kind"]) if _PROBE in self.request else None

    def fail(self, kind: str, reason: str) -> None:
        """It has no time."""
        self.absence = Absence(self.key, kind, reason)


class Measurement:
    """One run: processes are started once and used for all groups."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="unstride-bench-")))
        self.crew = self._stack.enter_context(Crew(self._folder, settings.timeout))
        self._order = random.Random(settings.seed)  # noqa: S311 - nothing is secret

    def __enter__(self) -> Self:
        present = [entry.name for entry in entries(self.settings.peers) if entry.version]
        try:
            self.crew.start([(name, threads) for name in (*present, machine.NAME) for threads in self.settings.threads])
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def missing(self) -> dict[str, str]:
        """Competitors that take no part, and why."""
        absent = {e.name: "not installed" for e in entries(self.settings.peers) if not e.version}
        return {**absent, **{name: reason for (name, _), reason in self.crew.unable.items() if name != machine.NAME}}

    @property
    def versions(self) -> dict[str, str]:
        """Of every competitor that takes part."""
        return {name: told["version"] for (name, _), told in self.crew.told.items() if name != machine.NAME}

    def groups(self, tell: Tell) -> Iterator[Group]:
        """Measure case by case; ``tell`` hears what is being done and which part of the whole is over."""
        asked = list(product(self.settings.cases, self.settings.directions))
        for done, (case, direction) in enumerate(asked):
            yield self._group(case, direction, _part(tell, done, len(asked)))

    def _group(self, case: Case, direction: str, tell: Tell) -> Group:
        title = f"{case.name}, {direction.replace('_', ' ')}"
        tell(f"{title}: expected values", 0)
        path = self._folder / "expected" / f"{case.name}-{direction}.npz"
        path.parent.mkdir(exist_ok=True)
        Expected.of(case, direction, self.settings.dtype).save(path)
        handles = list(self._handles(case, direction, path))
        for number, handle in enumerate(handles):
            tell(f"{title}: {handle.key.competitor}", 0.4 * number / len(handles))
            self._load(handle, handles)
        self._rounds(handles, lambda part: tell(title, 0.4 + 0.6 * part))
        self.crew.drop()
        path.unlink()
        return _collected(case, direction, self.settings.dtype, handles)

    def _handles(self, case: Case, direction: str, expected: Path) -> Iterator[Handle]:
        """Every call of a group: jobs of competitors, and probes of the machine."""
        settings, number = self.settings, 0
        calls = settings.calls if direction == "forward" else CALLS[:1]
        size = case.elements * {"float32": 4, "float64": 8}[settings.dtype]
        for threads in settings.threads:
            for kind in machine.PROBES:
                probe = {"kind": kind, "dtype": settings.dtype, "bytes": size}
                yield Handle(Key(machine.NAME, kind, "", "", threads), number, {_PROBE: probe})
                number += 1
            for entry in entries(settings.peers):
                if not self.crew.has((entry.name, threads)):
                    continue
                for call in calls:
                    for variant in entry.variants(direction, call):
                        for layout in settings.layouts:
                            job = Job(case, direction, layout, call, settings.dtype, variant)
                            request = {"job": job.as_json(), "expected": str(expected)}
                            yield Handle(Key(entry.name, variant, layout, call, threads), number, request)
                            number += 1

    def _load(self, handle: Handle, handles: list[Handle]) -> None:
        """Have the worker build the call, compare its values and time it for the first time."""
        told = self._ask(handle, {"do": "load", "id": handle.id, **handle.request}, handles)
        if told is not None:
            handle.seconds, handle.amount = told["seconds"], told.get("amount", 0)
            handle.variant = told.get("variant", "")

    def _ask(self, handle: Handle, request: dict[str, Any], handles: list[Handle]) -> dict[str, Any] | None:
        """The worker's answer; None: the call is out, and the reason noted."""
        try:
            told = self.crew.ask(handle.worker, request)
        except WorkerLostError as error:
            handle.fail("lost", str(error))
            self._recover(handle.worker, handles)
            return None
        for kind in ("unsupported", "wrong", "failed"):
            if kind in told:
                handle.fail(kind, told[kind])
                return None
        return told

    def _recover(self, worker: tuple[str, int], handles: list[Handle]) -> None:
        """Start a lost worker again and give it back its calls; each loss has taken one, so that this ends."""
        if not self.crew.restart(worker):
            for handle in handles:
                if handle.worker == worker and handle.absence is None:
                    handle.fail("lost", self.crew.unable[worker])
            return
        for handle in handles:
            if handle.worker == worker and handle.absence is None and handle.seconds:
                self._load(handle, handles)

    def _rounds(self, handles: list[Handle], tell: Callable[[float], None]) -> None:
        ready = [handle for handle in handles if handle.absence is None]
        hopeless = self._hopeless(ready)
        lasting = sum(_turn(handle) for handle in ready if handle.id not in hopeless)
        chosen = int(self.settings.seconds / max(lasting, 1e-9))
        count = self.settings.rounds or min(MOST_ROUNDS, max(LEAST_ROUNDS, chosen))
        for number in range(count):
            self._order.shuffle(ready)
            for handle in ready:
                if handle.absence is not None:
                    continue
                told = None
                if number == 0 or handle.id not in hopeless:
                    told = self._ask(handle, {"do": "time", "id": handle.id}, handles)
                handle.nanoseconds.append(told["nanoseconds"] if told else None)
            tell((number + 1) / count)

    def _hopeless(self, ready: list[Handle]) -> set[int]:
        """The calls that are far behind and would eat the budget; never our own."""
        jobs = [handle for handle in ready if handle.probe is None]
        fastest = {t: min(h.seconds for h in jobs if h.key.threads == t) for t in {h.key.threads for h in jobs}}
        return {
            handle.id
            for handle in jobs
            if handle.key.competitor != OURS
            and handle.seconds > HOPELESS * fastest[handle.key.threads]
            and _turn(handle) > self.settings.seconds / SHARE
        }


def _part(tell: Tell, done: int, count: int) -> Tell:
    """What a group tells, as part of the whole."""
    return lambda what, part: tell(what, (done + part) / count)


def _turn(handle: Handle) -> float:
    """Seconds of one turn: the calls before the timing, and the timing."""
    warm = 0 if handle.seconds * 1e9 > LONG_NS else max(handle.seconds, SETTLE_NS * 1e-9)
    return warm + max(handle.seconds, LEAST_NS * 1e-9)


def _collected(case: Case, direction: str, dtype: str, handles: list[Handle]) -> Group:
    limits, timings = [], []
    for handle in handles:
        taken = [time for time in handle.nanoseconds if time is not None]
        if handle.absence is not None or not taken:
            continue
        if handle.probe is not None:
            rates = tuple(handle.amount / time for time in taken)
            limits.append(Limit(handle.probe, handle.key.threads, handle.variant, rates))
        else:
            timings.append(Timing(handle.key, tuple(handle.nanoseconds)))
    absences = tuple(handle.absence for handle in handles if handle.absence is not None)
    return Group(case, direction, dtype, tuple(timings), absences, tuple(limits))
