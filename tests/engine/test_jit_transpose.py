"""Channels brought together by compiled code: every number of them, not a byte beyond."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np
import pytest

from unstride.engine.jit import binary, ir, transpose
from unstride.engine.jit.emit import FLOATS, Code
from unstride.engine.jit.target import Target, host

GUARD = 64


def emit(target: Target, dtype: str) -> ir.Module:
    module = ir.Module("packing")
    kind = ir.VectorType(FLOATS[dtype], target.lanes(np.dtype(dtype).itemsize))
    pack = transpose.emit_pack(module, kind)
    c = Code(module, "enter", 5)
    c.call(pack, *c.arguments)
    c.done()
    return module


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_channels_of_any_number_of_positions(dtype: str) -> None:
    code = binary.load(f"test of packing {dtype}", partial(emit, dtype=dtype), host())
    pack = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)(code.address("enter"))
    for channels in (1, 3, 5, 7, 8, 9, 12, 15, 16, 17, 33):
        for positions in (1, 7, 8, 15, 16, 17, 24, 31, 32, 33, 50, 100):
            source = np.arange(channels * (positions + 3), dtype=dtype).reshape(channels, -1)
            target = np.full(channels * positions + GUARD, -1, dtype)
            pack(source.ctypes.data, target.ctypes.data, positions, channels, source.strides[0])
            packed = target[:-GUARD].reshape(positions, channels)
            np.testing.assert_array_equal(packed, source[:, :positions].T)
            assert (target[-GUARD:] == -1).all()
