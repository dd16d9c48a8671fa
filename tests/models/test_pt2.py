"""Archives of torch.export, written by hand here, so that no torch is needed."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.pt2_builders import WEIGHT, archive, changed, config, program, tensor
from unstride.errors import UnstrideError
from unstride.models import torch as reader
from unstride.models.pt2 import read_archive
from unstride.models.torch_graph import build
from unstride.network import Convolution, Opaque
from unstride.network.evaluate import run


def test_a_sound_archive_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.pt2"
    path.write_bytes(archive())
    graph = reader.read(path)
    assert (graph.name, [node.name for node in graph.nodes], graph.outputs) == ("small", ["c", "relu"], ("relu",))
    assert (graph.inputs[0].channels, graph.inputs[0].size) == (3, (None, 9))
    conv = graph.by_name["c"].operation
    assert isinstance(conv, Convolution)
    assert conv.spec.code() == "torch.nn.Conv2d(3, 2, 3, bias=False)"
    x = np.ones((2, 3, 4, 9), np.float32)
    expected = np.maximum(WEIGHT.sum((1, 2, 3)), 0)
    np.testing.assert_array_equal(run(graph, x), np.broadcast_to(expected[:, None, None], (2, 2, 2, 7)))


def test_weights_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "small.pt2"
    path.write_bytes(archive())
    kernel = reader.read(path).nodes[0].operation.weights["kernel"]
    path.write_bytes(archive(payload=bytes(WEIGHT.nbytes)))
    with pytest.raises(UnstrideError, match="has changed"):
        _ = kernel.array


def test_strides_and_offsets_are_followed() -> None:
    flipped = np.ascontiguousarray(WEIGHT.transpose(3, 2, 1, 0))
    meta = tensor(2, 3, 3, 3, strides=(1, 2, 6, 18), offset=2)
    data = archive(weights=config(tensor_meta=meta), payload=bytes(8) + flipped.tobytes())
    kernel = build(read_archive(data)).nodes[0].operation.weights["kernel"]
    np.testing.assert_array_equal(kernel.array, WEIGHT)


def test_big_endian_weights() -> None:
    data = archive(payload=WEIGHT.astype(">f4").tobytes(), extra={"byteorder": b"big"})
    kernel = build(read_archive(data)).nodes[0].operation.weights["kernel"]
    np.testing.assert_array_equal(kernel.array, WEIGHT)
    assert kernel.array.dtype == np.float32


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    bomb = pickle.dumps(Canary(tmp_path / "sprung"))
    pickles = {"data/sample_inputs/model.pt": bomb, "data/weights/model.pt": bomb, "data/constants/model.pt": bomb}
    data = archive(weights=config(use_pickle=True), payload=bomb, extra=pickles)
    graph = build(read_archive(data))
    kernel = graph.nodes[0].operation.weights["kernel"]
    assert (kernel.shape, kernel.known) == ((2, 3, 3, 3), False)
    with pytest.raises(UnstrideError, match="no pickle is opened"):
        _ = kernel.array
    assert not (tmp_path / "sprung").exists()
    pickle.loads(bomb)  # noqa: S301 - shows that the canary would have sung
    assert (tmp_path / "sprung").exists()


def test_the_layout_up_to_torch_2_7_is_read_without_its_pickled_weights() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("version", "8.8")
        made.writestr("serialized_exported_program.json", json.dumps(program()))
        made.writestr("serialized_state_dict.pt", b"not looked at")
    graph = build(read_archive(stream.getvalue()))
    assert graph.nodes[0].operation.weights["kernel"].shape == (2, 3, 3, 3)
    with pytest.raises(UnstrideError, match="save it again"):
        _ = graph.nodes[0].operation.weights["kernel"].array


def test_unknown_operators_are_opaque_and_named() -> None:
    root = changed("graph_module.graph.nodes.1.target", "torch.ops.vision.nms.default")
    graph = build(read_archive(archive(root)))
    assert graph.nodes[1].operation == Opaque("vision.nms")


def test_what_the_dialect_refuses_is_opaque_in_its_words() -> None:
    arguments = [
        *program()["graph_module"]["graph"]["nodes"][0]["inputs"],
        {"name": "stride", "arg": {"as_ints": [2, 2]}, "kind": 1},
        {"name": "padding", "arg": {"as_string": "same"}, "kind": 1},
    ]
    graph = build(read_archive(archive(changed("graph_module.graph.nodes.0.inputs", arguments))))
    operation = graph.nodes[0].operation
    assert isinstance(operation, Opaque)
    assert "not supported for strided" in operation.why
