"""Networks as PyTorch modules: live and from their source, against the engine, exactly wherever nothing rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from tests.network.builders import unet, weights
from unstride.dialects import torch as dialect
from unstride.network import Activation, Convolution, Graph, Input, Node
from unstride.network.evaluate import run
from unstride.porting.writing.common_writing import write
from unstride.porting.writing.torch import Torch
from unstride.testing.live import installed
from unstride.testing.networks import Sized, networks

from .zoo import everything, functions

Array = NDArray[Any]
ZOO = everything()
ROUNDS = {graph.name for graph in functions()}

pytestmark = [pytest.mark.parity, pytest.mark.skipif(not installed("torch"), reason="torch is not installed")]


def written(graph: Graph, size: tuple[int, ...] | None = None) -> Torch:
    found = write(graph, "torch", size)
    assert isinstance(found, Torch)
    return found


def pasted(found: Torch) -> Any:
    """The class in the source, made and given the weights of the state dict."""
    import torch

    names: dict[str, Any] = {}
    exec(found.source(), names)  # noqa: S102 - the source that is tested
    module = names[found.name]()
    arrays = {name: torch.from_numpy(array.copy()) for name, array in found.arrays().items()}
    assert set(arrays) == set(module.state_dict())
    module.load_state_dict(arrays)
    return module.eval()


def check(graph: Graph, found: Torch, *, batch: int, exact: bool) -> None:
    draw = np.random.default_rng(batch)
    sizes = found.lowered.sizes
    shaped = ((batch, each.channels, *sizes[each.name]) for each in graph.inputs)
    x = tuple(draw.integers(-3, 4, shape).astype(np.float32) for shape in shaped)
    wanted = run(replace(graph, channels_last=False), *x)
    live = found.build()
    module = pasted(found)
    assert list(live.state_dict()) == list(module.state_dict())
    made = found.call(live, x)
    for a, b, c in zip(wanted if isinstance(wanted, tuple) else (wanted,), made, found.call(module, x), strict=True):
        np.testing.assert_array_equal(b, c)
        if exact:
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * max(1.0, float(np.abs(a).max())))


@pytest.mark.parametrize("name", ZOO)
def test_every_operation(name: str) -> None:
    check(ZOO[name], written(ZOO[name]), batch=1, exact=name not in ROUNDS)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(sized=networks())
def test_random_networks_exactly(sized: Sized) -> None:
    check(sized.graph, written(sized.graph, sized.size), batch=2, exact=True)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(sized=networks(exact=False))
def test_random_networks_that_round(sized: Sized) -> None:
    check(sized.graph, written(sized.graph, sized.size), batch=2, exact=False)


def test_a_size_that_is_not_exact_raises() -> None:
    import torch

    found = written(unet(output_padding=1))
    for module in (found.build(), pasted(found)):
        assert module(torch.zeros(1, 3, 6, 4)).shape == (1, 2, 6, 4)
        for size in ((5, 4), (4, 5)):
            with pytest.raises(ValueError, match="must be"):
                module(torch.zeros(1, 3, *size))


def test_the_source_reads_as_one_would_write_it() -> None:
    lines = written(unet(output_padding=1)).source().splitlines()
    for line in (
        "class Unet(torch.nn.Module):",
        "        self.up = torch.nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)",
        "        pool = F.max_pool2d(relu, kernel_size=2, stride=2)",
        "        skip = torch.cat([relu, up], dim=1)",
        '        raise ValueError(f"height {height}: must be a multiple of 2")',
    ):
        assert line in lines


def test_names_of_the_source_never_meet_those_of_the_module() -> None:
    names = ["forward", "self", "torch", "F", "check_x", "x", "float", "train", "import", "load", "up full", 'a"""b\\']
    spec = dialect.Conv1d(2, 2, 1, bias=False)
    nodes = []
    before = "input"
    for index, name in enumerate(names):
        nodes.append(Node(name, Convolution(spec, weights(2, 2, 1, seed=index)), (before,)))
        nodes.append(Node(f"{name}.", Activation("relu"), (name,)))
        before = f"{name}."
    graph = Graph('F"""\n', (Input("input", 2, (None,)),), tuple(nodes), (before,))
    check(graph, written(graph), batch=2, exact=True)


def test_training_goes_on() -> None:
    import torch

    module = written(ZOO["norm"]).build()
    assert not module.training
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.train()(torch.randn(4, 4, 3, 4)).sum().backward()
    assert not torch.equal(before["y.running_mean"], module.state_dict()["y.running_mean"])
    assert all(each.grad is not None for each in module.parameters())
