"""Terminals, pipes and disks as they are: closed, full, of another encoding; the command still ends in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .conftest import Unstride

LINE = "torch.nn.ConvTranspose2d(1, 1, 3, stride=2)"
COMMAND = [sys.executable, "-m", "unstride"]


def shell(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command of a POSIX shell, in which ``unstride`` is this package."""
    prelude = f'unstride() {{ "{sys.executable}" -m unstride "$@"; }}; '
    return subprocess.run(  # noqa: S603 - our own command
        ["/bin/bash", "-c", prelude + words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_package_is_a_command() -> None:
    done = subprocess.run([*COMMAND, "shape", LINE, "--input", "1,1,2,2"], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert done.stdout == "(1, 1, 5, 5)\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    done = shell("unstride dialects --json | head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to write to")
def test_a_full_disk_is_said() -> None:
    done = shell("unstride doctor --json > /dev/full")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_closed_streams_do_no_harm(closed: str) -> None:
    assert shell(f"unstride demo {closed}").returncode == 0


def test_an_encoding_without_our_signs_is_no_error() -> None:
    done = shell("unstride demo", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "10  7  6  3" in done.stdout


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.ones((1, 1, 2, 2)))
    np.save(tmp_path / "w.npy", np.ones((1, 1, 3, 3)))
    return tmp_path


def run_arguments(arrays: Path, x: str = "x.npy") -> list[str]:
    return ["run", LINE, "--x", str(arrays / x), "--kernel", str(arrays / "w.npy")]


@pytest.mark.parametrize(
    ("x", "values"),
    [
        (np.array([[[[1j, 0], [0, 0]]]]), [0.0, 1.0]),
        (np.array([[[[np.nan, 0], [0, 0]]]]), "nan"),
        (np.array([[[[-np.inf, 0], [0, 0]]]]), "-inf"),
        (np.ones((1, 1, 2, 2), np.longdouble), 1.0),
    ],
)
def test_every_number_has_a_json_form(unstride: Unstride, arrays: Path, x: np.ndarray, values: object) -> None:
    np.save(arrays / "odd.npy", x)
    ended = unstride(*run_arguments(arrays, "odd.npy"), "--json")
    assert ended.status == 0
    assert json.loads(ended.out)["values"][0][0][0][0] == values


def test_what_a_kind_of_file_cannot_hold_is_said(unstride: Unstride, arrays: Path) -> None:
    np.save(arrays / "x.npy", np.ones((1, 1, 2, 2), complex))
    ended = unstride(*run_arguments(arrays), "--output", str(arrays / "y.safetensors"))
    assert ended.status == 1
    assert "[dtype]" in ended.err
    assert not (arrays / "y.safetensors").exists()


def test_a_link_is_followed_and_permissions_are_kept(unstride: Unstride, arrays: Path) -> None:
    (arrays / "real.npy").write_bytes(b"")
    (arrays / "real.npy").chmod(0o640)
    (arrays / "y.npy").symlink_to(arrays / "real.npy")
    assert unstride(*run_arguments(arrays), "--output", str(arrays / "y.npy")).status == 0
    assert (arrays / "y.npy").is_symlink()
    assert (arrays / "real.npy").stat().st_mode & 0o777 == 0o640
    assert np.load(arrays / "real.npy").shape == (1, 1, 5, 5)


def test_a_pipe_is_no_array_file(unstride: Unstride, arrays: Path) -> None:
    os.mkfifo(arrays / "fifo.npy")
    ended = unstride(*run_arguments(arrays, "fifo.npy"))
    assert ended.status == 1
    assert "no regular file" in ended.err


def test_an_empty_output_name_is_rejected(unstride: Unstride, arrays: Path) -> None:
    assert unstride(*run_arguments(arrays), "--output", "").status == 1
