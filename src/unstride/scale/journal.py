"""Who computes which tile, and which are finished: files beside the output, without anybody who coordinates.

A job's folder holds ``job.json``, what is computed; ``workers/ID``, touched as long as a worker lives; ``claims/N.G``,
created by exactly one worker, who computes tile N, or takes it over as generation G; and ``done/N``, the checksum of
what was written, with what tells whether its inputs have changed. Only a living worker's tile is ever waited for. Who
finds nothing left becomes ``workers/ID.leaving`` before looking at the others, so that the last to leave knows to tidy.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from itertools import chain
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from ..errors import Reason, UnstrideError
from ..whole import write_whole

LEASE = 60.0
"""seconds after which a worker of another machine that gives no sign is taken for dead"""
ANEW = "give what it was begun with, or begin anew: resume=False, --no-resume"
LEAVING = ".leaving"
"""what ends the name of a worker who has found nothing left to do"""
PAUSE = 0.2
"""seconds between looks at what others have in hand"""


class Alone:
    """The journal of a job that one process does in one go."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._open = deque(range(count))
        self._lock = Lock()
        self._done = 0

    @property
    def done(self) -> int:
        """Tiles finished by whomever."""
        return self._done

    def finished(self) -> dict[int, str]:
        """The tiles that were finished before, with their records, where they are to be verified."""
        return {}

    def take(self, stop: Event) -> int | None:
        """A tile that is now ours; None where there is none left. Waits for what others have in hand."""
        del stop
        with self._lock:
            return self._open.popleft() if self._open else None

    def finish(self, number: int, record: str) -> None:
        """The tile is written; the record tells it from any other, and its inputs."""
        del number, record
        with self._lock:
            self._done += 1

    def forget(self, number: int) -> None:
        """What was finished is not what it was: it is to be computed again."""

    def settle(self) -> bool:
        """Whether everything is finished and nobody is at it any more: what was there for them is removed."""
        return self._done == self.count

    def close(self) -> None:
        """Give back what is ours."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Who a process is, as it says in its file."""

    id: str
    host: str
    pid: int
    start: str

    @classmethod
    def this(cls) -> Worker:
        """This process; each call has an id of its own."""
        return cls(os.urandom(8).hex(), _host(), os.getpid(), _start(os.getpid()))

    @property
    def gone(self) -> bool:
        """Whether it is a process of this machine that has ended."""
        return bool(self.host) and self.host == _host() and _start(self.pid) != self.start


