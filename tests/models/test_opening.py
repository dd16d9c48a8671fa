"""Which reader takes what, and what is never opened, with the way out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from unstride.errors import Reason, UnstrideError
from unstride.models.opening import call_model, open_model

from . import keras_files as files


def test_a_keras_file_is_read_by_its_suffix(tmp_path: Path) -> None:
    path = files.small(tmp_path)
    for source in (path, str(path)):
        assert [node.name for node in open_model(source).nodes] == ["a", "a/relu", "b", "sum"]
    assert open_model(path).nodes[0].operation.weights["kernel"].known
    assert not open_model(path, known=False).nodes[0].operation.weights["kernel"].known
    graph = open_model(path)
    assert open_model(graph) is graph


def test_weights_find_their_configuration_beside_them(tmp_path: Path) -> None:
    stored = tmp_path / "net.weights.h5"
    stored.write_bytes(
        files.weights({"layers/conv2d/vars/0": files.integers(3, 3, 3, 2), "layers/conv2d/vars/1": files.integers(2)})
    )
    with pytest.raises(UnstrideError, match="holds arrays without a model"):
        open_model(stored)
    config = tmp_path / "net.json"
    config.write_text(json.dumps(files.functional([files.given(), files.conv("c", "x")])))
    assert open_model(stored).nodes[0].operation.weights["kernel"].known
    assert open_model(config, weights=stored).nodes[0].operation.weights["kernel"].known
    assert not open_model(config).nodes[0].operation.weights["kernel"].known
    assert not open_model(config, weights=stored, known=False).nodes[0].operation.weights["kernel"].known
    with pytest.raises(UnstrideError, match="is for a Keras configuration"):
        open_model(files.small(tmp_path), weights=stored)


@pytest.mark.parametrize(
    ("name", "why", "way"),
    [
        ("m.pt", "pickled objects, which run code", "torch.export.save"),
        ("m.PTH", "pickled objects, which run code", "torch.export.save"),
        ("m.pkl", "pickled objects, which run code", "torch.export.save"),
        ("m.h5", "former format, whose layers may hold code", ".save('model.keras')"),
        ("saved_model.pb", "is a TensorFlow graph", ".save('model.keras')"),
        ("m.txt", "is of no kind that is read", ".keras, .onnx, .pt2"),
        ("m", "is of no kind that is read", ".keras, .onnx, .pt2"),
    ],
)
def test_other_files_are_not_opened(tmp_path: Path, name: str, why: str, way: str) -> None:
    path = tmp_path / name  # which need not even exist
    with pytest.raises(UnstrideError) as caught:
        open_model(path)
    assert caught.value.reason is Reason.FILE
    assert why in caught.value.rule
    assert way in str(caught.value.hint)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "saved.keras"
    folder.mkdir()
    with pytest.raises(UnstrideError, match="is a folder"):
        open_model(folder)


def test_an_object_of_no_kind_is_refused() -> None:
    with pytest.raises(UnstrideError, match="is no model that is known") as caught:
        open_model(3)
    assert caught.value.reason is Reason.ARGUMENT


def test_a_callable_is_called_and_a_value_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_models.py").write_text("class inner:\n    value = 5\n\ndef build():\n    return 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert call_model("users_models:build") == 7
    assert call_model("users_models:inner.value") == 5
    for target in (
        "users_models",
        "users_models:",
        "users models:x",
        "users_models:nothing",
        "no_such_module:x",
        "os:1",
    ):
        with pytest.raises(UnstrideError):
            call_model(target)
    sys.modules.pop("users_models")


@pytest.mark.parametrize(
    ("text", "said", "where"),
    [
        ("def build():\n    raise ValueError('of no use')\n", "ValueError: of no use", "line 2, in build: raise"),
        ("import json\ndef build():\n    json.loads('{')\n", "JSONDecodeError: Expecting", "line 3, in build: json"),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such", "line 1, in <module>: import"),
        ("1 / 0\n", "ZeroDivisionError: division by zero", "line 1, in <module>: 1 / 0"),
        ("def build(:\n", "SyntaxError: ", "line 1: def build(:"),
        ("def build():\n    raise SystemExit(3)\n", "SystemExit: 3", "line 2, in build"),
        ("def build(size):\n    return size\n", "TypeError: build() missing 1 required", ""),
    ],
)
def test_errors_of_the_users_code_are_told_as_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str, where: str
) -> None:
    (tmp_path / "users_broken.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("users_broken", None)
    with pytest.raises(UnstrideError) as caught:
        call_model("users_broken:build")
    assert caught.value.value == "users_broken:build"
    assert said in caught.value.rule
    assert where in (caught.value.where or "")
    assert not where or "users_broken.py" in (caught.value.where or "")
    sys.modules.pop("users_broken", None)


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x08\x07\x3a\x7f", b"not a model"])
def test_a_broken_onnx_file_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(data)
    with pytest.raises(UnstrideError) as caught:
        open_model(path)
    assert (caught.value.argument, caught.value.value) == ("file", str(path))
