"""PyTorch's modules: effective weights, element types, what is refused, and that nothing is changed; every verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unstride
from unstride import UnstrideError
from unstride.live import find
from unstride.testing.live import installed

if not installed("torch"):
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn
from torch.nn.utils import prune

pytestmark = pytest.mark.parity


def whole(module: nn.Module) -> Any:
    """The module with small integers for weights."""
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.copy_((torch.arange(parameter.numel()) * (index + 3) % 7 - 3).reshape(parameter.shape))
    return module


def asked(module: nn.Module, *size: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(computed here, computed by PyTorch)"""
    x = torch.arange(int(np.prod(size))).reshape(size) % 5 - 2
    x = x.to(next(module.parameters()).dtype)
    ours = unstride.run(module, x.numpy())
    with torch.no_grad():
        return ours, module(x).numpy()


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_weights_keep_their_type(kind: torch.dtype) -> None:
    module = whole(nn.ConvTranspose2d(2, 3, 3, stride=2, dtype=kind))
    found = find(module)
    assert found.kernel is not None
    assert f"torch.{found.kernel.dtype}" == str(kind)
    assert found.spec.code() == f"torch.nn.ConvTranspose2d(2, 3, 3, stride=2, dtype={kind})"
    np.testing.assert_array_equal(*asked(module, 1, 2, 4, 4))


def test_bfloat16_keeps_its_type_where_numpy_can_have_it() -> None:
    pytest.importorskip("ml_dtypes")
    module = whole(nn.Conv1d(2, 3, 3)).to(torch.bfloat16)
    found = find(module)
    assert found.kernel is not None
    assert found.kernel.dtype.name == "bfloat16"
    np.testing.assert_array_equal(found.kernel.astype(np.float32), module.weight.detach().float().numpy())


def test_without_numbers_there_is_a_spec() -> None:
    found = find(nn.ConvTranspose2d(2, 3, 3, device="meta"))
    assert (found.spec.code(), found.kernel, found.bias) == ("torch.nn.ConvTranspose2d(2, 3, 3)", None, None)
    with pytest.raises(UnstrideError, match="build the layer, or give the kernel's array"):
        unstride.run(nn.Conv2d(1, 1, 3, device="meta"), np.zeros((1, 1, 3, 3)))


def test_the_kernel_is_a_copy() -> None:
    module = nn.Conv1d(1, 1, 1, bias=False)
    found = find(module)
    assert found.kernel is not None
    before = found.kernel.copy()
    with torch.no_grad():
        module.weight += 1
    np.testing.assert_array_equal(found.kernel, before)


NORMED: list[Callable[[nn.Module], nn.Module]] = [
    nn.utils.parametrizations.weight_norm,
    nn.utils.parametrizations.spectral_norm,
    lambda module: nn.utils.parametrizations.spectral_norm(module).eval(),
    lambda module: nn.utils.spectral_norm(module).eval(),
    lambda module: prune.random_unstructured(module, "weight", amount=3),
    lambda module: prune.l1_unstructured(prune.random_unstructured(module, "bias", 1), "weight", 5),
]


@pytest.mark.parametrize("norm", NORMED)
@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_effective_weights_are_those_of_the_next_call(norm: Callable[[Any], Any]) -> None:
    module = norm(whole(nn.ConvTranspose2d(3, 2, 3)))
    state = {name: value.clone() for name, value in module.state_dict().items()}
    found = find(module)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    with torch.no_grad():
        module(torch.zeros(1, 3, 2, 2))
        np.testing.assert_array_equal(found.kernel, _weight(module).numpy())
        np.testing.assert_array_equal(found.bias, module.bias.numpy())


def _weight(module: Any) -> torch.Tensor:
    """The weight that the last call used: a parametrised one is computed again, in training once more changed."""
    weight: torch.Tensor = module.eval().weight.detach()
    return weight


def test_an_older_weight_norm_is_followed_after_its_parts_change() -> None:
    with pytest.warns(FutureWarning):
        module = nn.utils.weight_norm(nn.Conv2d(2, 3, 3))
    with torch.no_grad():
        module.weight_g *= 2
    found = find(module)
    with torch.no_grad():
        module(torch.zeros(1, 2, 3, 3))
    np.testing.assert_array_equal(found.kernel, module.weight.detach().numpy())


