"""Random layers of every kind: the windows that frameworks' arguments describe, and any others."""

from __future__ import annotations

from math import prod
from random import Random

from unstride.geometry import Axis, Layer

LARGEST = 1_500
"""elements of the input or the output, at most"""


def draw(random: Random) -> Layer:
    """A layer: 1-D to 3-D, both directions, groups, bias, every stride and dilation, crops of every kind."""
    while True:
        rank = random.choice((1, 2, 2, 2, 3))
        transposed = random.random() < 0.65
        kind = random.choice(("same", "valid", "symmetric", "symmetric", "any", "any"))
        dilated = random.random() < 0.35
        first = _axis(random, rank, kind, dilated=dilated)
        equal = random.random() < 0.4
        others = (_axis(random, rank, kind, dilated=dilated) for _ in range(rank - 1))
        axes = (first, *((first,) * (rank - 1) if equal else others))
        groups = random.choice((1, 1, 1, 2, 3))
        small, large = (groups * random.randint(1, 3) for _ in range(2))
        layer = Layer(axes, small, large, groups, transposed, random.random() < 0.6)
        sizes = (layer.in_channels * prod(layer.input_size), layer.out_channels * prod(layer.output_size))
        if 0 not in (*layer.input_size, *layer.output_size) and max(sizes) <= LARGEST:
            return layer


def _axis(random: Random, rank: int, kind: str, *, dilated: bool) -> Axis:
    """One axis of that kind: how its large side lies in the full extent."""
    small, kernel = random.randint(1, (7, 5, 3)[rank - 1]), random.randint(1, (5, 4, 3)[rank - 1])
    stride = random.randint(1, (4, 3, 3)[rank - 1])
    dilation = random.choice((1, 2, 3)) if dilated else 1
    axis = Axis(small, 0, kernel, stride, dilation)
    if kind == "same":
        large = small * stride - (random.randrange(stride) if random.random() < 0.5 else 0)
        return Axis(small, large, kernel, stride, dilation, max(axis.full - large, 0) // 2)
    extra = random.randrange(stride) if random.random() < 0.5 else 0
    before, after = 0, 0
    if kind == "symmetric":
        before = after = random.randint(0, dilation * kernel // 2)
    if kind == "any":
        before, after = random.randint(-stride, axis.span), random.randint(-stride, axis.span)
    large = max(axis.full - before - after + extra, 0)
    return Axis(small, large, kernel, stride, dilation, before)
