"""Archives and configurations made to harm: each is refused in bounded memory and time; nothing in them is run."""

from __future__ import annotations

import base64
import json
import marshal
import struct
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unstride.errors import Reason
from unstride.models import keras, keras_graph
from unstride.models.limits import MEBIBYTE
from unstride.network import Opaque

from . import keras_files as files
from .harm import in_small_memory, refused, touched

# --- archives -------------------------------------------------------------------------------------------------


def test_a_bomb_of_text_is_not_unpacked(tmp_path: Path) -> None:
    path = files.archive(tmp_path / "bomb.keras", b" " * (65 * MEBIBYTE), compressed=True)
    assert path.stat().st_size < MEBIBYTE
    assert "config.json is longer" in in_small_memory(path)


def test_a_bomb_of_weights_is_not_unpacked(tmp_path: Path) -> None:
    config = files.functional([files.given(), files.conv("a", "x")])
    path = files.archive(tmp_path / "bomb.keras", config, bytes(100 * MEBIBYTE), compressed=True)
    assert path.stat().st_size < MEBIBYTE
    assert "model.weights.h5 is longer" in in_small_memory(path)


def test_a_member_that_declares_less_than_it_unpacks_to_is_cut(tmp_path: Path) -> None:
    path = files.archive(tmp_path / "liar.keras", b" " * (65 * MEBIBYTE), compressed=True)
    data = path.read_bytes()
    true = struct.pack("<I", 65 * MEBIBYTE)
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, struct.pack("<I", 100)))
    assert "[file]" in in_small_memory(path)


def test_an_endless_list_of_members_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "many.keras"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 40 * MEBIBYTE, 0, 0)
    path.write_bytes(bytes(40 * MEBIBYTE) + end)
    assert "lists its members in" in refused(path, Reason.TOO_LARGE)


def test_a_member_that_lies_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = files.small(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"model.weights.h5") - 46  # the entry in the list of members
    struct.pack_into("<II", data, at + 20, 2**31, 2**31)
    path.write_bytes(bytes(data))
    assert "ends before its member does" in refused(path, Reason.FILE)


def test_names_that_leave_the_folder_are_just_names(tmp_path: Path) -> None:
    path = files.small(tmp_path)
    outside = tmp_path / "outside"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../outside", "x")
        archive.writestr(str(outside.resolve()), "x")
    before = sorted(tmp_path.iterdir())
    touched(keras.read(path))
    assert sorted(tmp_path.iterdir()) == before == [path]


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06", bytes(1000), b"\x89HDF\r\n\x1a\n"], ids=repr)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.keras"
    path.write_bytes(content)
    refused(path, Reason.FILE)


def test_special_files_and_folders_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, Reason.FILE)
    refused(tmp_path / "missing.keras", Reason.FILE)
    refused(Path("/dev/zero"), Reason.FILE)


# --- configurations -------------------------------------------------------------------------------------------


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = files.archive(tmp_path / "deep.keras", b"[" * 100_000 + b"]" * 100_000)
    assert "nests more than" in refused(path, Reason.TOO_LARGE)


def test_millions_of_values_are_refused(tmp_path: Path) -> None:
    path = files.archive(tmp_path / "wide.keras", b"[" + b"[]," * 6_000_000 + b"[]]")
    assert "has more than 5000000 values" in in_small_memory(path)


def test_many_layers_take_time_in_proportion(tmp_path: Path) -> None:
    layers = [files.given()]
    for number in range(5_000):
        layers.append(files.layer("ReLU", f"r{number}", layers[-1]["name"]))
    started = time.process_time()
    path = files.archive(tmp_path / "long.keras", files.functional(layers))
    assert len(keras.read(path).nodes) == 5_000
    assert time.process_time() - started < 10


def test_too_many_layers_are_refused_unread(tmp_path: Path) -> None:
    entry = '{"class_name": "ReLU", "config": {}}'
    config = json.dumps(files.functional([{"layer": 1}], outputs=["x", 0, 0]))
    path = files.archive(tmp_path / "long.keras", config.replace('{"layer": 1}', ", ".join([entry] * 100_001)).encode())
    assert "has more than 100000 layers" in refused(path, Reason.TOO_LARGE)


