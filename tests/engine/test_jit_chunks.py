"""How the product family cuts outputs into chunks."""

from __future__ import annotations

import pytest

from unstride.engine.jit import product as family
from unstride.engine.jit.ends import End
from unstride.engine.jit.target import host
from unstride.geometry import Axis, Layer

from .product import cut, square

TALL = {
    "a convolution": Layer((Axis(64, 64, 5, 1, 1, 2),) * 2, 64, 64, transposed=False),
    "its transpose": square(64, 5, 1, 2, 64, 64),
    "two phases": square(64, 4, 2, 1, 64, 32),
}
"""layers whose columns at the borders meet other taps"""


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize("layer", TALL.values(), ids=TALL)
def test_what_differs_at_the_borders_fills_tiles(layer: Layer, first: bool) -> None:
    shape = cut(layer, "float32", End(), host(), first=first)
    phases = layer.stride[0] if layer.transposed else 1
    pieces = family._pieces(shape, layer.in_channels * shape.item)
    assert len(pieces) > 1
    assert min(len(piece.outputs[0]) for piece in pieces) >= shape.form.positions(host()) * phases


def test_a_few_long_windows_are_not_cut_one_by_one() -> None:
    """Each chunk has tiles of its own, and one output is a tile of one."""
    layer = Layer((Axis(6, 21, 7, 4, 1, 3), Axis(3, 4, 6, 3, 1, 5), Axis(8, 15, 7, 2, 1, 3)), 9, 45, transposed=False)
    for first in (False, True):
        shape = cut(layer, "float32", End(), host(), first=first)
        pieces = family._pieces(shape, layer.in_channels * shape.item)
        assert len(pieces) > 1
        assert min(len(piece.outputs[0]) for piece in pieces) > 1
