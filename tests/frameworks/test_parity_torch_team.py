"""Jobs done by PyTorch's own OpenMP threads: every index once, by workers with numbers of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="its threads and memory are used")

from unstride.engine import threads as number
from unstride.engine.jit import pool
from unstride.frameworks.torch import arrays

from ..engine import pages
from ..engine.test_pool import MOST, ROOT, Cells

pytestmark = pytest.mark.parity

TEAM = arrays._team()

openmp = pytest.mark.skipif(not TEAM, reason="this PyTorch's threads are not those of a GOMP library")


@pytest.fixture(autouse=True)
def _followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The state of the process is put back."""
    for name in ("_chosen", "_default", "_followed", "_team"):
        monkeypatch.setattr(number, name, getattr(number, name))
    monkeypatch.setattr(number, "_chosen", None)
    monkeypatch.delenv(number.THREADS_VARIABLE, raising=False)
    return iter([None])


@openmp
@given(count=st.integers(0, 300), threads=st.integers(1, MOST), cap=st.none() | st.integers(1, MOST + 2))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_index_is_done_once_by_distinct_workers(count: int, threads: int, cap: int | None) -> None:
    number.follow(threads, TEAM)
    done = Cells(count, turns=20).run(cap)
    assert sum(done) == count
    assert not any(done[min(threads, cap or threads, max(count, 1)) :])


@openmp
def test_both_threads_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    number.follow(2, TEAM)
    monkeypatch.setattr(pool, "_open", None)  # our own are not asked
    monkeypatch.setattr(pool, "_pool", None)
    cells, total = Cells(64, turns=1_000_000), [0, 0]
    for _ in range(50):
        total = [old + new for old, new in zip(total, cells.run(), strict=False)]
        if all(total):
            break
    assert all(total)


@openmp
def test_many_python_threads_at_once() -> None:
    number.follow(2, TEAM)
    failed: list[BaseException] = []

    def call() -> None:
        try:
            for _ in range(20):
                Cells(40, turns=200).run()
        except BaseException as error:
            failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(60)
    assert not failed


def test_a_number_of_the_users_own_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    team = number.Team(1, 2)
    number.follow(2, team)
    assert (number.num_threads(), number.team()) == (2, team)
    number.set_num_threads(3)
    assert (number.num_threads(), number.team()) == (3, None)
    monkeypatch.setattr(number, "_chosen", None)
    monkeypatch.setenv(number.THREADS_VARIABLE, "4")
    number.follow(2, team)
    monkeypatch.setattr(number, "_default", None)
    assert (number.num_threads(), number.team()) == (4, None)


FORKED = """
import os, torch
import numpy as np
from unstride import run, parse
from unstride.engine import threads
from unstride.frameworks import torch as ours
torch.set_num_threads(2)
x, w = np.ones((1, 64, 48, 48), np.float32), np.ones((64, 64, 3, 3), np.float32)
y = ours.conv_transpose2d(torch.from_numpy(x), torch.from_numpy(w), stride=2).numpy()
spec = parse("torch.nn.functional.conv_transpose2d(x, w, stride=2)")
child = os.fork()
if not child:  # OpenMP's threads are not there, nor can it have others: PyTorch itself could use one only
    same = bool((run(spec, x, w) == y).all())
    os._exit(0 if same and threads.num_threads() == 2 and not threads.team() else 1)
print("same" if os.waitpid(child, 0)[1] == 0 else "differs", bool(threads.team()))
"""


@openmp
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_after_fork_has_threads_of_its_own() -> None:
    done = subprocess.run(  # noqa: S603 - this Python, our script
        [sys.executable, "-W", "ignore", "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (0, "same True\n"), done.stderr


FAULTS = """
import itertools, resource, statistics, torch
from torch import nn
from unstride.frameworks.torch import accelerate
torch.set_num_threads(1)
ups = [nn.Sequential(nn.ConvTranspose2d(2 * n, n, 4, 2, 1), nn.BatchNorm2d(n), nn.ReLU()) for n in (64, 32, 16)]
model = nn.Sequential(*ups, nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh()).eval()
accelerate(model)
x = torch.randn(16, 128, 4, 4)
with torch.inference_mode():
    asked = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
    for _ in range(30):
        model(x)
        asked.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(statistics.median(after - before for before, after in itertools.pairwise(asked)))
"""
PAGES = 16 * 16 * 32 * 32 * 4 // 4096
"""of one of the model's outputs"""


@pages.glibc
def test_pages_of_outputs_are_not_asked_for_again() -> None:
    assert pages.printed(FAULTS) < PAGES // 4
