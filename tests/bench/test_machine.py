"""The kernels do what they are timed for, and say the same twice."""

from __future__ import annotations

import numpy as np
import pytest

from unstride.bench import machine
from unstride.bench.worker import load, pin

pytest.importorskip("llvmlite")

from unstride.bench import kernels


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_multiply_adds_are_done(dtype: str) -> None:
    code = kernels.load(dtype)
    lanes = code.vector_bytes // np.dtype(dtype).itemsize
    memory = np.zeros(2 * lanes, dtype)
    memory[:lanes], memory[lanes:] = 1, 1  # every step adds one to every accumulator, which began at 0, 1, 2, …
    chains = code.fused // (2 * lanes * kernels.UNROLLED)
    code.peak(10, memory.ctypes.data)
    assert memory[:lanes].tolist() == [sum(range(chains)) + chains * 10 * kernels.UNROLLED] * lanes


@pytest.mark.parametrize("way", ["plain", "streaming"])
def test_the_copies_copy(way: str) -> None:
    blocks = 5
    source = machine._aligned(blocks * kernels.BLOCK)
    target = machine._aligned(blocks * kernels.BLOCK)
    source[:] = np.arange(source.size) % 251
    getattr(kernels.load("float32"), way)(target.ctypes.data, source.ctypes.data, blocks - 1)
    copied = (blocks - 1) * kernels.BLOCK
    assert np.array_equal(target[:copied], source[:copied])
    assert (target[copied:] == 1).all()


def test_the_peak_is_the_same_twice() -> None:
    machine.start(1)
    probes = [load({"probe": {"kind": "peak"}}, None) for _ in range(2)]
    # in turn, the least of many: whatever else the machine does disturbs both alike
    taken = [[loaded.nanoseconds() for loaded, _ in probes] for _ in range(40)]
    rates = [told["amount"] / min(column) for (_, told), column in zip(probes, zip(*taken, strict=True), strict=True)]
    assert min(rates) > 1
    assert 0.5 < rates[0] / rates[1] < 2


def test_bytes_copied_are_counted_for_any_size() -> None:
    machine.start(2)
    for size in (1, 10_000, 1_000_000):
        measured = machine.build(machine.Probe("copy", bytes=size))
        measured.runner.call()
        assert measured.amount >= size


def test_the_machine_is_described() -> None:
    about = machine.describe()
    assert about["last_level_cache"] >= 2**15
    assert about["cores"] >= 1
    assert about["cpu"]


def test_pinning_is_asked_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[object] = []
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {2, 5, 7}, raising=False)
    monkeypatch.setattr("os.sched_setaffinity", lambda _, cpus: pinned.append(cpus), raising=False)
    pin(2)
    assert pinned == [[2, 5]]
