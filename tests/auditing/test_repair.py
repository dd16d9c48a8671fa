"""A repaired network fits, and where it fitted before, it is the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.network.builders import unet, weights
from unstride.auditing.audit import audit
from unstride.auditing.repair import diff, repaired
from unstride.auditing.skips import Repair
from unstride.dialects import torch as dialect
from unstride.errors import UnstrideError
from unstride.network import Convolution, Graph, Input, Merge, Node, Pool
from unstride.network.evaluate import run


def deep(extra: int) -> Graph:
    """Pooled twice, and brought back twice, joined on the way."""
    up = Convolution(
        dialect.ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=extra, bias=False), weights(2, 2, 3, 3)
    )
    half = Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0)))
    nodes = (
        Node("half", half, ("x",)),
        Node("quarter", half, ("half",)),
        Node("up", up, ("quarter",)),
        Node("sum", Merge("add"), ("half", "up")),
        Node("up again", up, ("sum",)),
        Node("join", Merge("concat"), ("up again", "x")),
    )
    return Graph("deep", (Input("x", 2, (None, None)),), nodes, ("join",))


@given(st.integers(0, 1), st.integers(8, 21), st.integers(8, 21))
def test_what_is_repaired_fits(extra: int, height: int, width: int) -> None:
    graph = deep(extra)
    found = audit(graph, size=(height, width))
    mended, changes = repaired(found)
    x = np.random.default_rng(1).integers(-4, 5, (1, 2, height, width)).astype(np.float32)
    y = run(mended, x)
    assert isinstance(y, np.ndarray)
    assert y.shape == (1, 4, height, width)
    assert not audit(mended, size=(height, width)).propagation.misfits
    assert bool(changes) == bool(found.propagation.misfits)
    if not changes:
        np.testing.assert_array_equal(y, run(graph, x))


def test_an_argument_before_zeros() -> None:
    found = audit(unet(), size=(32, 32))
    _, (change,) = repaired(found)
    assert isinstance(change, Repair)
    assert change.text() == "output_padding=1 instead of 0"
    assert diff(found).splitlines() == [
        "@@ up @@",
        "-torch.nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1)",
        "+torch.nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)",
    ]
    assert "pad up with zeros" in diff(audit(unet(), size=(33, 33)))
    assert diff(audit(unet(output_padding=1), size=(32, 32))) == "nothing to repair at this size"


def test_what_cannot_be_repaired() -> None:
    with pytest.raises(UnstrideError, match="change the input's size"):
        repaired(audit(unet(output_padding=1), size=(1, 1)))
