"""What may go wrong with stores: each fault names the chunk or file, leaves nothing torn, and can be resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

import unstride
from unstride import Reason, UnstrideError, parse
from unstride.scale.arrays import Chunked, Npy
from unstride.scale.zarr import run

Array = NDArray[Any]
UP = parse("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False)")
KERNEL = np.array([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]], np.float32)
TILES: dict[str, Any] = {"kernel": KERNEL, "chunks": (16, 16), "tile": (1, 16, 16), "workers": 1}


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).standard_normal((40, 40)).astype(np.float32)


def whole(x: Array) -> Array:
    made: Array = unstride.run(UP, x[None, None], KERNEL)[0, 0]
    return made


def stored(path: Path, x: Array) -> Any:
    array = zarr.create_array(path, shape=x.shape, chunks=(8, 8), dtype=x.dtype)
    array[:] = x
    return array


def test_a_corrupt_chunk_is_named_and_the_rest_is_kept(tmp_path: Path, x: Array) -> None:
    stored(tmp_path / "x.zarr", x)
    chunk = tmp_path / "x.zarr" / "c" / "3" / "2"
    right = chunk.read_bytes()
    chunk.write_bytes(right[: len(right) // 2])
    with pytest.raises(UnstrideError, match="chunk c/3/2 cannot be read") as caught:
        run(UP, tmp_path / "x.zarr", tmp_path / "y.zarr", **TILES)
    assert caught.value.reason is Reason.FILE
    finished = len(list((tmp_path / "y.zarr.job" / "done").iterdir()))
    assert finished
    chunk.write_bytes(right)
    made = run(UP, tmp_path / "x.zarr", tmp_path / "y.zarr", **TILES)
    assert made.computed == made.tiles - finished
    os.utime(tmp_path / "x.zarr" / "c" / "0" / "0", ns=(0, 0))
    with pytest.raises(UnstrideError, match="what a finished tile is of was written to"):
        run(UP, tmp_path / "x.zarr", tmp_path / "y.zarr", **TILES)
    np.testing.assert_array_equal(
        run(UP, tmp_path / "x.zarr", tmp_path / "y.zarr", resume=False, **TILES).array[:], whole(x)
    )


def test_files_that_are_no_arrays_are_named(tmp_path: Path, x: Array) -> None:
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "short.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:900])
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "x.tif").write_bytes(b"II no tiff")
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "y.zarr").mkdir()
    (tmp_path / "y.zarr" / "zarr.json").write_text("{")
    for name in ("short.npy", "objects.npy", "x.tif", "x.zarr", "y.zarr", "absent.zarr", "absent.npy"):
        with pytest.raises(UnstrideError, match="cannot be read") as caught:
            run(UP, tmp_path / name, tmp_path / "z.zarr", **TILES)
        assert caught.value.reason is Reason.FILE
        assert name in str(caught.value.value)
        assert not (tmp_path / "z.zarr").exists()


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, x: Array) -> None:
    (tmp_path / "file").write_text("no folder")
    for target in (tmp_path / "file", tmp_path / "file" / "y.zarr", LocalStore(tmp_path / "new", read_only=True)):
        with pytest.raises(UnstrideError, match="cannot be written") as caught:
            run(UP, x, target, **TILES)
        assert caught.value.reason is Reason.FILE
    stored(tmp_path / "x.zarr", x)
    with pytest.raises(UnstrideError, match="is the input as well"):
        run(
            parse("torch.nn.Conv2d(1, 1, 1, bias=False)"),
            tmp_path / "x.zarr",
            tmp_path / "x.zarr",
            kernel=KERNEL[..., :1, :1],
        )
    assert (tmp_path / "file").read_text() == "no folder"


FULL = """
import resource, signal, sys
import numpy as np
import unstride
from unstride.scale.zarr import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
layer = unstride.parse("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False)")
kernel = np.arange(1, 10, dtype="f").reshape(1, 1, 3, 3)
try:
    run(layer, sys.argv[1], sys.argv[2], kernel=kernel, tile=(1, 32, 32), workers=1)
except unstride.UnstrideError as error:
    print(error)
