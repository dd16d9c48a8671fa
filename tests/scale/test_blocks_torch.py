"""A torch module as what computes blocks."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

from unstride.scale.blocks import function
from unstride.scale.dask import apply
from unstride.scale.source import network

torch: Any = pytest.importorskip("torch", reason="the network that is fed is PyTorch's")

pytestmark = pytest.mark.parity


def test_a_torch_module_is_asked_at_inference_and_left_as_it_is() -> None:
    module = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    x = np.random.default_rng(0).standard_normal((2, 1, 9)).astype(np.float32)
    ask = function(module)
    first, second = ask(x), ask(x)
    np.testing.assert_array_equal(first, second)
    assert module.training
    assert float(module[1].num_batches_tracked) == 0
    with torch.no_grad():
        np.testing.assert_array_equal(first, module.eval()(torch.from_numpy(x)).numpy())


def test_a_torch_module_computes_blocks() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.MaxPool2d(2),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1),
    )
    x = np.random.default_rng(0).standard_normal((2, 2, 38, 54)).astype(np.float32)
    lazy = da.from_array(x, chunks=(1, 1, 17, 20))
    graph = network(module, inputs=[x.shape])
    ours, theirs = apply(module, lazy), apply(graph, lazy, function=module)
    assert ours.name != theirs.name
    assert apply(graph, lazy, function=module).name == theirs.name
    assert module.training
    with torch.no_grad():
        wanted = module.eval()(torch.from_numpy(x)).numpy()
    for made in (ours, theirs):
        np.testing.assert_allclose(made.compute(scheduler="threads"), wanted, rtol=1e-4, atol=1e-5)
