"""Fingerprints of memory: equal for equal bytes, others for whatever was written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride.engine import threads
from unstride.engine.jit import pool
from unstride.engine.jit.fingerprint import BLOCK, MANY, STRIPE, Fingerprint
from unstride.engine.jit.memory import Array

SIZES = (0, 1, STRIPE - 1, STRIPE + 1, BLOCK, 3 * BLOCK + STRIPE + 5, MANY + 7)


def taken(*arrays: Array) -> Fingerprint:
    return Fingerprint((data.ctypes.data, data.nbytes) for data in arrays)


def drawn(size: int) -> Array:
    return np.random.default_rng(size).integers(0, 256, size, np.uint8)


@given(sizes=st.lists(st.sampled_from(SIZES), max_size=3), which=st.integers(0, 3 * MANY), other=st.integers(1, 255))
def test_a_change_of_any_byte_is_seen(sizes: list[int], which: int, other: int) -> None:
    arrays = [drawn(size) for size in sizes]
    found = taken(*arrays)
    assert found.holds()
    for data in arrays:
        if data.size:
            data[which % data.size] ^= other
            assert not found.holds()
            data[which % data.size] ^= other
            assert found.holds()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0])
def test_a_change_of_everything_is_seen(size: int, factor: float) -> None:
    """Also of as many equal words as make sums of changes vanish in 32 bits."""
    for data in (np.ones(size // 4, np.float32), np.random.default_rng(size).random(size // 4, np.float32)):
        found, before = taken(data), data.copy()
        for changed in (before * np.float32(factor), np.roll(before, 1), before):
            data[...] = changed
            assert found.holds() == np.array_equal(data, before)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    data = drawn(MANY + BLOCK + 7)
    found = taken(data)
    monkeypatch.setattr(threads, "_chosen", count)
    assert found.holds()
    data[-1] ^= 1
    assert not found.holds()


def test_a_comparison_among_other_tasks() -> None:
    data = drawn(3 * BLOCK)
    found = taken(data)
    for change in (0, 1):
        data[BLOCK] ^= change
        record = found.record()
        pool.run(*found.job(record))
        assert found.held(record) == (not change)
