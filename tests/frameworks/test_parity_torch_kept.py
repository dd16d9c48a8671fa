"""Weights that are packed once: whatever writes to them, the next call knows."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
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
    before = len(kept._met)
    module = nn.Conv1d(3, 3, 3)
    ours.accelerate(module)
    with torch.no_grad():
        for size in range(5, 5 + 2 * kept.LAYERS):
            module(torch.randn(1, 3, size))
            module(torch.randn(1, 3, size))
        assert len(kept._met[module.weight]) <= kept.LAYERS
        copied = copy.deepcopy(module)
        copied(torch.randn(1, 3, 5))
    assert len(kept._met) == before + 2
    del module, copied
    gc.collect()
    assert len(kept._met) == before
