"""A job is killed, resumed and shared: nothing is lost, torn, or computed twice beyond what was in flight."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import zarr

import unstride
from unstride import UnstrideError, parse
from unstride.scale.journal import LEASE, Shared, Worker, company, lives
from unstride.scale.zarr import run

UP = parse("torch.nn.ConvTranspose3d(1, 1, 2, stride=2, bias=False)")
KERNEL = np.random.default_rng(1).standard_normal((1, 1, 2, 2, 2)).astype(np.float32)
EDGE, WORKERS = 48, 2
TILES = (2 * EDGE // 16) ** 3

JOB = """
import os, sys, time
import numpy as np
import unstride
from unstride.scale.parts import Parts
from unstride.scale.zarr import run
source, target, log = sys.argv[1:]
tile = Parts.tile
pause = 0.0
def noted(self, tiling, each, values):
    made = tile(self, tiling, each, values)
    if max(tiling.shape) > 1:
        time.sleep(pause)
        with open(log, "ab", buffering=0) as stream:
            stream.write(b"%d\\n" % each.number)
    return made
Parts.tile = noted
layer = unstride.parse("torch.nn.ConvTranspose3d(1, 1, 2, stride=2, bias=False)")
kernel = np.load(source + ".kernel.npy")
for line in sys.stdin:
    pause, process = float(line), os.fork()
    if not process:
        made = run(layer, source, target, kernel=kernel, chunks=(16,) * 3, tile=(1, 16, 16, 16), workers=2)
        print(made.computed, flush=True)
        os._exit(0)
    print(process, flush=True)
    if os.waitpid(process, 0)[1]:
        print("killed", flush=True)
"""


class Starter:
    """A process that has everything imported, and starts one job after the other."""

    def __init__(self, command: list[str], folder: Path) -> None:
        environment = {**os.environ, "UNSTRIDE_CACHE_DIR": str(folder / "code")}
        self.process = subprocess.Popen(  # noqa: S603 - our own text
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.job = 0

    def begin(self, pause: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{pause}\n")
        self.process.stdin.flush()
        self.job = int(self.told())

    def told(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self.job, signal.SIGKILL)
        assert self.told() == "killed"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Starter]]:
    x = np.random.default_rng(0).standard_normal((EDGE,) * 3).astype(np.float32)
    array: Any = zarr.create_array(tmp_path / "x", shape=x.shape, chunks=(16, 16, 16), dtype=x.dtype)
    array[:] = x
    np.save(tmp_path / "x.kernel.npy", KERNEL)
    (tmp_path / "log").touch()
    begun: list[Starter] = []

    def started() -> Starter:
        command = [sys.executable, "-c", JOB, *(str(tmp_path / name) for name in ("x", "y", "log"))]
        begun.append(Starter(command, tmp_path))
        return begun[-1]

    yield started
    for each in begun:
        each.process.communicate()


def check(folder: Path, kills: int) -> None:
    """The whole's bits; no tile twice beyond those that killed processes had in hand; nothing else is left."""
    array: Any = zarr.open_array(folder / "y")
    x: Any = zarr.open_array(folder / "x")
    np.testing.assert_array_equal(array[:], unstride.run(UP, x[:][None, None], KERNEL)[0, 0])
    computed = Counter(map(int, (folder / "log").read_text().split()))
    assert set(computed) == set(range(TILES))
    assert computed.total() - TILES <= kills * (WORKERS + 1)
    assert len(list((folder / "y.job" / "done").iterdir())) == TILES
    assert not list((folder / "y").rglob("*.part*"))
    for name in ("claims", "workers"):
        assert not list((folder / "y.job" / name).iterdir())


def wait_for(log: Path, tiles: int) -> None:
    while log.read_text().count("\n") < tiles:
        time.sleep(0.001)


def test_killed_at_ten_moments_and_resumed(tmp_path: Path, start: Callable[[], Starter]) -> None:
    moments, log, starter = random.Random(7), tmp_path / "log", start()  # noqa: S311 - no secret
    for _ in range(10):
        before = log.read_text().count("\n")
        starter.begin(0.004)
        wait_for(log, before + moments.randrange(1, 20))
        time.sleep(moments.uniform(0.0, 0.02))
        starter.kill()
    assert log.read_text().count("\n") < TILES
    starter.begin(0)
    assert 0 < int(starter.told()) < TILES
    check(tmp_path, kills=10)
    starter.begin(0)
    assert starter.told() == "0"


