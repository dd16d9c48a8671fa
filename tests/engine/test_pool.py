"""The pool of threads: every index once, whoever calls, forks or leaves, and no processor time while idle."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from unstride import UnstrideError, num_threads, set_num_threads
from unstride.engine import threads as number
from unstride.engine.jit import binary, pool, sharing
from unstride.engine.jit.target import Target, named

ROOT = Path(__file__).parents[2]
MOST = 8
"""threads at most in these tests"""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def emit_count(_target: Target) -> ir.Module:
    """``count(words, index, worker)``: what ``Cells`` holds, all of it changed atomically but the private cells."""
    module = ir.Module("count")
    i64 = ir.IntType(64)
    kinds = [ir.IntType(8).as_pointer(), i64, i64]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "count")
    code = ir.IRBuilder(function.append_basic_block("entry"))
    loop, done = function.append_basic_block("loop"), function.append_basic_block("done")
    context, index, worker = function.args
    words = code.bitcast(context, i64.as_pointer())
    busy = code.gep(words, [code.add(i64(2), worker)])
    before = code.atomic_rmw("add", busy, i64(1), "monotonic")
    code.atomic_rmw("or", words, before, "monotonic")
    private = code.gep(words, [code.add(i64(2 + MOST), worker)])
    code.store(code.add(code.load(private), i64(1)), private)
    turns = code.load(code.gep(words, [i64(1)]))
    code.branch(loop)
    code.position_at_end(loop)
    left = code.phi(i64)
    left.add_incoming(turns, function.entry_basic_block)
    code.load_atomic(busy, "acquire", 8)
    fewer = code.sub(left, i64(1))
    left.add_incoming(fewer, loop)
    code.cbranch(code.icmp_signed(">", fewer, i64(0)), loop, done)
    code.position_at_end(done)
    code.atomic_rmw("add", code.gep(words, [code.add(i64(2 + 2 * MOST), index)]), i64(1), "monotonic")
    code.atomic_rmw("sub", busy, i64(1), "monotonic")
    code.ret_void()
    return module


TASK = binary.load("tests.pool.count", emit_count).address("count")


class Cells:
    """[a worker's number was used twice at once, turns of each task, busy by worker, done by worker, done by index]."""

    def __init__(self, count: int, turns: int = 1) -> None:
        self.count = count
        self.words = (ctypes.c_int64 * (2 + 2 * MOST + count))()
        self.words[1] = turns

    def run(self, threads: int | None = None) -> list[int]:
        """Run once, checked; the tasks that each worker did."""
        before = list(self.words)
        pool.run(TASK, ctypes.addressof(self.words), self.count, threads)
        self.check_once(before)
        after = self.words[2 + MOST : 2 + 2 * MOST]
        return [new - old for new, old in zip(after, before[2 + MOST :], strict=False)]

    def check_once(self, before: list[int]) -> None:
        first = 2 + 2 * MOST
        assert list(self.words[first:]) == [old + 1 for old in before[first:]]
        assert self.words[0] == 0
        assert not any(self.words[2 : 2 + MOST])


@pytest.fixture(autouse=True)
def _threads_of_the_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(number, "_chosen", None)
    monkeypatch.setattr(number, "_default", None)
    return iter([None])


def python(script: str, *, expect: str = "ok", **environment: str) -> None:
    """Run a script that has the names of this module; it prints what is expected, and nothing to its error stream."""
    prelude = "import warnings; warnings.simplefilter('ignore')\nfrom tests.engine.test_pool import *\n"
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    start = time.monotonic()
    done = subprocess.run(  # noqa: S603 - this Python, our script
        [sys.executable, "-c", prelude + script],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=variables,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, expect, "")
    assert time.monotonic() - start < 30


@given(count=st.integers(0, 300), threads=st.integers(1, MOST), cap=st.none() | st.integers(1, MOST + 2))
@settings(deadline=None, max_examples=150)
def test_every_index_is_done_once_by_distinct_workers(count: int, threads: int, cap: int | None) -> None:
    set_num_threads(threads)
    done = Cells(count, turns=20).run(cap)
    assert sum(done) == count
    assert not any(done[min(threads, cap or threads, max(count, 1)) :])


def test_workers_take_part() -> None:
    set_num_threads(3)
    cells = Cells(32, turns=1_000_000)
    total = [0] * MOST
    end = time.monotonic() + 20
    while not all(total[:3]) and time.monotonic() < end:
        total = [sum(pair) for pair in zip(total, cells.run(), strict=True)]
    assert all(total[:3])
    assert not any(total[3:])
    assert {"unstride-1", "unstride-2"} <= {thread.name for thread in threading.enumerate() if thread.daemon}


def test_a_burst_of_small_jobs() -> None:
    set_num_threads(4)
    cells = Cells(5)
    for _ in range(3000):
        cells.run()


def test_the_number_of_threads_grows_and_shrinks() -> None:
    for threads in (2, 8, 1, 3, 8, 2, 5):
        set_num_threads(threads)
        assert num_threads() == threads
        for pause in (0, 0, 0.001):
            time.sleep(pause)
            assert not any(Cells(40, turns=500).run()[threads:])


def test_many_python_threads_at_once() -> None:
    set_num_threads(3)
    failures: list[BaseException] = []

    def hammer(count: int) -> None:
        try:
            cells = Cells(count, turns=10)
            for _ in range(1500):
                cells.run()
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=hammer, args=(count,)) for count in (2, 7, 33, 64)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failures


