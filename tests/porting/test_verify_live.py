"""``verify`` on live layers of the frameworks, among them those with the bugs that are found in the wild."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unstride import UnstrideError, parse, verify
from unstride.porting.subjects import integers
from unstride.testing import assert_same_layer
from unstride.testing.live import installed

pytestmark = pytest.mark.parity

SCRIPT = Path(__file__).with_name("live_verify.py")


def answers(group: str, **environment: str) -> dict[str, list[str]]:
    """Frameworks that share a process are fragile: each group answers in one of its own."""
    found = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-W", "ignore", str(SCRIPT), group],
        env={**os.environ, **environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    told: dict[str, list[str]] = json.loads(found.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_keras_layers_are_told_from_torchs_by_one_element(backend: str) -> None:
    if not all(map(installed, ("keras", "torch", "onnxruntime", backend))):
        pytest.skip(f"keras on {backend}, torch and onnxruntime are not all installed")
    told = answers("keras", KERAS_BACKEND=backend)
    (shift,) = told.pop("padding=1, output_padding=1 and same")
    assert shift.startswith("shifted by (1, 1): b's output is a's moved 1 row down and 1 column right")
    assert told.pop("rows flipped, no bias") == ["kernel flipped (height only)", "bias missing: b adds none"]
    assert set(told) == {"the layer and its own source", "ported to torch", "ported to onnx", "a model and itself"}
    assert not any(told.values()), told


def test_jax_layers_with_wrong_kernels_are_named() -> None:
    if not all(map(installed, ("jax", "flax", "equinox"))):
        pytest.skip("jax, flax and equinox are not all installed")
    told = answers("jax")
    assert told.pop("lax without the flip") == ["kernel flipped (both axes)"]
    assert told.pop("HWIO for HWOI") == ["kernel's input and output channels swapped"]
    shift, *_ = told.pop("flax and torch")
    assert shift.startswith("shifted by ")
    assert set(told) == {"lax with the flip", "flax ported to equinox", "equinox and itself"}
    assert not any(told.values()), told


@pytest.fixture
def layer() -> Any:
    torch = pytest.importorskip("torch")
    made = torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(integers((3, 2, 3, 3), 0)))
        made.bias.copy_(torch.from_numpy(integers((2,), 1)))
    return made


def test_a_torch_module_is_its_source_line(layer: Any) -> None:
    line = parse("torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)")
    assert verify(layer, line, input_shape=(1, 3, 4, 5))
    assert verify(line, layer, input_shape=(2, 3, 4, 5), sizes=[(3, 3)])
    assert verify(layer, line, input_shape=(3, 4, 5))


def test_a_torch_module_is_left_as_it_is(layer: Any) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(layer, torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert verify(model, model, input_shape=(4, 3, 4, 5))
    assert [each.training for each in model.modules()] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_torch_function_is_called_on_tensors(layer: Any) -> None:
    torch = pytest.importorskip("torch")

    def wrong(x: Any) -> Any:
        return torch.nn.functional.conv_transpose2d(x, layer.weight.flip(3), layer.bias, 2, 1, 1)

    verdict = verify(layer, wrong, input_shape=(1, 3, 4, 5), layouts=(None, "NCHW"))
    assert [str(each) for each in verdict.differences] == ["kernel flipped (width only)"]


def test_double_precision_is_kept(layer: Any) -> None:
    torch = pytest.importorskip("torch")
    fine = torch.nn.Conv2d(3, 2, 3).double()
    verdict = verify(fine, fine, input_shape=(1, 3, 5, 5))
    assert "float64" in verdict.comparison
    off = torch.nn.Conv2d(3, 2, 3).double()
    off.load_state_dict({name: value * (1 + 1e-9) for name, value in fine.state_dict().items()})
    assert not verify(fine, off, input_shape=(1, 3, 5, 5))
    assert verify(fine.float(), off.float(), input_shape=(1, 3, 5, 5))
    assert layer.weight.dtype == torch.float32


def test_an_onnx_file_is_compared_with_the_module_it_came_from(layer: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weight, bias = (each.detach().numpy() for each in (layer.weight, layer.bias))
    for name, pads in (("good", [1, 1, 0, 0]), ("bad", [0, 0, 1, 1])):
        node = onnx.helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2], pads=pads)
        graph = onnx.helper.make_graph(
            [node],
            "layer",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 4, 5])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 2, None, None])],
            [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(bias, "b")],
        )
        opset = [onnx.helper.make_opsetid("", 17)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / f"{name}.onnx")
    assert_same_layer(tmp_path / "good.onnx", layer)
    with pytest.raises(AssertionError, match=r"shifted by \(1, 1\)"):
        assert_same_layer(str(tmp_path / "good.onnx"), onnx.load(tmp_path / "bad.onnx"))
    assert torch is not None


def test_a_bias_of_next_to_nothing_is_named(layer: Any) -> None:
    torch = pytest.importorskip("torch")
    bare = torch.nn.Conv2d(2, 2, 3, padding=1, bias=False)
    biased = torch.nn.Conv2d(2, 2, 3, padding=1)
    with torch.no_grad():
        biased.weight.copy_(bare.weight)
        biased.bias.fill_(2.0**-20)
    (found,) = verify(bare, biased, input_shape=(1, 2, 6, 6)).differences
    assert str(found) == "bias added: b adds [9.53674316e-07, 9.53674316e-07], a none"
    assert layer is not None


def test_activations_that_differ_on_large_numbers_are_told_apart(layer: Any) -> None:
    nn = pytest.importorskip("torch").nn
    six, plain, hard = (nn.Sequential(layer, each) for each in (nn.ReLU6(), nn.ReLU(), nn.Hardtanh(-9000, 9000)))
    for a, b in ((six, plain), (plain, six), (hard, layer), (layer, hard)):
        assert not verify(a, b, input_shape=(1, 3, 4, 5))
    assert "no proof" in verify(hard, hard, input_shape=(1, 3, 4, 5)).proof


def test_an_exported_programs_file_is_compared_with_the_module(layer: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "layer.pt2"
    torch.export.save(torch.export.export(layer.eval(), (torch.zeros(1, 3, 4, 5),)), path)
    verdict = verify(str(path), layer)
    assert verdict
    assert verdict.names[0] == "layer.pt2"
    assert verdict.probes[0].startswith("(1, 3, 4, 5): ")
    assert verify(layer, path)
    with torch.no_grad():
        layer.bias += 1
    assert not verify(path, layer)


def test_an_onnx_file_with_open_sizes_says_which(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    kernel = onnx.numpy_helper.from_array(integers((2, 5, 3, 3), 0), "w")
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in (("x", 5), ("y", 2))
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])], "layer", ends[:1], ends[1:], [kernel]
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "open.onnx")
    path = str(tmp_path / "open.onnx")
    with pytest.raises(UnstrideError, match=r"such as \(1, 5, 8, 8\), in a's data layout, NCHW"):
        verify(path, path)
    assert verify(path, path, input_shape=(1, 5, 4, 4))