def test_three_processes_share_a_job_and_one_is_killed(tmp_path: Path, start: Callable[[], Starter]) -> None:
    starters = [start() for _ in range(3)]
    for each in starters:
        each.begin(0.02)
    wait_for(tmp_path / "log", TILES // 4)
    starters[1].kill()
    assert min(int(starters[0].told()), int(starters[2].told())) > 0
    check(tmp_path, kills=1)


def test_a_claim_is_made_once_and_taken_over_from_the_dead(tmp_path: Path) -> None:
    stop = Event()
    one, two = Shared(tmp_path, 3), Shared(tmp_path, 3)
    assert (one.alone, two.alone) == (True, False)
    assert [one.take(stop), two.take(stop), one.take(stop)] == [0, 1, 2]
    one.finish(0, "a")
    one.close()
    assert two.take(stop) == 2
    assert not one.settle()
    for number in (1, 2):
        two.finish(number, "b")
    assert two.take(stop) is None
    assert two.settle()
    two.close()
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["0", "1", "2"]
    three = Shared(tmp_path, 3)
    assert three.finished() == {0: "a", 1: "b", 2: "b"}
    three.close()


def test_of_two_who_leave_together_one_tidies(tmp_path: Path) -> None:
    stop = Event()
    one, two = Shared(tmp_path, 2), Shared(tmp_path, 2)
    for each in (one, two):
        number = each.take(stop)
        assert number is not None
        each.finish(number, "a")
    assert [one.take(stop), two.take(stop)] == [None, None]
    assert not one.settle()
    assert two.settle()
    assert company(tmp_path)  # nobody begins anew while they tidy
    one.close()
    two.close()
    assert not company(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "done/0",
        "done/1",
    ]


def test_who_gives_no_sign_is_dead_and_who_runs_here_is_not(tmp_path: Path) -> None:
    held = Shared(tmp_path, 1)
    assert lives(tmp_path, held.me.id)
    assert company(tmp_path)
    assert not company(tmp_path, held.me.id)
    path = tmp_path / "workers" / held.me.id
    os.utime(path, (time.time() - 2 * LEASE,) * 2)
    assert not lives(tmp_path, held.me.id)
    os.utime(path)
    here = Worker.this()
    path.write_text(json.dumps([held.me.id, here.host, here.pid, "another start"]))
    assert not lives(tmp_path, held.me.id)
    path.write_text(json.dumps([held.me.id, "elsewhere", 1, ""]))
    assert lives(tmp_path, held.me.id)
    path.write_text("{")
    assert not lives(tmp_path, held.me.id)
    held.close()


def test_a_job_that_somebody_is_at_is_not_begun_anew(tmp_path: Path) -> None:
    x = np.zeros((8, 8, 8), np.float32)
    run(UP, x, tmp_path / "y", kernel=KERNEL)
    other = Shared(tmp_path / "y.job", 1)
    with pytest.raises(UnstrideError, match="somebody is at this job"):
        run(UP, x, tmp_path / "y", kernel=KERNEL, resume=False)
    other.close()
    run(UP, x, tmp_path / "y", kernel=KERNEL, resume=False)
    (tmp_path / "y.job" / "job.json").write_text("[")
    with pytest.raises(UnstrideError, match="cannot be read"):
        run(UP, x, tmp_path / "y", kernel=KERNEL)


def test_the_journal_of_an_array_in_a_group_lies_beside_the_group(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "cells.zarr")
    run(UP, np.zeros((8, 8, 8), np.float32), tmp_path / "cells.zarr" / "0", kernel=KERNEL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.zarr", "cells.zarr.0.job"]
    group: Any = zarr.open_group(tmp_path / "cells.zarr")
    assert group["0"].shape == (16, 16, 16)
    run(UP, np.zeros((8, 8, 8), np.float32), group["0"], kernel=KERNEL, journal=tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "done" / "0").exists()


MEMORY = 2**25
VOLUME = (160, 160, 168)
BOUNDED = """
import ctypes, resource, sys
import numpy as np
import unstride, zarr
from unstride.scale.zarr import run
layer = unstride.parse("torch.nn.ConvTranspose3d(1, 2, 2, stride=2, bias=False)")
kernel = np.random.default_rng(0).standard_normal((1, 2, 2, 2, 2)).astype("f")
source, target, memory = sys.argv[1], sys.argv[2], int(sys.argv[3])
small = np.ones((1, 1, 8, 8, 8), "f")
run(layer, small, zarr.storage.MemoryStore(), kernel=kernel)
def resident(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))
ctypes.CDLL(None).mlockall(1)  # pages of libraries that the system took back would count as new
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from now on
before = resident("VmRSS")
limit = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize() + memory + 2**26
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
made = run(layer, source, target, kernel=kernel, memory=memory, workers=1)
print(made.array.nbytes, resident("VmHWM") - before, made.tiles)
"""


def test_an_output_of_eight_times_the_memory_is_made_in_it(tmp_path: Path) -> None:
    array: Any = zarr.create_array(tmp_path / "x", shape=VOLUME, chunks=(32,) * 3, dtype="float32")
    array[:] = np.random.default_rng(0).integers(0, 9, VOLUME)
    shape = (2, *(2 * length for length in VOLUME))
    zarr.create_array(tmp_path / "y", shape=shape, chunks=(2, 32, 32, 32), dtype="float32", compressors=None)
    command = [sys.executable, "-c", BOUNDED, str(tmp_path / "x"), str(tmp_path / "y"), str(MEMORY)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own text
    size, taken, tiles = map(int, told.split())
    print(told)
    assert size >= 8 * MEMORY
    assert tiles > 8
    assert taken <= MEMORY
