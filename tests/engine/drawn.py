"""Layers drawn at random, and what machines can run them, for the families whose tiles walk along rows."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.engine.jit.target import Target, fitted, host, named
from unstride.geometry import Axis

Array = NDArray[Any]


class Draw:
    """A source of random layers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a test's cases, no secrets

    def axis(self, sizes: int, strides: int) -> Axis:
        """Of up to so many places, cropped or padded at both ends."""
        while True:
            draw = self.random.randint
            kernel, stride, dilation = draw(1, 5), self.random.choice([1, 2, draw(1, strides)]), draw(1, 3)
            small, span = draw(0, sizes), dilation * (kernel - 1) + 1
            before, after = draw(-5, span + 1), draw(-6, span + 1)
            large = max(0, small - 1) * stride + span - before - after
            if large >= 0:
                return Axis(small, large, kernel, stride, dilation, before)


def beside(canonical: Array) -> Array:
    """The array with each position's channels side by side."""
    return np.ascontiguousarray(np.moveaxis(canonical, 1, -1))


def runnable(cpu: str) -> Target:
    """A CPU by LLVM's name, where this machine runs its code; otherwise the test is skipped."""
    if not host().triple.startswith("x86_64") or named(host().triple, cpu).vector_bytes > host().vector_bytes:
        pytest.skip(f"code for {cpu} cannot run on this machine, which is no x86-64 CPU or has narrower vectors")
    return fitted(named(host().triple, cpu))
