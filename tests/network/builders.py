"""Small networks, written by hand."""

from __future__ import annotations

import numpy as np

from unstride.dialects import torch as dialect
from unstride.network import Activation, Convolution, Graph, Input, Merge, Node, Pool, Stored


def weights(*shape: int, seed: int = 0) -> Stored:
    """Small integers in single precision."""
    return Stored.of(np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32))


def unet(*, output_padding: int = 0) -> Graph:
    """Two levels: a convolution, a pooling, a transposed convolution back, joined with what was before the pooling."""
    down = Convolution(dialect.Conv2d(3, 4, 3, padding=1), weights(4, 3, 3, 3), weights(4))
    up = Convolution(
        dialect.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=output_padding),
        weights(4, 4, 3, 3),
        weights(4),
    )
    last = Convolution(dialect.Conv2d(8, 2, 1), weights(2, 8, 1, 1), weights(2))
    nodes = (
        Node("down", down, ("x",)),
        Node("relu", Activation("relu"), ("down",)),
        Node("pool", Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0))), ("relu",)),
        Node("up", up, ("pool",)),
        Node("skip", Merge("concat"), ("relu", "up")),
        Node("last", last, ("skip",)),
    )
    return Graph("unet", (Input("x", 3, (None, None)),), nodes, ("last",))
