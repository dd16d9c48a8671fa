"""Weights that are packed once: whatever writes to them, the next call knows."""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from unstride.engine import execute

torch = pytest.importorskip("torch", reason="the weights are PyTorch's")
ours = pytest.importorskip("unstride.frameworks.torch", reason="it needs PyTorch")
kept = pytest.importorskip("unstride.frameworks.torch.kept", reason="it needs PyTorch")

nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.parity


def by_numpy(weight: Any) -> None:
    weight.detach().numpy()[...] *= 3


def by_inference(weight: Any) -> None:
    with torch.inference_mode():
        weight.mul_(3)


def by_optimiser(weight: Any) -> None:
    weight.grad = torch.ones_like(weight)
    torch.optim.SGD([weight], lr=0.5).step()


WRITES: dict[str, Callable[[Any], object]] = {
    "data": lambda weight: weight.data.mul_(3),
    "one element of data": lambda weight: weight.data.view(-1)[-1].add_(1),
    "other data": lambda weight: setattr(weight, "data", torch.randn_like(weight)),
    "channels last": lambda weight: setattr(weight, "data", weight.data.flip(0).to(memory_format=torch.channels_last)),
    "detached": lambda weight: weight.detach().mul_(3),
    "NumPy": by_numpy,
    "inference mode": by_inference,
    "optimiser": by_optimiser,
}


@pytest.mark.parametrize(
    ("which", "how"),
    [(which, how) for which in ("weight", "bias") for how in WRITES if (which, how) != ("bias", "channels last")],
)
@pytest.mark.parametrize("channels", [4, 64])
def test_every_write_is_noticed(which: str, how: str, channels: int) -> None:
    module = nn.ConvTranspose2d(channels, channels, 3, stride=2).eval()
    ours.accelerate(module)
    x = torch.randn(1, channels, 6, 5)
    for _ in range(2):
        for _ in range(3):
            with torch.inference_mode():
                torch.testing.assert_close(module(x), stock(module, x), rtol=1e-4, atol=1e-4)
        WRITES[how](getattr(module, which))


def stock(module: Any, x: Any) -> Any:
    return F.conv_transpose2d(x, module.weight, module.bias, stride=2)


def test_packed_at_the_second_meeting_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Any] = []
    prepare = execute.prepare

    def counted(*arrays: Any) -> Any:
        packed.append(arrays)
        return prepare(*arrays)

    monkeypatch.setattr(execute, "prepare", counted)
    weight, x = torch.randn(8, 8, 3), torch.randn(2, 8, 10)
    for meeting, count in enumerate((0, 1, 1, 1)):
        torch.testing.assert_close(ours.conv1d(x, weight), F.conv1d(x, weight), rtol=1e-4, atol=1e-5)
        assert len(packed) == count, meeting
    weight.add_(1)
    ours.conv1d(x, weight)
    assert len(packed) == 1
    ours.conv1d(x, weight)
    assert len(packed) == 2


def test_training_packs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "prepare", lambda *_: pytest.fail("packed"))
    module = nn.Conv2d(4, 4, 3)
    ours.accelerate(module)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(4):
        module(torch.randn(1, 4, 6, 6, requires_grad=True)).sum().backward()
        optimiser.step()
        optimiser.zero_grad()


def test_gone_when_the_weight_is() -> None:
    gc.collect()
    before = len(kept._known)
    module = nn.Conv1d(3, 3, 3)
    ours.accelerate(module)
    with torch.no_grad():
        for size in range(5, 5 + 2 * kept.LAYERS):
            module(torch.randn(1, 3, size))
            module(torch.randn(1, 3, size))
        assert len(kept._known[module.weight].layers) <= kept.LAYERS
        copied = copy.deepcopy(module)
        copied(torch.randn(1, 3, 5))
    assert len(kept._known) == before + 2
    del module, copied
    gc.collect()
    assert len(kept._known) == before