def test_models_that_call_each_other_twice_do_not_explode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_graph, "NODE_LIMIT", 1000)
    inner = files.functional([files.given(), files.layer("ReLU", "r", "x")], name="m")
    for _ in range(24):
        twice = [*(files.given(),), inner | {"inbound_nodes": [{"args": [files.value("x")], "kwargs": {}}]}]
        again = {"args": [files.value("m")], "kwargs": {}}
        twice[1]["inbound_nodes"].append(again)
        inner = files.functional(twice, outputs=["m", 2, 0], name="m")
    path = files.archive(tmp_path / "twice.keras", inner)
    assert "layers" in refused(path, Reason.TOO_LARGE)


def test_a_value_that_depends_on_itself_is_refused(tmp_path: Path) -> None:
    layers = [
        files.given(),
        files.layer("Add", "a", [[files.value("x"), files.value("b")]]),
        files.layer("ReLU", "b", "a"),
    ]
    assert "depends on itself" in refused(files.archive(tmp_path / "loop.keras", files.functional(layers)), Reason.FILE)


@pytest.mark.parametrize("name", ["a" * 300, "\x1b[31mred", "", 5, None, "\ud800"], ids=ascii)
def test_names_that_would_spoil_a_terminal_are_refused(tmp_path: Path, name: Any) -> None:
    entry = files.layer("ReLU", "r", "x") | {"name": name}
    config = files.functional([files.given(), entry], outputs=["r", 0, 0])
    refused(files.archive(tmp_path / "name.keras", config), Reason.FILE)


@pytest.mark.parametrize(
    ("key", "number"), [("filters", 2**62), ("filters", 10**30), ("kernel_size", [2**40] * 2), ("filters", -1)], ids=str
)
def test_a_huge_declared_shape_allocates_nothing(tmp_path: Path, key: str, number: Any) -> None:
    config = files.functional([files.given(), files.conv("a", "x", **{key: number})])
    stored = files.weights({"layers/conv2d/vars/0": files.integers(3, 3, 3, 2)})
    path = files.archive(tmp_path / "huge.keras", config, stored)
    said = in_small_memory(path)
    assert "[too-large]" in said or "[file]" in said or said == "ok 1\n"  # one that no Keras builds is opaque
    keras.read(path, weights=False)


def canary_code(canary: Path) -> str:
    """Marshalled code that would create the file, as Keras keeps a lambda's."""
    source = f"(lambda: open({str(canary)!r}, 'w'))()"
    return base64.b64encode(marshal.dumps(compile(source, "x", "eval"))).decode()


def hostile_layers(canary: Path) -> list[dict[str, Any]]:
    code = canary_code(canary)
    function = {"class_name": "__lambda__", "config": {"value": code}}
    return [
        files.layer("Lambda", "f", "x", function=function),
        files.layer("Lambda", "f", "x", function=[code, None, None], function_type="lambda"),
        files.layer("system", "f", "x", module="os", command=f"touch {canary}"),
        files.layer("eval", "f", "x", module="builtins", args=[f"open({str(canary)!r}, 'w')"]),
        files.layer("TFSMLayer", "f", "x", filepath=str(canary)),
        files.layer("Conv2D", "f", "x", module="evil", filters=2, kernel_size=3) | {"registered_name": "evil>Conv2D"},
        files.conv("f", "x", kernel_initializer={"module": "os", "class_name": "system", "config": f"touch {canary}"}),
        files.conv("f", "x", activation={"module": "builtins", "class_name": "function", "config": "exec"}),
        files.conv("f", "x", activation=function),
    ]


@pytest.mark.parametrize("index", range(9))
def test_code_is_named_and_never_run(tmp_path: Path, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = tmp_path / "canary"
    entry = hostile_layers(canary)[index]
    stored = files.weights(
        {"layers/conv2d/vars/0": files.integers(3, 3, 3, 2), "layers/conv2d/vars/1": files.integers(2)}
    )
    path = files.archive(tmp_path / "code.keras", files.functional([files.given(), entry]), stored)
    for name in ("loads", "load"):
        monkeypatch.setattr(marshal, name, lambda *_: pytest.fail("code was restored"))
    before = set(sys.modules)
    graph = keras.read(path)
    touched(graph)
    assert not canary.exists()
    assert not {name for name in set(sys.modules) - before if name.startswith(("os", "evil", "keras", "tensorflow"))}
    opaque = [node.operation for node in graph.nodes if isinstance(node.operation, Opaque)]
    assert len(opaque) == int("kernel_initializer" not in entry["config"])
    assert all("code" in each.why or "not among" in each.why for each in opaque)
