"""Weights made to harm: only plain arrays of the shape that the model needs are read, and nothing is followed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from unstride.errors import Reason
from unstride.models import keras

from . import keras_files as files
from .harm import in_small_memory, refused


def with_kernel(folder: Path, write: Callable[[h5py.Group], None], *, filters: int = 2) -> Path:
    """A model of one convolution without a bias, its kernel written by ``write`` into the group of its arrays."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file.create_group("layers/conv2d/vars"))
    config = files.functional([files.given(), files.conv("a", "x", filters=filters, use_bias=False)])
    return files.archive(folder / "w.keras", config, buffer.getvalue())


SHAPE = (3, 3, 3, 2)


def secret(folder: Path) -> Path:
    path = folder / "secret.h5"
    with h5py.File(path, "w") as file:
        file["0"] = files.integers(*SHAPE)
    return path


def external_link(group: h5py.Group, folder: Path) -> None:
    group["0"] = h5py.ExternalLink(str(secret(folder)), "/0")


def soft_link(group: h5py.Group, folder: Path) -> None:
    del folder
    group.file["elsewhere"] = files.integers(*SHAPE)
    group["0"] = h5py.SoftLink("/elsewhere")


def external_storage(group: h5py.Group, folder: Path) -> None:
    raw = folder / "raw"
    raw.write_bytes(bytes(4096))
    group.create_dataset("0", SHAPE, "f4", external=[(str(raw), 0, 4096)])


def virtual(group: h5py.Group, folder: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, "f4")
    layout[...] = h5py.VirtualSource(str(secret(folder)), "0", SHAPE)
    group.create_virtual_dataset("0", layout)


def other_filter(group: h5py.Group, folder: Path) -> None:
    del folder
    group.create_dataset("0", SHAPE, "f4", compression="lzf")


def objects(group: h5py.Group, folder: Path) -> None:
    del folder
    group.create_dataset("0", SHAPE, h5py.string_dtype())


def a_group(group: h5py.Group, folder: Path) -> None:
    del folder
    group.create_group("0")


def other_shape(group: h5py.Group, folder: Path) -> None:
    del folder
    group["0"] = files.integers(3, 3, 2, 3)


def nothing(group: h5py.Group, folder: Path) -> None:
    del group, folder


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (external_link, "is a link to another place"),
        (soft_link, "is a link to another place"),
        (external_storage, "keeps its numbers in another place"),
        (virtual, "keeps its numbers in another place"),
        (other_filter, "compressed with something else"),
        (objects, "instead of numbers"),
        (a_group, "is no array"),
        (other_shape, "has the shape (3, 3, 2, 3), the model needs (3, 3, 3, 2)"),
        (nothing, "is not in the file"),
    ],
)
def test_only_plain_arrays_are_read(tmp_path: Path, write: Callable[[h5py.Group, Path], None], said: str) -> None:
    path = with_kernel(tmp_path, lambda group: write(group, tmp_path))
    assert said in refused(path, Reason.FILE)
    assert keras.read(path, weights=False).nodes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chunks": (3, 3, 3, 1000), "compression": "gzip"}, "bytes are stored"),
        ({"chunks": (3, 3, 3, 100_000), "compression": "gzip", "fillvalue": 1}, "bytes, 0 are stored"),
        ({}, "bytes, 0 are stored"),
    ],
    ids=str,
)
def test_an_array_that_is_declared_and_not_stored_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    filters = 20_000_000

    def write(group: h5py.Group) -> None:
        made = group.create_dataset("0", (3, 3, 3, filters), "f4", **options)
        if options.get("chunks") == (3, 3, 3, 1000):
            made[..., :1000] = 0

    path = with_kernel(tmp_path, write, filters=filters)
    printed = in_small_memory(path)
    assert "[too-large]" in printed
    assert said.partition("bytes")[2] in printed or "numbers" in printed


def test_a_chunk_larger_than_its_array_is_refused(tmp_path: Path) -> None:
    def write(group: h5py.Group) -> None:
        made = group.create_dataset(
            "0", SHAPE, "f4", maxshape=(None,) * 4, chunks=(30, 30, 30, 200), compression="gzip"
        )
        made[...] = 1

    assert "bytes, " in in_small_memory(with_kernel(tmp_path, write))


def test_compressed_and_bfloat16_arrays_are_read(tmp_path: Path) -> None:
    kernel = files.integers(*SHAPE)

    def compressed(group: h5py.Group) -> None:
        group.create_dataset("0", data=kernel, compression="gzip", shuffle=True)

    def narrow(group: h5py.Group) -> None:
        upper = (kernel.view("<u4") >> 16).astype("<u2").view("V2")
        group.create_dataset("0", data=upper).attrs["dtype"] = "bfloat16"

    for write in (compressed, narrow):
        graph = keras.read(with_kernel(tmp_path, write))
        assert np.array_equal(graph.nodes[0].operation.weights["kernel"].array, kernel)
