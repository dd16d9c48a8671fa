"""Bad input: a message with the rule and a stable code, never a traceback, never a wrong answer, nothing written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from .conftest import Unstride

TORCH = "torch.nn.ConvTranspose2d(1, 1, 3, stride=2)"


def rejected(unstride: Unstride, code: str, *arguments: str) -> None:
    ended = unstride(*arguments)
    assert ended.status == 1, ended
    assert ended.out == ""
    assert f"[{code}]" in ended.err
    assert "Traceback" not in ended.err
    told = unstride(*arguments, "--json")
    assert told.status == 1
    assert told.document["error"]["code"] == code
    assert told.document["error"]["rule"]


@pytest.mark.parametrize(
    ("code", "line", "shape"),
    [
        ("rank", TORCH, "1,1,2,2,2"),
        ("rank", TORCH, "2"),
        ("size", TORCH, "1,1,0,2"),
        ("size", TORCH, "1,1,-2,2"),
        ("size", TORCH, "nan,1,2,2"),
        ("size", TORCH, "1,1,2.5,2"),
        ("size", TORCH, ""),
        ("size", TORCH, "1," * 5_000),
        ("channels", TORCH, "1,2,2,2"),
        ("too-large", TORCH, f"1,1,{2**40},{2**40}"),
        ("too-large", TORCH, f"{10**30},1,2,2"),
        ("stride", "torch.nn.ConvTranspose2d(1, 1, 3, stride=0)", "1,1,2,2"),
        ("stride", "torch.nn.ConvTranspose2d(1, 1, 3, stride=-1)", "1,1,2,2"),
        ("stride", "torch.nn.ConvTranspose2d(1, 1, 3, stride=1.5)", "1,1,2,2"),
        ("kernel", "torch.nn.ConvTranspose2d(1, 1, 0)", "1,1,2,2"),
        ("kernel", "torch.nn.ConvTranspose2d(1, 1, (3, 3, 3))", "1,1,2,2"),
        ("dilation", "torch.nn.ConvTranspose2d(1, 1, 3, dilation=0)", "1,1,2,2"),
        ("output-padding", "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=2)", "1,1,2,2"),
        ("output-padding", "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=-1)", "1,1,2,2"),
        ("groups", "torch.nn.ConvTranspose2d(4, 4, 3, groups=3)", "1,4,2,2"),
        ("groups", "torch.nn.ConvTranspose2d(4, 4, 3, groups=0)", "1,4,2,2"),
        ("padding", "torch.nn.ConvTranspose2d(1, 1, 3, padding=-1)", "1,1,2,2"),
        ("size", "torch.nn.ConvTranspose2d(1, 1, 3, padding=9)", "1,1,2,2"),
        ("output-shape", "torch.nn.ConvTranspose2d(1, 1, 3, stride=2)(x, output_size=[9, 9])", "1,1,2,2"),
        ("output-padding", "keras.layers.Conv2DTranspose(1, 3, strides=2, output_padding=2)", "1,2,2,1"),
        ("argument", "torch.nn.ConvTranspose2d(1, 1, 3, strid=2)", "1,1,2,2"),
        ("argument", "torch.nn.ConvTranspose2d(1, 1)", "1,1,2,2"),
        ("argument", "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, **options)", "1,1,2,2"),
        ("expression", "torch.nn.ConvTranspose2d(channels, 1, 3)", "1,1,2,2"),
        ("expression", "torch.nn.ConvTranspose2d(1, 1, int('3'))", "1,1,2,2"),
        ("syntax", "torch.nn.ConvTranspose2d(1, 1, 3", "1,1,2,2"),
        ("syntax", "", "1,1,2,2"),
        ("syntax", "x" * 1_000_000, "1,1,2,2"),
        ("syntax", "f(" * 2_000 + ")" * 2_000, "1,1,2,2"),
        ("syntax", "a = 1", "1,1,2,2"),
        ("unknown-call", "numpy.zeros(3)", "1,1,2,2"),
        ("unknown-call", "__import__('os')", "1,1,2,2"),
    ],
)
def test_bad_shapes_and_lines(unstride: Unstride, code: str, line: str, shape: str) -> None:
    rejected(unstride, code, "shape", line, "--input", shape)


def test_the_caret_stands_under_the_argument(unstride: Unstride) -> None:
    ended = unstride("shape", "torch.nn.ConvTranspose2d(1, 1, 3, stride=0)", "--input", "1,1,2,2")
    line, caret = ended.err.splitlines()[-2:]
    assert line[caret.index("^")] == "0"


def test_a_kernel_of_the_wrong_shape(unstride: Unstride) -> None:
    rejected(unstride, "kernel", "shape", TORCH, "--input", "1,1,2,2", "--kernel", "1,1,3,4")


def test_a_function_without_its_kernel(unstride: Unstride) -> None:
    rejected(unstride, "kernel", "shape", "F.conv_transpose2d(x, w)", "--input", "1,1,2,2")


def test_an_unknown_dialect(unstride: Unstride) -> None:
    rejected(unstride, "argument", "port", TORCH, "--to", "fortran", "--input", "1,1,2,2")


def test_usage_errors_exit_with_two(unstride: Unstride) -> None:
    assert unstride("shape").status == 2
    assert unstride("nothing").status == 2


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.ones((1, 1, 2, 2)))
    np.save(tmp_path / "w.npy", np.ones((1, 1, 3, 3)))
    return tmp_path


def run_rejected(unstride: Unstride, code: str, arrays: Path, x: str = "x.npy", output: str = "y.npy") -> None:
    before = {path.name: path.read_bytes() for path in arrays.iterdir()}
    files = ["--x", str(arrays / x), "--kernel", str(arrays / "w.npy"), "--output", str(arrays / output)]
    rejected(unstride, code, "run", TORCH, *files)
    assert {path.name: path.read_bytes() for path in arrays.iterdir()} == before


def test_a_missing_file(unstride: Unstride, arrays: Path) -> None:
    run_rejected(unstride, "file", arrays, x="none.npy")


def test_a_file_of_another_kind(unstride: Unstride, arrays: Path) -> None:
    (arrays / "x.txt").write_text("1 2 3")
    run_rejected(unstride, "file", arrays, x="x.txt")


def test_a_truncated_file(unstride: Unstride, arrays: Path) -> None:
    whole = (arrays / "x.npy").read_bytes()
    (arrays / "cut.npy").write_bytes(whole[:-8])
    run_rejected(unstride, "file", arrays, x="cut.npy")


@pytest.mark.parametrize("name", ["bad.npy", "bad.npz", "bad.safetensors"])
def test_a_file_of_rubbish(unstride: Unstride, arrays: Path, name: str) -> None:
    (arrays / name).write_bytes(bytes(range(256)) * 3)
    run_rejected(unstride, "file", arrays, x=name)


def test_a_pickled_array(unstride: Unstride, arrays: Path) -> None:
    np.save(arrays / "pickled.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    run_rejected(unstride, "file", arrays, x="pickled.npy")


def test_a_header_that_promises_more_than_memory(unstride: Unstride, arrays: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1000000, 1000000000), }".ljust(117) + b"\n"
    (arrays / "vast.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    run_rejected(unstride, "too-large", arrays, x="vast.npy")


def test_an_archive_with_several_arrays_needs_a_name(unstride: Unstride, arrays: Path) -> None:
    np.savez(arrays / "two.npz", a=np.ones(1), b=np.ones(1))
    run_rejected(unstride, "file", arrays, x="two.npz")


def test_an_archive_without_arrays(unstride: Unstride, arrays: Path) -> None:
    with zipfile.ZipFile(arrays / "empty.npz", "w"):
        pass
    run_rejected(unstride, "file", arrays, x="empty.npz")


def test_an_array_of_words(unstride: Unstride, arrays: Path) -> None:
    np.save(arrays / "words.npy", np.array([[[["a", "b"], ["c", "d"]]]]))
    run_rejected(unstride, "dtype", arrays, x="words.npy")


def test_a_folder_that_is_not_there(unstride: Unstride, arrays: Path) -> None:
    run_rejected(unstride, "file", arrays, output="none/y.npy")


def test_an_output_of_another_kind_is_seen_before_anything_is_computed(unstride: Unstride, arrays: Path) -> None:
    run_rejected(unstride, "file", arrays, output="y.txt")


def test_a_result_larger_than_memory(unstride: Unstride, arrays: Path) -> None:
    np.save(arrays / "x.npy", np.ones((1, 1, 2, 2)))
    line = "torch.nn.ConvTranspose2d(1, 1, 3, stride=1000000)"
    files = ["--x", str(arrays / "x.npy"), "--kernel", str(arrays / "w.npy")]
    rejected(unstride, "too-large", "run", line, *files)