class Louder(nn.Conv2d):  # type: ignore[misc]  # PyTorch's types are not followed here
    """A subclass that does something else."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


class Named(nn.ConvTranspose1d):  # type: ignore[misc]  # as above
    """A subclass that does the same."""


def test_a_subclass_that_computes_the_same_is_read() -> None:
    assert find(Named(2, 3, 4, stride=2)).spec.code() == "torch.nn.ConvTranspose1d(2, 3, 4, stride=2)"


def hooked(name: str) -> nn.Module:
    module = nn.Conv2d(1, 1, 3)
    getattr(module, name)(lambda *_: None)
    return module


def replaced() -> nn.Module:
    module = nn.Conv2d(1, 1, 3)
    module.forward = lambda x: x  # as libraries do that wrap a layer
    return module


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: nn.LazyConv2d(3, 3), "has not seen an input yet, so that its in_channels are unknown"),
    (lambda: Louder(1, 1, 3), "has a forward of its own, which may compute anything; use a Conv2d with the same"),
    (replaced, "has a forward of its own"),
    (lambda: hooked("register_forward_hook"), "has a forward hook, which may change its output"),
    (lambda: hooked("register_forward_pre_hook"), r"has a pre-hook \(function\), which may change its input"),
    (lambda: nn.utils.spectral_norm(nn.Conv2d(2, 2, 3)), "has a spectral norm in training, which every call changes"),
    (
        lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        "padding_mode='reflect': only zero padding belongs",
    ),
    (lambda: (nn.Conv2d(1, 1, 3), {}), "holds its weights itself; leave them out"),
    (lambda: nn.Linear(1, 1), "spec=torch.nn.modules.linear.Linear: must be a spec or a live layer"),
    (lambda: nn.Sequential(nn.Conv2d(1, 1, 3)), "must be a spec or a live layer"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_what_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UnstrideError, match=words):
        find(make())


def test_a_lazy_module_is_read_once_it_knows_its_input() -> None:
    module = nn.LazyConvTranspose2d(3, 3)
    module(torch.zeros(1, 2, 4, 4))
    assert find(module).spec.code() == "torch.nn.ConvTranspose2d(2, 3, 3)"


def test_nothing_is_changed() -> None:
    module = nn.ConvTranspose2d(2, 3, 3).train()
    find(module)
    assert module.training
    assert module.weight.requires_grad
    assert module.weight.grad is None
    assert module.bias is not None


def test_every_verb_takes_a_module() -> None:
    module = whole(nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1))
    spec, shape = unstride.parse(module), (1, 8, 4, 4)
    assert spec == unstride.parse("torch.nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1)")
    assert unstride.explain(module, shape).output_shape == (1, 5, 8, 8)
    ours, theirs = asked(module, *shape)
    np.testing.assert_array_equal(ours, theirs)
    x = (np.arange(128).reshape(shape) % 5 - 2).astype(np.float32)
    np.testing.assert_array_equal(unstride.prepare(module, input_shape=shape)(x), theirs)
    np.testing.assert_array_equal(unstride.to_subpixel(module, input_shape=shape)(x), theirs)
    kernel = module.weight.detach().numpy()
    gain = unstride.checkerboard(module, input_shape=shape).gain
    wanted = unstride.checkerboard(spec, kernel, input_shape=shape).gain
    assert gain is not None
    assert wanted is not None
    assert gain.as_json() == wanted.as_json()
    drawn, expected = unstride.draw(module, shape), unstride.draw(spec, shape, kernel=kernel)
    assert drawn.svg() == expected.svg()
    assert unstride.port(module, to="keras", input_shape=shape).exact
    convolution = whole(nn.Conv2d(8, 20, 2, padding=1, bias=False))
    back = unstride.from_subpixel(convolution, stride=2, crop=1, input_shape=(1, 8, 16, 16))
    assert back.lines == ("torch.nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1, bias=False)",)


def test_weights_that_are_given_take_the_place_of_its_own() -> None:
    module = whole(nn.ConvTranspose1d(1, 1, 2, stride=2))
    x, kernel = np.array([[[1.0, 2.0]]], np.float32), np.array([[[3.0, 4.0]]], np.float32)
    np.testing.assert_array_equal(unstride.run(module, x, kernel), [[[3, 4, 6, 8]]])
    own = unstride.run(module, x, bias=np.zeros(1, np.float32))
    np.testing.assert_array_equal(own, unstride.run(module, x) - module.bias.detach().numpy())


def test_the_explorer_opens_at_a_module() -> None:
    pytest.importorskip("anywidget")
    widget: Any = unstride.explore(nn.ConvTranspose2d(1, 1, 3, stride=2), (1, 1, 4, 4))
    assert widget.first["code"] == "torch.nn.ConvTranspose2d(1, 1, 3, stride=2)"


def test_a_module_is_drawn_a_kernel_without_a_checkerboard() -> None:
    module = nn.ConvTranspose2d(4, 6, (4, 6), stride=(2, 3), groups=2, dtype=torch.float64)
    drawn = unstride.icnr(module, seed=1)
    same = unstride.icnr((4, 3, 4, 6), (2, 3), groups=2, seed=1, dtype=np.float64)
    np.testing.assert_array_equal(drawn, same)
    assert drawn.dtype == np.float64
    shuffled = unstride.icnr(nn.Conv2d(3, 8, 3), 2, subpixel=True, seed=1)
    np.testing.assert_array_equal(shuffled, unstride.icnr((8, 3, 3, 3), 2, subpixel=True, seed=1))
    with pytest.raises(UnstrideError, match="is for the convolution before a pixel shuffle"):
        unstride.icnr(nn.Conv2d(3, 8, 3), 2)
    with pytest.raises(UnstrideError, match="is given with a live layer, which has its dialect"):
        unstride.icnr(module, dialect="keras")