def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, no call may be unlike those before."""
    monkeypatch.setattr(kept, "_met", lambda *_: pytest.fail("not remembered"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("size", [3, 40])
def test_the_third_call_is_remembered(monkeypatch: pytest.MonkeyPatch, dtype: Any, size: int, *, last: bool) -> None:
    if dtype is torch.bfloat16:
        pytest.importorskip("ml_dtypes", reason="NumPy has no bfloat16 of its own")
    weight, bias = torch.randn(16, 8, 3, 3, dtype=dtype), torch.randn(8, dtype=dtype)
    inputs = [torch.randn(2, 16, size, size, dtype=dtype) for _ in range(2)]
    if last:
        inputs = [x.to(memory_format=torch.channels_last) for x in inputs]
    first = [[ours.conv_transpose2d(x, weight, bias, stride=2) for x in inputs] for _ in range(2)][-1]
    if dtype is not torch.bfloat16:
        remembered(monkeypatch)
    for x, y in zip(inputs, first, strict=True):
        again = ours.conv_transpose2d(x, weight, bias, stride=2)
        assert torch.equal(again, y)
        assert again.stride() == y.stride()


def test_calls_that_differ_in_one_thing() -> None:
    """Of the same weights at the same place: no call is taken for another."""
    weight, biases = torch.randn(4, 4, 3, 3), torch.randn(2, 8)
    x, y = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 5)
    spread = biases[:1, :1].expand(4, 1)[:, 0]
    calls: list[tuple[Any, Any, dict[str, Any]]] = [
        (x, None, {}),
        (x, biases[0, :4], {}),
        (x, biases[0, ::2], {}),
        (x, spread, {}),
        (x, biases[1, :4], {}),
        (y, None, {}),
        (x[:1], None, {}),
        (x.transpose(2, 3), None, {}),
        (x.to(memory_format=torch.channels_last), None, {}),
        (x, None, {"stride": 2}),
        (x, None, {"padding": 1}),
        (x, None, {"dilation": 2}),
        (x, None, {"stride": (1, 2)}),
    ]
    for _ in range(4):
        for given, bias, words in calls:
            expected = F.conv2d(given, weight, bias, **words)
            torch.testing.assert_close(ours.conv2d(given, weight, bias, **words), expected, rtol=1e-4, atol=1e-5)
    data = weight.data
    for other in (data.transpose(2, 3), data.transpose(0, 1), data[:, :, :2], data[:2], data[:1].expand(4, 4, 3, 3)):
        weight.data = other
        for _ in range(3):
            torch.testing.assert_close(ours.conv2d(x, weight), F.conv2d(x, weight), rtol=1e-4, atol=1e-5)


def test_a_default_device_does_not_matter() -> None:
    weight, x = torch.randn(8, 8, 3, 3), torch.randn(2, 8, 40, 40)
    expected = F.conv2d(x, weight)
    with torch.device("meta"):
        for _ in range(4):
            torch.testing.assert_close(ours.conv2d(x, weight), expected, rtol=1e-4, atol=1e-4)


def test_threads_that_call_while_the_weights_change() -> None:
    """Each call computes with the weights as they are; a barrier parts the writes from the calls."""
    weight, x = torch.ones(8, 8, 3, 3), torch.randn(1, 8, 40, 40)
    unit = F.conv2d(x, weight)
    with ThreadPoolExecutor(4) as pool:
        for factor in range(1, 20):
            weight.data.fill_(factor)
            for y in pool.map(lambda _: ours.conv2d(x, weight), range(8)):
                torch.testing.assert_close(y, factor * unit, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("size", [5, 80], ids=["small", "large"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_outputs_own_all_of_their_memory(size: int, dtype: Any, layout: Any) -> None:
    stock = nn.ConvTranspose2d(8, 16, 2, stride=2).to(dtype).eval()
    mine = copy.deepcopy(stock)
    ours.accelerate(mine)
    x = torch.randn(1, 8, size, size).to(dtype).contiguous(memory_format=layout)
    with torch.no_grad():
        expected = stock(x)
        for _ in range(4):
            y = mine(x)
            torch.testing.assert_close(y, expected)
            assert (y.stride(), y.storage_offset(), y._is_view()) == (expected.stride(), 0, False)
            assert y.untyped_storage().nbytes() == y.nbytes
    arrays = sys.modules["unstride.frameworks.torch.arrays"]
    assert (y.nbytes >= arrays.LARGE) == (size == 80)
