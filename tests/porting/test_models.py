"""``port_model`` and the command on model files: proved, or refused; what is written, and what is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from click.testing import CliRunner

from tests.network.builders import unet
from unstride import UnstrideError
from unstride.cli import commands
from unstride.network import Activation, Graph, Input, Node, Opaque, Pad, Pool, Stored
from unstride.network.evaluate import run
from unstride.porting import models
from unstride.porting.model_command import is_model_file
from unstride.porting.models import ModelPort, port_model
from unstride.porting.writing.common_proof import Proof
from unstride.testing.live import installed

from .zoo import everything

needs_torch = pytest.mark.skipif(not installed("torch"), reason="torch is not installed")
needs_onnx = pytest.mark.skipif(not installed("onnxruntime"), reason="onnxruntime is not installed")
GRAPH = unet(output_padding=1)


def opaque() -> Graph:
    nodes = (Node("a", Activation("relu"), ("x",)), Node("code", Opaque("Lambda", "holds code"), ("a",)))
    return Graph("g", (Input("x", 1, (4,)),), nodes, ("code",))


def test_a_refusal_names_every_step() -> None:
    found = port_model(opaque(), to="torch")
    assert not found.exact
    assert found.refused == (("code", "Lambda: holds code"),)
    assert "code: Lambda: holds code" in found.text()
    assert found.as_json()["refused"] == [{"step": "code", "why": "Lambda: holds code"}]
    with pytest.raises(UnstrideError, match="Lambda: holds code"):
        found.source  # noqa: B018 - the property raises


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_source_and_arrays_need_no_framework(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstride.porting.writing.common_proof.find_spec", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = port_model(GRAPH, to=to)
    assert found.exact
    assert found.verified is None
    assert found.text().endswith("not verified here")
    assert len(found.arrays) == 6
    with pytest.raises(UnstrideError, match="is not installed"):
        found.build()


def test_the_sizes_are_told_and_tested() -> None:
    found = port_model(GRAPH, to="torch", verify=False)
    assert str(found.sizes) == "height and width a multiple of 2"
    assert (8, 6) in found.sizes
    assert {"x": (8, 6)} in found.sizes
    assert (8, 5) not in found.sizes
    fixed = port_model(everything()["same"], to="torch", verify=False)
    assert (9, 9) not in fixed.sizes


def test_weights_that_are_not_known_leave_the_source() -> None:
    nodes = []
    for node in GRAPH.nodes:
        operation: Any = node.operation
        if operation.weights:
            kernel, bias = (Stored(each.shape, each.dtype) for each in operation.weights.values())
            operation = replace(operation, kernel=kernel, bias=bias)
        nodes.append(replace(node, operation=operation))
    found = port_model(replace(GRAPH, nodes=tuple(nodes)), to="torch")
    assert "ConvTranspose2d" in found.source
    assert found.verified is None
    with pytest.raises(UnstrideError, match="only the shape"):
        found.arrays  # noqa: B018 - the property raises


def test_what_cannot_be_asked() -> None:
    with pytest.raises(UnstrideError, match="one of torch, keras, onnx"):
        port_model(GRAPH, to="caffe")
    with pytest.raises(UnstrideError, match="differ"):
        port_model(GRAPH, to="torch", size=(5, 5))
    with pytest.raises(UnstrideError, match="no model that is known"):
        port_model(3, to="torch")


# --- proofs ---------------------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parity
def test_a_port_is_proved_on_every_step_at_two_sizes() -> None:
    proof = port_model(GRAPH, to="torch").verified
    assert proof is not None
    assert proof.values == 2 * len(GRAPH.nodes)
    assert proof.difference == 0
    assert [each["x"] for each in proof.sizes] == [(64, 64), (66, 66)]
    assert proof.text == "proved on 12 values at 64×64 and 66×66: exactly equal"


def flipped(arrays: dict[str, Any]) -> dict[str, Any]:
    return {**arrays, "up.weight": np.ascontiguousarray(arrays["up.weight"][..., ::-1])}


def swapped(arrays: dict[str, Any]) -> dict[str, Any]:
    return {**arrays, "down.weight": np.ascontiguousarray(arrays["down.weight"][::-1])}


def without_bias(arrays: dict[str, Any]) -> dict[str, Any]:
    return {**arrays, "last.bias": 0 * arrays["last.bias"]}


@needs_torch
@pytest.mark.parity
@pytest.mark.parametrize(("change", "step"), [(flipped, "up"), (swapped, "down"), (without_bias, "last")])
def test_a_wrong_port_is_refused(change: Any, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from unstride.porting.writing.torch import Torch

    right = Torch.arrays
    monkeypatch.setattr(Torch, "arrays", lambda self: change(right(self)))
    found = port_model(GRAPH, to="torch")
    assert not found.exact
    ((worst, why),) = found.refused
    assert "more than rounding" in why
    # what follows a wrong step is wrong as well; nothing before it is
    names = [node.name for node in GRAPH.nodes]
    assert names.index(worst) >= names.index(step)


def test_a_difference_that_is_no_number_is_no_agreement() -> None:
    assert not Proof(({"x": (4,)},), 1, float("nan"), float("nan"), 1e-5, "y").agrees
    assert not Proof(({"x": (4,)},), 1, float("inf"), float("inf"), 1e-5, "y").agrees


@needs_onnx
@pytest.mark.parity
def test_onnx_is_proved_with_its_runtime(tmp_path: Path) -> None:
    found = port_model(GRAPH, to="onnx")
    assert found.verified is not None
    assert found.verified.difference == 0
    found.save(tmp_path / "model.onnx")
    again = port_model(tmp_path / "model.onnx", to="onnx")
    assert again.exact
    assert [node.name for node in again.graph.nodes if node.operation.weights] == ["down", "up", "last"]


def pooled(reduce: Literal["max", "average"], **words: Any) -> Graph:
    """Margins of zeros, which a step that does nothing hides, in front of windows with margins of their own."""
    pool = Pool(reduce, (3, 3), (2, 2), ((1, 1), (1, 1)), **words)
    nodes = (
        Node("pad", Pad(((1, 1), (0, 1))), ("x",)),
        Node("same", Activation("linear"), ("pad",)),
        Node("pool", pool, ("same",)),
    )
    return Graph("g", (Input("x", 2, (12, 12)),), nodes, ("pool",))


POOLS = (pooled("max"), pooled("max", ceil=True), pooled("average"), pooled("average", counts_padding=True))


@needs_onnx
@pytest.mark.parity
@pytest.mark.parametrize("graph", POOLS, ids=str)
def test_margins_of_zeros_stay_zeros_where_the_runtime_joins_steps(graph: Graph) -> None:
    found = port_model(graph, to="onnx")
    assert found.exact
    x = -np.random.default_rng(0).integers(5, 9, (2, 2, 12, 12)).astype(np.float32)
    (made,) = found.written.call(found.build(), (x,)) if found.written else ()
    np.testing.assert_allclose(made, run(graph, x), rtol=1e-6)


@needs_onnx
@pytest.mark.parity
def test_a_model_that_is_wrong_only_as_a_whole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from unstride.porting.writing.common_onnx import OnnxModel

    called = OnnxModel.call

    def joining(written: OnnxModel, model: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """A runtime that joins margins of zeros with the maximum behind them, unless it is asked for both."""
        made = called(written, model, inputs)
        return made if len(written.graph.outputs) > 1 else tuple(np.where(each == 0, -9, each) for each in made)

    monkeypatch.setattr(OnnxModel, "call", joining)
    found = port_model(pooled("max"), to="onnx")
    assert not found.exact
    assert found.refused[0][0] == "pool"


def in_type(dtype: str) -> Graph:
    """The network with its weights in another type."""
    nodes = []
    for node in GRAPH.nodes:
        operation: Any = node.operation
        if operation.weights:
            kernel, bias = (Stored.of(each.array.astype(dtype)) for each in operation.weights.values())
            operation = replace(operation, kernel=kernel, bias=bias)
        nodes.append(replace(node, operation=operation))
    return replace(GRAPH, nodes=tuple(nodes))


@needs_torch
@pytest.mark.parity
@pytest.mark.parametrize(("dtype", "word"), [("float64", "double"), ("float16", "half")])
def test_a_torch_module_computes_in_the_type_of_the_weights(dtype: str, word: str, tmp_path: Path) -> None:
    import torch

    found = port_model(in_type(dtype), to="torch")
    assert found.verified is not None
    assert found.verified.agrees
    assert (found.verified.difference == 0) == (dtype == "float64")
    assert f"        self.{word}()\n" in found.source
    x = torch.ones((1, 3, 4, 4), dtype=getattr(torch, dtype))
    assert found.build()(x).dtype == x.dtype
    found.save(tmp_path / "model.pt2")
    names: dict[str, Any] = {}
    exec(found.source, names)  # noqa: S102 - the source that is tested
    assert names["Unet"]()(x).dtype == x.dtype


@needs_onnx
@pytest.mark.parity
def test_an_onnx_model_has_the_type_of_the_weights() -> None:
    double, half = (port_model(in_type(dtype), to="onnx") for dtype in ("float64", "float16"))
    assert double.exact
    assert {array.dtype.name for array in double.arrays.values()} == {"float64"}
    assert double.verified is None
    assert "not verified here: ONNX Runtime: Could not find an implementation for Conv" in double.text()
    assert "Could not find" in double.as_json()["not_verified"]
    assert half.verified is not None
    assert half.verified.agrees


def test_keras_refuses_another_type_than_single_precision() -> None:
    ((step, why),) = port_model(in_type("float64"), to="keras").refused
    assert (step, why) == ("down", "its weights are float64; models in Keras are written in float32")


@needs_torch
@pytest.mark.parity
def test_a_live_model_has_the_size_it_was_read_with_where_no_longer_one_fits() -> None:
    from torch import nn

    dense = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(36, 4))
    found = port_model(dense, to="torch", inputs=[(1, 2, 5, 6)])
    assert found.graph.inputs[0].size == (5, 6)
    assert found.verified is not None
    free = port_model(nn.Conv2d(2, 3, 3), to="torch", inputs=[(1, 2, 5, 6)], verify=False)
    assert free.graph.inputs[0].size == (None, None)


# --- files and the command ------------------------------------------------------------------------------------


def test_files_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    found = port_model(GRAPH, to="torch", verify=False)
    with pytest.raises(UnstrideError, match=r"written to \.py, \.safetensors, \.pt2"):
        found.save(tmp_path / "model.py", tmp_path / "model.keras")
    with pytest.raises(UnstrideError, match="folder does not exist"):
        found.save(tmp_path / "model.py", tmp_path / "none" / "model.py")
    assert list(tmp_path.iterdir()) == []


@needs_torch
@pytest.mark.parity
def test_a_file_goes_to_torch_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    port_model(GRAPH, to="onnx", verify=False).save("model.onnx")
    said = CliRunner().invoke(commands, ["port", "model.onnx", "--to", "torch", "-o", "model.py", "model.safetensors"])
    assert said.exit_code == 0, said.output
    assert "exactly equal" in said.output
    assert "model.py: load(path) gives the model with its weights" in said.output
    script = "import model, torch; print(model.load('model.safetensors')(torch.ones(1, 3, 4, 2)).shape)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ})  # noqa: S603 - our own
    assert "[1, 2, 4, 2]" in run.stdout


@needs_onnx
@pytest.mark.parity
def test_the_command_in_json(tmp_path: Path) -> None:
    port_model(GRAPH, to="onnx", verify=False).save(tmp_path / "model.onnx")
    said = CliRunner().invoke(commands, ["port", str(tmp_path / "model.onnx"), "--to", "onnx", "--json"])
    told = json.loads(said.output)
    assert told["exact"]
    assert told["sizes"] == "height and width a multiple of 2"
    assert told["verified"]["difference"] == 0


def test_only_files_are_taken_for_files() -> None:
    assert is_model_file("folder/model.keras")
    assert not is_model_file("keras.layers.Conv2DTranspose(1, 3)")
    assert not is_model_file("nn.ConvTranspose2d(1, 1, 3)  # model.keras")


def test_every_target_has_its_packages() -> None:
    assert set(models.PACKAGES) == set(models.TARGETS)
    assert ModelPort(GRAPH, "torch", (), None, None).exact