@pytest.mark.parametrize("late", [False, True], ids=["before waking", "after the job"])
def test_an_interrupt_leaves_no_worker_in_the_job(monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    set_num_threads(3)
    Cells(8, turns=1000).run()
    hurt = pool._pool
    assert hurt is not None
    time.sleep(0.05)
    finish, lead = hurt._finish, hurt._lead

    def interrupted(*arguments: int) -> int:
        lead(*arguments)
        if late:
            finish(arguments[0], arguments[-1])
        raise KeyboardInterrupt

    monkeypatch.setattr(hurt, "_lead", interrupted)
    cells = Cells(50, turns=1000)
    before = list(cells.words)
    with pytest.raises(KeyboardInterrupt):
        pool.run(TASK, ctypes.addressof(cells.words), cells.count)
    cells.check_once(before)
    hurt.join(5)
    assert not any(thread.is_alive() for thread in hurt._threads)
    assert sum(Cells(50).run()) == 50
    assert pool._pool is not hurt


def test_without_more_threads_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "_pool", None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    set_num_threads(4)
    assert Cells(30).run()[0] == 30


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None, number.MAX_THREADS + 1])
def test_a_number_of_threads_that_is_none(count: int) -> None:
    with pytest.raises(UnstrideError, match="must be an integer from 1"):
        set_num_threads(count)
    assert number._chosen is None


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSTRIDE_NUM_THREADS", " 3 ")
    assert num_threads() == 3
    set_num_threads(2)
    assert num_threads() == 2


@pytest.mark.parametrize("text", ["", "0", "-2", "two", "1.5", "1_0", "٣", "99999"])
def test_an_environment_that_says_nothing_usable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("UNSTRIDE_NUM_THREADS", text)
    for call in (num_threads, lambda: pool.run(TASK, 0, 0)):
        with pytest.raises(UnstrideError, match=r"UNSTRIDE_NUM_THREADS.*unset it"):
            call()
    set_num_threads(1)
    assert num_threads() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity mask")
def test_the_affinity_mask_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNSTRIDE_NUM_THREADS", raising=False)
    assert num_threads() == len(os.sched_getaffinity(0))
    python("""
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
assert num_threads() == 1
set_num_threads(3)
Cells(20, turns=1000).run()
workers = [thread for thread in threading.enumerate() if thread.name.startswith("unstride-")]
assert len(workers) == 2
assert all(os.sched_getaffinity(worker.native_id) == os.sched_getaffinity(0) for worker in workers)
print("ok")
""")


@forks
def test_a_child_after_fork_has_its_own_pool() -> None:
    python("""
set_num_threads(3)
for pause in (0, 0.05):
    Cells(50, turns=1000).run()
    time.sleep(pause)
    child = os.fork()
    assert sum(Cells(500, turns=1000).run()) == 500
    if not child:
        limit = time.monotonic() + 20  # a busy machine may let its workers wait
        while not sum(Cells(64, turns=20_000).run()[1:]):
            assert time.monotonic() < limit
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("ok")
""")


@forks
def test_a_child_that_leaves_in_the_ordinary_way() -> None:
    python("""
set_num_threads(3)
Cells(50, turns=1000).run()
child = os.fork()
Cells(50, turns=1000).run()
if not child:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print("ok")
""")


@forks
def test_a_fork_while_another_thread_is_inside() -> None:
    python("""
set_num_threads(3)
stop = False
def hammer():
    cells = Cells(40, turns=2000)
    while not stop:
        cells.run()
hammering = threading.Thread(target=hammer)
hammering.start()
for _ in range(20):
    time.sleep(0.002)
    child = os.fork()
    if not child:
        Cells(100, turns=100).run()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop = True
hammering.join()
print("ok")
""")


@forks
def test_processes_of_multiprocessing() -> None:
    python("""
import multiprocessing
def total(count):
    return sum(Cells(count, turns=100).run())
set_num_threads(2)
assert total(30) == 30
with multiprocessing.get_context("fork").Pool(2) as processes:
    assert processes.map(total, [10, 20, 30, 40]) == [10, 20, 30, 40]
print("ok")
""")


@pytest.mark.parametrize("end", ["", "time.sleep(0.05)", "sys.exit(0)", "threading.Thread(target=again).start()"])
def test_the_interpreter_ends(end: str) -> None:
    python(f"""
def again():
    for _ in range(2000):
        Cells(10, turns=100).run()
set_num_threads(3)
Cells(50, turns=1000).run()
print("ok", flush=True)
Cells(50, turns=1000).run()
{end}
""")


def test_the_interpreter_ends_while_a_daemon_thread_calls() -> None:
    python("""
set_num_threads(3)
def forever():
    cells = Cells(20, turns=1000)
    while True:
        cells.run()
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
print("ok", flush=True)
""")


def test_calls_at_exit() -> None:
    python("""
import atexit
set_num_threads(3)
Cells(50, turns=1000).run()
pool._exit()
assert Cells(20).run()[0] == 20
assert not [thread for thread in threading.enumerate() if thread.name.startswith("unstride-")]
print("ok")
""")


def test_an_idle_process_takes_no_processor_time() -> None:
    python("""
set_num_threads(4)
Cells(50, turns=1000).run()
time.sleep(0.05)
start = time.process_time()
time.sleep(0.5)
assert time.process_time() - start < 0.1
print("ok")
""")


@pytest.mark.parametrize("triple", ["aarch64-unknown-linux-gnu", "riscv64-unknown-linux-gnu", "x86_64-pc-windows-msvc"])
def test_code_for_other_machines_is_whole(triple: str) -> None:
    target = named(triple, "x86-64-v3" if triple.startswith("x86") else "generic")
    if "riscv" in triple:
        target = Target(triple, "generic-rv64", "+a", 16, 32)
    text = binary.assembly(sharing.emit(target), target)
    assert all(f"{name}:" in text for name in ("alone", "stay", "spin", "lead", "finish", "serve"))
    assert "__atomic" not in text
    assert "__aarch64" not in text