def _host() -> str:
    """What processes that see each other share; empty where that cannot be told."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _start(pid: int) -> str:
    """When a process began, and that it runs still; empty where it does not."""
    with suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    return ""


@dataclass(eq=False)
class Shared(Alone):
    """The journal of a job in a folder, which several processes may share and later ones resume."""

    folder: Path
    count: int
    lease: float = LEASE
    me: Worker = field(default_factory=Worker.this)

    def __post_init__(self) -> None:
        super().__init__(self.count)
        self._others: deque[int] = deque()
        self._known: set[int] = set()
        self._ended = Event()
        for name in ("workers", "claims", "done"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.alone = not company(self.folder, lease=self.lease)
        """whether nobody else was at it when we came"""
        arriving = self.folder / f".{self.me.id}.part"  # not among the workers: who tidies there must not see it
        write_whole(arriving, lambda stream: stream.write(json.dumps(astuple(self.me)).encode()))
        self._mine = arriving.replace(self.folder / "workers" / self.me.id)
        Thread(target=self._beat, name="unstride-lease", daemon=True).start()

    def _beat(self) -> None:
        while not self._ended.wait(self.lease / 6):
            with suppress(OSError):
                os.utime(self._mine)

    @property
    def done(self) -> int:
        with suppress(OSError):
            self._done = sum(1 for _ in self._numbers("done"))
        return self._done

    def finished(self) -> dict[int, str]:
        if not self.alone:
            return {}
        return {number: (self.folder / "done" / str(number)).read_text() for number in self._numbers("done")}

    def _numbers(self, name: str) -> Iterator[int]:
        return (int(each.name) for each in (self.folder / name).iterdir() if each.name.isdecimal())

    def take(self, stop: Event) -> int | None:
        while not stop.is_set():
            with self._lock:
                number = next((each for each in self._candidates() if self._claimed(each)), None)
                waiting = bool(self._others)
            if number is not None or not waiting:
                return number
            stop.wait(PAUSE)
        return None

    def _candidates(self) -> Iterator[int]:
        """Tiles that nobody has been seen at, then those that others were at, each once."""
        while self._open:
            yield self._open.popleft()
        for _ in range(len(self._others)):
            yield self._others.popleft()

    def _claimed(self, number: int) -> bool:
        """Whether the tile is ours from now on; what others have in hand is kept in mind."""
        done = self.folder / "done" / str(number)
        generation = 0
        while not done.exists():
            claim = self.folder / "claims" / f"{number}.{generation}"
            if self._made(claim):
                return not done.exists()  # else it was finished between two looks
            if self._held(claim):
                self._others.append(number)
                return False
            generation += 1
        return False

    def _made(self, claim: Path) -> bool:
        """Whether the claim could be made, by us alone: another name of our own file, or a copy of it."""
        try:
            os.link(self._mine, claim)
        except FileExistsError:
            return False
        except OSError:  # no links here, or too many
            with suppress(FileExistsError), claim.open("xb") as stream:
                stream.write(self._mine.read_bytes())
                return True
            return False
        return True

    def _held(self, claim: Path) -> bool:
        """Whether whoever made the claim lives; it has no name in it for a moment."""
        try:
            id = json.loads(claim.read_text())[0]
        except ValueError:
            return _clock(self.folder) - claim.stat().st_mtime < self.lease
        return id == self.me.id or lives(self.folder, id, self.lease)

    def finish(self, number: int, record: str) -> None:
        write_whole(self.folder / "done" / str(number), lambda stream: stream.write(record.encode()))

    def forget(self, number: int) -> None:
        (self.folder / "done" / str(number)).unlink(missing_ok=True)

    def settle(self) -> bool:
        if self.done < self.count:
            return False
        with suppress(OSError):
            self._mine = self._mine.replace(self._mine.with_suffix(LEAVING))
        workers = set((self.folder / "workers").iterdir())
        living = {path for path in workers if lives(self.folder, path.name, self.lease)}
        if any(path.suffix != LEAVING for path in living):
            return False
        parts = [*(self.folder / "done").glob(".*.part"), *filter(self._old, self.folder.glob(".*.part"))]
        for path in chain(workers - living, (self.folder / "claims").iterdir(), parts):
            path.unlink(missing_ok=True)
        return True

    def _old(self, path: Path) -> bool:
        """Whether it is nothing that somebody who comes just now is writing."""
        with suppress(FileNotFoundError):
            return _clock(self.folder) - path.stat().st_mtime > self.lease
        return False

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._mine.unlink()


def lives(folder: Path, id: str, lease: float = LEASE) -> bool:
    """Whether a worker is at the job in a folder: its file is young, and its process, where it can be seen, runs."""
    path = folder / "workers" / id
    try:
        age = _clock(folder) - path.stat().st_mtime
        worker = Worker(*json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # gone, or no worker's file
        return False
    return age < lease and not worker.gone


def company(folder: Path, me: str = "", lease: float = LEASE) -> bool:
    """Whether anybody else is at the job in a folder."""
    with suppress(FileNotFoundError):
        return any(lives(folder, each.name, lease) for each in (folder / "workers").iterdir() if each.name != me)
    return False


def recorded(folder: Path) -> dict[str, Any] | None:
    """What the job in a folder is, or None where there is none."""
    path = folder / "job.json"
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        rule = f"cannot be read: {error}"
        raise UnstrideError(Reason.FILE, rule, argument="journal", value=str(path), hint=ANEW) from None
    if not isinstance(found, dict):
        raise UnstrideError(Reason.FILE, "is no job's file", argument="journal", value=str(path), hint=ANEW)
    return found


def publish(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Say what the job is, unless somebody has; returns what holds."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{os.urandom(8).hex()}.part"
    try:
        temporary.write_text(json.dumps(job, indent=1))
        with suppress(FileExistsError):
            os.link(temporary, folder / "job.json")
    finally:
        temporary.unlink(missing_ok=True)
    return recorded(folder) or job


def check_same(folder: Path, job: dict[str, Any], held: dict[str, Any]) -> None:
    """UnstrideError where the job in a folder is another one: it says in what."""
    for name, value in job.items():
        if held.get(name) != value:
            rule = f"was begun with another {name}; its tiles and those of this job are not of one output"
            raise UnstrideError(Reason.FILE, rule, argument="journal", value=str(folder), hint=ANEW)


def _clock(folder: Path) -> float:
    """The time by the clock of the file system, which all workers share."""
    probe = folder / f".{os.urandom(8).hex()}.part"
    try:
        probe.touch()
        return float(probe.stat().st_mtime)
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)
