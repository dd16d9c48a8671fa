"""Headers of safetensors files: what is declared is checked before it is believed."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride.errors import Reason, UnstrideError
from unstride.models.safetensors import read_header, write


def packed(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], first: int, last: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        "steps": np.array(7, np.int64),
        "half": np.array([1.5, -2], np.float16),
        "none": np.zeros((0, 3), np.float64),
        "odd": np.array([True, False, True]),
    }
    write(tmp_path / "w.safetensors", arrays)
    found = read_header(tmp_path / "w.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == str(array.dtype)
        np.testing.assert_array_equal(found[name].array, array)
        assert found[name].array.dtype == array.dtype
        assert found[name].array.shape == array.shape


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    values = np.array([[1.0, -2.5], [3.0, 0.0078125]], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "w").write_bytes(packed({"x": entry("BF16", [2, 2], 0, 8), "__metadata__": {"a": "b"}}, data))
    (stored,) = read_header(tmp_path / "w").values()
    assert stored.dtype == "float32"
    np.testing.assert_array_equal(stored.array, values)


def test_types_without_a_counterpart_are_known_by_their_shape(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(packed({"x": entry("F8_E4M3", [3], 0, 3)}, b"abc"))
    (stored,) = read_header(tmp_path / "w").values()
    assert (stored.shape, stored.dtype, stored.known) == ((3,), "float8_e4m3", False)
    with pytest.raises(UnstrideError, match="save it as F32"):
        _ = stored.array


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no length": b"\1\2\3",
    "a header longer than the file": struct.pack("<Q", 2**62) + b"{}",
    "no JSON": packed(b"{]"),
    "a list": packed([]),
    "an entry that is a number": packed({"x": 3}),
    "no offsets": packed({"x": {"dtype": "F32", "shape": [1]}}, b"1234"),
    "a negative offset": packed({"x": entry("F32", [1], -4, 0)}, b"1234"),
    "an offset behind the end": packed({"x": entry("F32", [2], 0, 8)}, b"1234"),
    "a shape larger than its bytes": packed({"x": entry("F32", [2**40, 2**40], 0, 4)}, b"1234"),
    "a negative length": packed({"x": entry("F32", [-1], 0, -4)}, b"1234"),
    "true for a number": packed({"x": entry("F32", [True], 0, 4)}, b"1234"),
    "two arrays on the same bytes": packed({"x": entry("U8", [4], 0, 4), "y": entry("U8", [4], 0, 4)}, b"1234"),
    "overlapping arrays": packed({"x": entry("U8", [3], 0, 3), "y": entry("U8", [2], 2, 4)}, b"1234"),
    "a gap": packed({"x": entry("U8", [1], 0, 1), "y": entry("U8", [2], 2, 4)}, b"1234"),
    "bytes left over": packed({"x": entry("U8", [1], 0, 1)}, b"1234"),
    "an unknown type": packed({"x": entry("F32X", [1], 0, 4)}, b"1234"),
    "too many axes": packed({"x": entry("U8", [1] * 99, 0, 1)}, b"1"),
    "deep nesting": packed(b"[" * 10_000 + b"]" * 10_000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(BROKEN[name])
    with pytest.raises(UnstrideError) as caught:
        read_header(tmp_path / "w.safetensors")
    assert caught.value.reason in (Reason.FILE, Reason.TOO_LARGE)


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(packed({"x": entry("F32", [2], 0, 8)}, bytes(8)))
    stored = read_header(path)["x"]
    path.write_bytes(b"")
    with pytest.raises(UnstrideError, match="any more"):
        _ = stored.array


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 200), byte=st.integers(0, 255), cut=st.integers(0, 200))
def test_any_byte_may_be_wrong(at: int, byte: int, cut: int, tmp_path: Path) -> None:
    header = {"x": entry("F32", [2], 0, 8), "y": entry("I64", [1, 1], 8, 16), "z": entry("U8", [2], 16, 18)}
    data = bytearray(packed(header, bytes(18)))
    data[at % len(data)] = byte
    path = tmp_path / "w.safetensors"
    path.write_bytes(bytes(data[: len(data) - cut]) if cut < 20 else bytes(data))
    try:
        for stored in read_header(path).values():
            assert stored.array.shape == stored.shape
    except UnstrideError:
        pass
