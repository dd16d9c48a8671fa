"""Chunk files are what Zarr itself reads and writes."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import GzipCodec

from unstride import UnstrideError
from unstride.scale.arrays import boxes, within
from unstride.scale.chunks import Files, Kept
from unstride.scale.opening import open_input, open_output

DTYPES = ("float32", "float64", "float16", "int8", "uint16", "complex64")


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=3),
    st.sampled_from(DTYPES),
    st.booleans(),
    st.data(),
)
def test_both_ways_agree_with_zarr(axes: list[tuple[int, int]], dtype: str, packed: bool, data: st.DataObject) -> None:
    shape, chunks = zip(*axes, strict=True)
    with tempfile.TemporaryDirectory() as folder:
        about: dict[str, Any] = {"shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": 3}
        more: dict[str, Any] = {} if packed else {"compressors": None}
        theirs, ours = (zarr.create_array(f"{folder}/{name}", **about, **more) for name in ("theirs", "ours"))
        whole = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
        if data.draw(st.booleans()):  # chunks that nobody wrote
            whole[: chunks[0]] = 3
        theirs[:] = whole
        reader = Files.of(theirs, Path(folder) / "theirs")
        assert reader is not None
        ends = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in shape]
        place = tuple(slice(*each) for each in ends)
        found = open_input(theirs).read(place)
        np.testing.assert_array_equal(found, whole[place])
        writer = Files.of(ours, Path(folder) / "ours")
        assert writer is not None
        for at, box in boxes(chunks, shape, tuple(slice(0, n) for n in shape)):
            writer.write(at, whole[within(box, tuple(slice(0, n) for n in shape))])
        np.testing.assert_array_equal(zarr.open_array(f"{folder}/ours", mode="r")[:], whole)


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(0, 17))
def test_what_is_kept_is_what_was_read_last(reads: list[int], most: int) -> None:
    kept, last = Kept(most, (2, 2), np.uint8), list[int]()
    for number in reads:
        out = np.zeros((1, 2), np.uint8)
        assert kept.read((number,), (slice(1, 2), slice(0, 2)), out) == (number in last)
        assert out.tolist() == [[number, number] if number in last else [0, 0]]
        kept.add((number,), np.full((2, 2), number, np.uint8))
        last = [*(each for each in last if each != number), number][-(most // 4) :] if most >= 4 else []


def test_chunks_are_kept_for_many_threads() -> None:
    kept = Kept(4 * 2**13, (2**13,), np.uint8)

    def task(seed: int) -> None:
        out, random = np.empty(2**13, np.uint8), np.random.default_rng(seed)
        for number in map(int, random.integers(0, 7, 400)):
            if kept.read((number,), (slice(None),), out):
                assert set(np.unique(out)) == {number}
            else:
                kept.add((number,), np.full(2**13, number, np.uint8))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(task, range(8)))


def test_a_chunk_that_windows_share_is_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(64.0).reshape(8, 8)
    zarr.create_array(tmp_path / "a", data=x, chunks=(4, 4))
    read, names = Path.read_bytes, list[str]()

    def noted(self: Path) -> bytes:
        names.append(self.name)
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", noted)
    array = open_input(tmp_path / "a")
    windows = [(slice(0, 8), slice(start, start + 4)) for start in range(4)]
    for most, reads in ((0, 14), (4 * 128, 4)):
        names.clear()
        array.keep(most)
        for window in windows:
            np.testing.assert_array_equal(array.read(window), x[window])
        assert len(names) == reads


@pytest.mark.parametrize("more", [{"shards": (4, 4)}, {"zarr_format": 2}, {"compressors": GzipCodec()}])
def test_what_is_stored_in_another_way_is_left_to_zarr(tmp_path: Path, more: dict[str, Any]) -> None:
    if "zarr_format" in more:
        more = {**more, "compressors": None}
    array = zarr.create_array(tmp_path / "a", shape=(8, 8), chunks=(2, 2), dtype="float32", **more)
    array[:] = np.arange(64).reshape(8, 8)
    assert Files.of(array, tmp_path / "a") is None
    place = (slice(1, 6), slice(3, 8))
    np.testing.assert_array_equal(open_input(tmp_path / "a").read(place), np.arange(64).reshape(8, 8)[place])


@pytest.mark.parametrize("codec", [None, "auto"])
@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 500])
def test_a_damaged_chunk_is_named(tmp_path: Path, codec: Any, damage: bytes) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(8, 8), chunks=(4, 4), dtype="float32", compressors=codec)
    array[:] = 1
    (tmp_path / "a" / "c" / "1" / "0").write_bytes(damage)
    with pytest.raises(UnstrideError, match="chunk c/1/0 cannot be read"):
        open_input(tmp_path / "a").read((slice(0, 8), slice(0, 8)))


def test_a_chunk_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(4, 4), chunks=(4, 4), dtype="float32", compressors=None)
    array[:] = 1
    output = open_output(tmp_path / "a", (4, 4), "float32", (4, 4))
    before = Path.write_bytes

    def full(self: Path, data: Any) -> int:
        before(self, bytes(data)[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnstrideError, match="chunk c/0/0 cannot be written: No space left on device"):
        output.write((slice(0, 4), slice(0, 4)), np.full((4, 4), 2, np.float32))
    monkeypatch.undo()
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[:], 1)
    assert [path.name for path in (tmp_path / "a").rglob("*") if path.is_file()] in (
        ["zarr.json", "0"],
        ["0", "zarr.json"],
    )
