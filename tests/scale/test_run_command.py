"""``unstride run`` from file to file: what it prints, how it ends, what it shows meanwhile."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import unstride
from unstride.cli import main
from unstride.scale.command import Bar

LINE = "torch.nn.ConvTranspose2d(1, 2, 3, stride=2)"
KERNEL = np.random.default_rng(0).standard_normal((1, 2, 3, 3)).astype(np.float32)
BIAS = np.array([0.5, -1], np.float32)
X = np.random.default_rng(1).standard_normal((3, 1, 40, 30)).astype(np.float32)


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*arguments: Any) -> Ended:
        with pytest.raises(SystemExit) as stopped:
            main(["run", *map(str, arguments)])
        captured = capsys.readouterr()
        status = stopped.value.code
        return Ended(status if isinstance(status, int) else int(status is not None), captured.out, captured.err)

    return run


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    array: Any = zarr.create_array(tmp_path / "x.zarr", shape=X.shape, chunks=(1, 1, 16, 16), dtype=X.dtype)
    array[:] = X
    np.save(tmp_path / "k.npy", KERNEL)
    np.save(tmp_path / "b.npy", BIAS)
    named = {"--input": "x.zarr", "--output": "y.zarr", "--kernel": "k.npy", "--bias": "b.npy"}
    return [each for option, name in named.items() for each in (option, str(tmp_path / name))]


def test_a_layer_goes_from_store_to_store(command: Callable[..., Ended], tmp_path: Path, files: list[str]) -> None:
    ended = command(LINE, *files, "--chunks", "1,2,32,32", "--memory", "64MB", "--workers", "1", "--json")
    assert (ended.status, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["shape"] == [3, 2, 81, 61]
    assert told["computed"] == told["tiles"]
    made: Any = zarr.open_array(tmp_path / "y.zarr")
    assert made.chunks == (1, 2, 32, 32)
    np.testing.assert_array_equal(made[:], unstride.run(unstride.parse(LINE), X, KERNEL, BIAS))
    again = command(LINE, *files)
    assert again.status == 0
    assert f"{told['tiles']} tiles" in again.out
    assert f"{told['tiles']} of them before or elsewhere" in again.out
    assert "before or elsewhere" not in command(LINE, *files, "--no-resume").out


def test_a_model_goes_from_store_to_store(command: Callable[..., Ended], tmp_path: Path, files: list[str]) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2])
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1, None, None])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2, None, None])
    weights = [numpy_helper.from_array(KERNEL, "w"), numpy_helper.from_array(BIAS, "b")]
    model = helper.make_model(helper.make_graph([node], "up", [given], [made], weights))
    onnx.save(model, tmp_path / "up.onnx")
    expected = unstride.run(unstride.parse(LINE), X, KERNEL, BIAS)
    ended = command(tmp_path / "up.onnx", *files[:4])
    assert (ended.status, ended.err) == (0, "")
    stored: Any = zarr.open_array(tmp_path / "y.zarr")
    np.testing.assert_array_equal(stored[:], expected)
    np.save(tmp_path / "x.npy", X)
    assert command(tmp_path / "up.onnx", "--x", tmp_path / "x.npy", "--output", tmp_path / "y.npy").status == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    rejected = command(tmp_path / "up.onnx", *files)
    assert rejected.status == 1
    assert "a model brings its own weights" in rejected.err


def test_a_plan_is_printed_and_nothing_is_written(
    command: Callable[..., Ended], tmp_path: Path, files: list[str]
) -> None:
    ended = command(LINE, *files, "--plan", "--tile", "1,32,32", "--chunks", "1,2,32,32")
    assert ended.status == 0
    assert "18 tiles of (1, 32, 32), grid (3, 3, 2)" in ended.out
    assert "stored as (3, 2, 81, 61) in chunks of (1, 2, 32, 32)" in ended.out
    told = json.loads(command(LINE, *files, "--plan", "--json").out)
    assert told["output"]["shape"] == [3, 2, 81, 61]
    assert told["bytes"] <= 2**29
    assert not (tmp_path / "y.zarr").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing option '--x' or '--input'"),
        (("--x", "x.npy", "--input", "x.zarr"), "exclude each other"),
        (("--x", "x.npy", "--kernel", "k.npy", "--memory", "1MB", "--plan"), "--memory, --plan: for --input only"),
        (("--x", "x.npy"), "Missing option '--kernel'"),
        (("--input", "x.zarr", "--kernel", "k.npy"), "Missing option '--output'"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    command: Callable[..., Ended], arguments: tuple[str, ...], said: str
) -> None:
    ended = command(LINE, *arguments)
    assert ended.status == 2
    assert said in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--memory", "many"), "size", "must be a number of bytes"),
        (("--memory", "1KB"), "too-large", "allow more memory"),
        (("--tile", "1,12,12", "--chunks", "1,2,8,8"), "size", "whole chunks of the output"),
        (("--input", "absent.zarr"), "file", "no such file or folder"),
    ],
)
def test_what_cannot_be_done_is_rejected(
    command: Callable[..., Ended], files: list[str], arguments: tuple[str, ...], code: str, said: str
) -> None:
    ended = command(LINE, *files, *arguments, "--json")
    assert ended.status == 1
    error = json.loads(ended.out)["error"]
    assert error["code"] == code
    assert said in f"{error['rule']} {error['hint']}"


@pytest.mark.parametrize(("text", "count"), [("1000", 1000), ("512MB", 512_000_000), ("1.5 GiB", 3 * 2**29)])
def test_bytes_are_read(command: Callable[..., Ended], files: list[str], text: str, count: int) -> None:
    import click

    from unstride.scale.command import byte_count

    del command, files
    option = click.Option(["--memory"])
    assert byte_count(click.Context(click.Command("run")), option, text) == count


def test_a_bar_is_drawn_after_a_while_only() -> None:
    from rich.console import Console

    for patience, shown in ((60.0, False), (0.0, True)):
        drawn = io.StringIO()
        bar = Bar(patience, Console(file=drawn, force_terminal=True, width=80))
        for done in range(1, 5):
            bar.report(done, 8)
        bar.close()
        assert ("4/8" in drawn.getvalue()) is shown
