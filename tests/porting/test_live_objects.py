"""A live layer in, a live layer out, with its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unstride import port

pytestmark = pytest.mark.parity


def test_a_torch_module_becomes_an_onnx_model_and_a_torch_module_again() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    given: Any = torch.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
    with torch.no_grad():
        for values in given.parameters():
            values.copy_(torch.randint(-4, 5, values.shape))
    x = np.random.default_rng(0).integers(-4, 5, (2, 4, 5, 6)).astype(np.float32)
    truth = given(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_array_equal(port(given, to="onnx", input_shape=x.shape).build()(x), truth)
    again = port(given, to="torch", input_shape=x.shape).build()
    assert isinstance(again, torch.nn.ConvTranspose2d)
    np.testing.assert_array_equal(again(torch.from_numpy(x)).detach().numpy(), truth)


def test_arrays_may_be_given_in_place_of_its_own() -> None:
    torch = pytest.importorskip("torch")
    given = torch.nn.ConvTranspose1d(1, 1, 2, bias=False)
    found = port(given, to="torch", input_shape=(1, 1, 3))
    built = found.build(np.array([[[3.0, 5.0]]], np.float32))
    assert built.weight.detach().numpy().ravel().tolist() == [3, 5]
    np.testing.assert_array_equal(found.weights(), given.weight.detach().numpy())