"""


def test_a_full_disk_leaves_whole_chunks_and_is_resumed(tmp_path: Path, x: Array) -> None:
    """Files of 3,000 bytes at most: chunks of zeros compress to less, those of noise do not."""
    x[:16] = 0
    np.save(tmp_path / "x.npy", x)
    zarr.create_array(tmp_path / "y.zarr", shape=(81, 81), chunks=(32, 32), dtype="float32")
    command = [sys.executable, "-c", FULL, str(tmp_path / "x.npy"), str(tmp_path / "y.zarr")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own text
    assert "cannot be written: File too large" in told
    assert "chunk c/1/" in told
    assert not list(tmp_path.rglob("*.partial"))
    finished = {each.name for each in (tmp_path / "y.zarr.job" / "done").iterdir()}
    assert finished
    made = run(UP, tmp_path / "x.npy", tmp_path / "y.zarr", kernel=KERNEL)
    assert made.computed == made.tiles - len(finished)
    np.testing.assert_array_equal(made.array[:], whole(x))


def test_an_input_that_is_written_to_meanwhile_is_refused(tmp_path: Path, x: Array) -> None:
    array = stored(tmp_path / "x.zarr", x)
    held = Chunked("x", array, tmp_path / "x.zarr")
    held.trace((slice(0, 20), slice(0, 20)))
    os.utime(tmp_path / "x.zarr" / "c" / "1" / "1", ns=(2**62, 2**62))
    with pytest.raises(UnstrideError, match="chunk c/1/1 was written to"):
        held.trace((slice(0, 20), slice(0, 20)))
    np.save(tmp_path / "x.npy", x)
    file = Npy(tmp_path / "x.npy")
    os.utime(tmp_path / "x.npy", ns=(2**62, 2**62))
    with pytest.raises(UnstrideError, match="the file was written to"):
        file.trace((slice(0, 20), slice(0, 20)))
    # a chunk that disappears is seen at the end
    with pytest.raises(UnstrideError, match="the array was written to"):
        run(
            UP,
            tmp_path / "x.zarr",
            tmp_path / "y.zarr",
            progress=lambda *_: (tmp_path / "x.zarr" / "c" / "4" / "4").unlink(missing_ok=True),
            **TILES,
        )


def test_a_tiff_that_changes_is_refused(tmp_path: Path, x: Array) -> None:
    tifffile.imwrite(tmp_path / "x.tif", x, tile=(16, 16), photometric="minisblack")
    with pytest.raises(UnstrideError, match="written to"):
        run(
            UP,
            tmp_path / "x.tif",
            tmp_path / "y.zarr",
            progress=lambda *_: os.utime(tmp_path / "x.tif", ns=(2**62, 2**62)),
            **TILES,
        )


def test_a_job_is_resumed_by_the_same_job_only(tmp_path: Path, x: Array) -> None:
    np.save(tmp_path / "x.npy", x)
    first = run(UP, tmp_path / "x.npy", tmp_path / "y.zarr", **TILES)
    assert run(UP, tmp_path / "x.npy", tmp_path / "y.zarr", kernel=KERNEL).computed == 0
    for what, more in (("network", {"kernel": 2 * KERNEL}), ("tile", {"tile": (1, 32, 32)})):
        with pytest.raises(UnstrideError, match=f"another {what}"):
            run(UP, tmp_path / "x.npy", tmp_path / "y.zarr", **{**TILES, **more})
    again = run(UP, tmp_path / "x.npy", tmp_path / "y.zarr", resume=False, **{**TILES, "kernel": 2 * KERNEL})
    assert again.computed == first.tiles
    np.testing.assert_array_equal(again.array[:], 2 * whole(x))


def test_what_is_lost_or_altered_after_it_was_finished_is_computed_again(tmp_path: Path, x: Array) -> None:
    run(UP, x, tmp_path / "y.zarr", **TILES)
    (tmp_path / "y.zarr" / "c" / "0" / "0").unlink()
    other = tmp_path / "y.zarr" / "c" / "1" / "2"
    other.write_bytes((tmp_path / "y.zarr" / "c" / "1" / "1").read_bytes())
    made = run(UP, x, tmp_path / "y.zarr", **TILES)
    assert made.computed == 2
    np.testing.assert_array_equal(made.array[:], whole(x))
    other.write_bytes(other.read_bytes()[:20])
    assert run(UP, x, tmp_path / "y.zarr", **TILES).computed == 1


def test_no_library_no_arrays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, x: Array) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UnstrideError, match=r"unstride\[scale\]"):
        run(UP, tmp_path / "x.zarr", tmp_path / "y.zarr", kernel=KERNEL)
    with pytest.raises(UnstrideError, match=r"unstride\[scale\]"):
        run(UP, x, tmp_path / "y.zarr", kernel=KERNEL)
