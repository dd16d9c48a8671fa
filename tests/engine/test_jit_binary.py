"""Code is made once, in every thread, process and fork, and stays where it is."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from llvmlite import ir

from unstride.engine.jit import binary, cache
from unstride.engine.jit.target import Target

from .compiled import Emitter, again, call, posix


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(binary, "_LOADED", {})
    return tmp_path / "cache"


def test_constants_functions_and_the_c_library_are_reached() -> None:
    for _ in ("compiled", "from disk"):
        binary._LOADED.clear()
        found = binary.load("sums", Emitter())
        assert call(found, 3, 50, name="distance") == 10
        assert call(found, 3, 30, name="distance") == 10
        with pytest.raises(LookupError, match="multiply"):
            found.address("multiply")


def test_code_stays_as_long_as_its_binary(folder: Path) -> None:
    # every address is looked up, and what the look-up gave is gone, before the code is called
    kept = [binary.load(f"sums {i}", Emitter((i,))) for i in range(20)]
    binary._LOADED.clear()
    starts = [found.address("add") for found in kept]
    gc.collect()
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    assert [kind(start)(0, 0) for start in starts] == list(range(20))
    assert len(list(folder.iterdir())) == 20


def test_a_failed_emission_is_raised_and_tried_again() -> None:
    def broken(_: Target) -> ir.Module:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        binary.load("sums", broken)
    assert binary.load("sums", emit := Emitter())
    assert emit.calls == 1


def together(tasks: list[Callable[[], object]]) -> None:
    threads = [Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_threads_that_ask_at_once_share_one_compilation() -> None:
    started, found = Event(), []

    class Slow(Emitter):
        def __call__(self, wanted: Target) -> ir.Module:
            started.set()
            time.sleep(0.05)
            return super().__call__(wanted)

    emit = Slow()
    together([lambda: found.append(binary.load("sums", emit)) for _ in range(8)])
    assert started.is_set()
    assert emit.calls == 1
    assert len(set(map(id, found))) == 1
    assert len(found) == 8


def test_two_keys_are_made_at_the_same_time() -> None:
    inside = [Event(), Event()]

    def meeting(which: int) -> Callable[[Target], ir.Module]:
        def emit(wanted: Target) -> ir.Module:
            inside[which].set()
            assert inside[1 - which].wait(10), "the other key waits for this one"
            return Emitter()(wanted)

        return emit

    together([lambda: binary.load("one", meeting(0)), lambda: binary.load("two", meeting(1))])
    assert {key for key, _ in binary._LOADED} == {"one", "two"}


def child_says(task: Callable[[], bool]) -> bool:
    """What ``task`` answers in a forked child; a child that hangs is ended."""
    process = os.fork()
    if process == 0:
        os._exit(0 if task() else 1)
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.005)
    os.kill(process, 9)
    os.waitpid(process, 0)
    return False


@posix
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX, where another test imported it
def test_a_child_forked_while_another_thread_compiles_can_load() -> None:
    emitting, leave = Event(), Event()

    def stuck(wanted: Target) -> ir.Module:
        emitting.set()
        assert leave.wait(20)
        return Emitter()(wanted)

    thread = Thread(target=lambda: binary.load("sums", stuck), daemon=True)
    thread.start()
    assert emitting.wait(10)
    assert child_says(lambda: again(Emitter()) == 1)
    leave.set()
    thread.join(10)
    assert call(binary.load("sums", Emitter()), 1, 1) == 21


@posix
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX, where another test imported it
def test_a_fork_waits_until_no_thread_is_inside_llvm() -> None:
    held, waited = Event(), []

    def inside() -> None:
        with binary._LLVM:
            held.set()
            time.sleep(0.2)
            waited.append(True)

    thread = Thread(target=inside, daemon=True)
    thread.start()
    assert held.wait(10)
    assert child_says(lambda: waited == [True] and again(Emitter()) == 1)
    assert again(Emitter()) <= 1, "the parent can go on"
    assert type(binary._LLVM).__module__.startswith("llvmlite"), "the lock is llvmlite's own"


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from tests.engine.compiled import Emitter, again
total = 0
for turn in range(40):
    emit = Emitter((turn, 1, 2, 3))
    total += again(emit, str(turn))
print(total)
"""


def test_two_processes_at_once(folder: Path) -> None:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", SCRIPT.format(root=root)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)  # noqa: S603 - our own script
        for _ in range(2)
    ]
    made = [int(process.communicate(timeout=60)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum(made) >= 40
    assert len(list(folder.iterdir())) == 40
    assert all(again(Emitter((turn, 1, 2, 3)), str(turn)) == 0 for turn in range(40))
