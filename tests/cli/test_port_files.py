"""``unstride port -o``: the source and the weights in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unstride.files import load

from .conftest import Unstride

CODE = "keras.layers.Conv2DTranspose(4, 3, strides=2, padding='same')"
ASK = ("port", CODE, "--to", "torch", "--input", "1,8,8,2")
KERNEL = np.arange(72, dtype=np.float32).reshape(3, 3, 4, 2)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    np.save(tmp_path / "k.npy", KERNEL)
    np.save(tmp_path / "b.npy", np.arange(4, dtype=np.float32))
    return f"{tmp_path / 'k.npy'},{tmp_path / 'b.npy'}"


def test_the_source_is_written_and_defines_build(unstride: Unstride, tmp_path: Path) -> None:
    path = tmp_path / "layer.py"
    ended = unstride(*ASK, "-o", str(path))
    assert ended.status == 0
    assert str(path) in ended.out
    text = path.read_text()
    compile(text, str(path), "exec")
    assert "def build(kernel, bias):" in text
    assert unstride(*ASK, "-o", "-").out == text
    assert unstride(*ASK, "--json").document["source"] == text


@pytest.mark.parametrize("kind", [".npz", ".safetensors", ".npy"])
def test_the_weights_are_written_as_the_target_takes_them(
    unstride: Unstride,
    tmp_path: Path,
    weights: str,
    kind: str,
) -> None:
    if kind == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"weights{kind}"
    assert unstride(*ASK, "-o", str(path), "--weights", weights).status == 0
    key = "" if kind == ".npy" else ":kernel"
    np.testing.assert_array_equal(load(f"{path}{key}"), KERNEL.transpose(3, 2, 0, 1))
    if key:
        np.testing.assert_array_equal(load(f"{path}:bias"), np.arange(4))


@pytest.mark.parametrize(
    ("more", "code"),
    [(("-o", "model.txt"), "file"), (("-o", "w.npz"), "argument"), (("--to", "caffe", "-o", "x.py"), "unsupported")],
)
def test_what_cannot_be_written_leaves_no_file(
    unstride: Unstride,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    code: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = unstride(*ASK, *more, "--json")
    assert ended.status == 1
    assert ended.document["error"]["code"] == code
    assert not list(tmp_path.iterdir())


def test_weights_of_another_shape_are_refused(
    unstride: Unstride,
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "k.npy", KERNEL.transpose(3, 2, 0, 1))
    ended = unstride(*ASK, "-o", str(tmp_path / "w.npz"), "--weights", str(tmp_path / "k.npy"), "--json")
    assert ended.document["error"]["code"] == "kernel"
    assert not (tmp_path / "w.npz").exists()
