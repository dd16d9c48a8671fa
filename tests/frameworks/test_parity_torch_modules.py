"""Our modules where PyTorch tests its own, written as ONNX, and beside other operators on shared threads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ours = pytest.importorskip("unstride.frameworks.torch")

pytestmark = pytest.mark.parity

NAMES = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
def test_pytorchs_own_module_inputs(name: str, training: bool) -> None:
    """What PyTorch constructs its modules with and passes to them, values and gradients included."""
    modules = pytest.importorskip("torch.testing._internal.common_modules")
    stock = getattr(torch.nn, name)
    (info,) = [each for each in modules.module_db if each.module_cls is stock]
    count = 0
    inputs = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training)
    for given in inputs:
        made, called = given.constructor_input, given.forward_input
        theirs = stock(*made.args, **made.kwargs).double().train(training)
        mine = getattr(ours, name)(*made.args, **made.kwargs).double().train(training)
        mine.load_state_dict(theirs.state_dict())
        y, wanted = mine(*called.args, **called.kwargs), theirs(*called.args, **called.kwargs)
        torch.testing.assert_close(y, wanted)
        seed = torch.randn_like(wanted)
        for one, other in zip(
            torch.autograd.grad(y, [*mine.parameters(), called.args[0]], seed),
            torch.autograd.grad(wanted, [*theirs.parameters(), called.args[0]], seed),
            strict=True,
        ):
            torch.testing.assert_close(one, other)
        assert repr(mine) == repr(theirs)
        count += 1
    assert count >= 2


@pytest.mark.filterwarnings("ignore")  # of the exporter, and of sizes that it takes as constants
@pytest.mark.parametrize("words", [{"padding": "same"}, {"padding": ((2, 0), (0, 1))}, {"padding": 1}], ids=str)
@pytest.mark.parametrize("dynamo", [False, True], ids=["traced", "dynamo"])
def test_written_as_onnx(words: dict[str, Any], dynamo: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The exported model holds ConvTranspose and crops, none of our operators, and gives the same values."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    if dynamo:
        pytest.importorskip("onnxscript", reason="PyTorch's exporter by dynamo needs it")
    module = ours.ConvTranspose2d(3, 4, 3, stride=2, **words).eval()
    ours.accelerate(module)
    x, stream = torch.randn(2, 3, 5, 6), io.BytesIO()
    torch.onnx.export(module, (x,), stream, dynamo=dynamo, input_names=["x"])
    capsys.readouterr()  # the exporter tells of its progress
    kinds = {node.op_type for node in onnx.load_from_string(stream.getvalue()).graph.node}
    assert "ConvTranspose" in kinds
    session = runtime.InferenceSession(stream.getvalue(), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = module(x).numpy()
    np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], wanted, rtol=1e-4, atol=1e-5)


def test_threads_follow_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the user gave this library a number, it uses as many threads as PyTorch was told to."""
    from unstride.engine import threads

    monkeypatch.delenv(threads.THREADS_VARIABLE, raising=False)
    monkeypatch.setattr(threads, "_chosen", None)
    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            ours.conv_transpose2d(torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3))
            assert threads.num_threads() == count
        monkeypatch.setattr(threads, "_chosen", 3)
        ours.conv_transpose2d(torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3))
        assert threads.num_threads() == 3
    finally:
        torch.set_num_threads(before)
        monkeypatch.setattr(threads, "_followed", None)
