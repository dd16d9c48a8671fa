"""The plan: pure, cached, printable, and honest about what will be done."""

import tracemalloc

import numpy as np
import pytest

from unstride.engine.boxes import by_output, families
from unstride.engine.plan import TILE, Plan, plan
from unstride.geometry import Axis, Layer

from . import rows
from .rows import QUICK

LAYER = Layer((Axis(8, 16, 3, 2),) * 2, small_channels=1024, large_channels=512)


def test_equal_requests_give_the_same_plan() -> None:
    assert plan(LAYER, batch=2) is plan(Layer(LAYER.axes, 1024, 512), batch=2)
    assert plan(LAYER) == Plan(LAYER, "blas", 1, "float32", "taps")


def test_it_counts_products_and_bytes() -> None:
    made = plan(LAYER, batch=3)
    # per axis, tap 2 of the last small element lies beyond the large side: 8 + 8 + 7 products
    assert made.multiply_accumulates == 3 * 23 * 23 * 1024 * 512
    assert made.output_bytes == 3 * 512 * 16 * 16 * 4
    assert made.input_bytes == 4 * (3 * 1024 * 8 * 8 + 1024 * 512 * 9)
    assert plan(LAYER, batch=3, dtype="float64").output_bytes == 2 * made.output_bytes


def test_it_prints() -> None:
    text = str(plan(Layer((Axis(2, 4, 3, stride=2),), small_channels=8, large_channels=4, groups=2), batch=5))
    assert text.splitlines() == [
        "1-D transposed convolution, 8 -> 4 channels, groups 2",
        "  axis 0: small 2, large 4, kernel 3, stride 2, dilation 1, before 0, after 1; 3 strips",
        "engine blas: batch 5, sums in float32, 3 boxes cut by outputs",
        f"{5 * 16 * 5:,} multiply-accumulates",
        f"{4 * (5 * 16 + 48):,} B in, {4 * 5 * 16:,} B out, {4 * (5 * 16 + 48) + 12 * TILE:,} B workspace",
    ]


def test_few_channels_are_cut_by_outputs_and_many_by_taps() -> None:
    axes = (Axis(56, 56, 3, 1, 1, 1),) * 2
    assert plan(Layer(axes, 64, 64)).cut == "outputs"
    assert plan(Layer((Axis(4, 4, 7, 1, 1, 3),) * 2, 512, 512)).cut == "taps"
    assert plan(Layer(axes, 64, 64, groups=64)).cut == "taps"


@pytest.mark.parametrize("transposed", [True, False])
def test_strips_of_a_known_axis(transposed: bool) -> None:
    strips = by_output(Axis(small=2, large=4, kernel=3, stride=2), transposed)
    shown = [(list(strip.output), list(strip.taps), [list(inputs) for inputs in strip.inputs]) for strip in strips]
    if transposed:
        assert shown == [([0], [0], [[0]]), ([2], [2, 0], [[0], [1]]), ([1, 3], [1], [[0, 1]])]
    else:
        assert shown == [([0], [0, 1, 2], [[0], [1], [2]]), ([1], [0, 1], [[2], [3]])]


def test_families_of_a_dilated_axis() -> None:
    """Dilation 2 with stride 4 leaves half of the phases without a tap."""
    assert [list(taps) for taps in families(Axis(3, 12, 5, 4, 2), transposed=True)] == [[4, 2, 0], [3, 1]]
    assert [list(taps) for taps in families(Axis(3, 12, 5, 4, 2), transposed=False)] == [[0, 1, 2, 3, 4]]


def test_a_huge_stride_costs_nothing() -> None:
    axis = Axis(small=2, large=3, kernel=1, stride=10**12)
    assert [list(strip.output) for strip in by_output(axis, transposed=True)] == [[0], [1], [2]]


@pytest.mark.parametrize("engine", QUICK)
@pytest.mark.parametrize(
    "layer",
    [
        Layer((Axis(64, 128, 7, 2, 1, 3),) * 2, small_channels=32, large_channels=32),
        Layer((Axis(64, 128, 7, 2, 1, 3),) * 2, small_channels=32, large_channels=32, transposed=False),
        Layer((Axis(256, 256, 1),) * 2, small_channels=2, large_channels=100),
    ],
)
def test_the_workspace_is_an_upper_bound(engine: str, layer: Layer) -> None:
    """What is allocated stays below what the memory check was told: no buffer has all taps, or all products."""
    x = np.ones((2, layer.in_channels, *layer.input_size), np.float32)
    weights = np.ones((layer.small_channels, layer.large_channels, *layer.kernel), np.float32)
    rows.run(engine, layer, x, weights)
    tracemalloc.start()
    rows.run(engine, layer, x, weights)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= plan(layer, batch=2).bytes + 2**20
