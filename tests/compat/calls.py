"""One line of a framework's source, called here and in the real framework on the same arrays."""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.testing.live import adapter, installed
from unstride.testing.live.source import placed, read

Array = NDArray[np.float32]


def needs(name: str) -> list[pytest.MarkDecorator]:
    """The marks of a module whose tests ask that framework."""
    return [pytest.mark.parity, pytest.mark.skipif(not installed(name), reason=f"{name} is not installed")]


def integers(draw: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Small integers: every sum of their products is exact in single precision."""
    return draw.integers(-4, 5, shape).astype(np.float32)


def computed_here(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What ``unstride.compat`` returns for the line."""
    line = read(code, placed(lambda array: array, x, kernel, bias))
    first, *rest = line.name.split(".")
    home: Any = import_module(f"unstride.compat.{'tensorflow' if first == 'tf' else first}")
    target: Any = reduce(getattr, rest, home)
    answer: Any = line.call(target)
    if line.name.startswith("keras.layers."):
        answer.build(x.shape)
        answer.set_weights([kernel] if bias is None else [kernel, bias])
        answer = answer(x)
    return np.asarray(answer, np.float32)


def check_same(framework: str, code: str, x: Array, kernel: Array, bias: Array | None = None) -> None:
    """Fail unless both give the same shape and exactly the same values."""
    real = adapter(framework).evaluate(code, x, kernel, bias)
    here = computed_here(code, x, kernel, bias)
    assert here.shape == real.shape, code
    assert np.array_equal(here, real), code
