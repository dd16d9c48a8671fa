"""Fingerprints of memory: equal for equal bytes, others for whatever was written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride.engine import threads
from unstride.engine.jit.fingerprint import BLOCK, FEW, MANY, STRIPE, fingerprint
from unstride.engine.jit.memory import Array

SIZES = (0, 1, FEW, FEW + 1, FEW + STRIPE - 1, BLOCK, 3 * BLOCK + STRIPE + 5, MANY + 7)


def taken(data: Array) -> bytes:
    return fingerprint(data.ctypes.data, data.nbytes)


def drawn(size: int) -> Array:
    return np.random.default_rng(size).integers(0, 256, size, np.uint8)


@given(size=st.sampled_from(SIZES[1:]), at=st.integers(0, MANY), other=st.integers(1, 255))
def test_a_change_of_any_byte_is_seen(size: int, at: int, other: int) -> None:
    data = drawn(size)
    before = taken(data)
    assert taken(data.copy()) == before
    data[at % size] ^= other
    assert taken(data) != before
    data[at % size] ^= other
    assert taken(data) == before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0])
def test_a_change_of_everything_is_seen(size: int, factor: float) -> None:
    """Also of as many equal words as make sums of changes vanish in 32 bits."""
    for data in (np.ones(size // 4, np.float32), np.random.default_rng(size).random(size // 4, np.float32)):
        changed = data * np.float32(factor)
        assert (taken(changed) == taken(data)) == (data.size == 0)
        swapped = np.roll(data, 1)
        assert (taken(swapped) == taken(data)) == np.array_equal(swapped, data)


def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    data = drawn(MANY + BLOCK + 7)
    found = set()
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "_chosen", count)
        found.add(taken(data))
    assert len(found) == 1
