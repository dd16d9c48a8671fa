"""The example that trains in NumPy alone: its losses are PyTorch's, and it learns."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def descent() -> ModuleType:
    pytest.importorskip("sklearn", reason="the pictures come with it")
    path = Path(__file__).parents[2] / "examples" / "descent.py"
    found = importlib.util.spec_from_file_location("descent", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def torch_losses(model: Any, x: Any, wanted: Any, rate: float, steps: int) -> list[float]:
    """The same network in PyTorch: for a kernel of 4 and stride 2 Keras crops 1 before and 1 after."""
    torch = pytest.importorskip("torch", reason="the curve is held against PyTorch's")
    up, mix = torch.nn.ConvTranspose2d(1, 4, 4, stride=2, padding=1), torch.nn.Conv2d(4, 1, 3, padding=1)
    with torch.no_grad():
        for layer, given in ((up, model.up), (mix, model.mix)):
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(given.kernel.value.transpose(3, 2, 0, 1))))
            layer.bias.zero_()
    net = torch.nn.Sequential(up, torch.nn.ReLU(), mix)
    optimiser = torch.optim.SGD(net.parameters(), lr=rate)
    given, target = (torch.from_numpy(np.ascontiguousarray(each.transpose(0, 3, 1, 2))) for each in (x, wanted))
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (net(given) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_the_losses_are_torchs(descent: ModuleType) -> None:
    small, large = descent.digits(64)
    model = descent.Enlarger(width=4, seed=5)
    assert model(small).shape == large.shape
    theirs = torch_losses(model, small, large, 0.5, 40)
    mine = [model.step(small, large, rate=0.5) for _ in range(40)]
    assert mine == pytest.approx(theirs, rel=1e-4)
    assert mine[-1] < mine[0] / 2


def test_it_beats_repetition(descent: ModuleType) -> None:
    small, large = descent.digits(128)
    model = descent.Enlarger()
    for _ in range(200):
        loss = model.step(small, large, rate=0.5)
    assert loss < np.square(small.repeat(2, 1).repeat(2, 2) - large).mean()
