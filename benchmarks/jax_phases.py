"""The JAX layer against ``jax.lax.conv_transpose``, on this machine: ``python benchmarks/jax_phases.py --seconds 60``.

Both are compiled by ``jax.jit`` and asked in turn, in another order each round; the ratio is the median of the rounds'
ratios, above 1 where the phases are faster. ``gradient`` is the sum of both gradients' work, forward left out where
XLA finds it unused. The values are compared first.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from unstride.frameworks.jax import conv_transpose

LEAST_ROUNDS = 5


class Case(NamedTuple):
    """One layer: input (batch, *size, channels), kernel (*taps, channels, channels)."""

    name: str
    input: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str | tuple[tuple[int, int], ...]


CASES = (
    Case("unet-k3-s2", (1, 32, 32, 128), (3, 3, 128, 64), (2, 2), "SAME"),
    Case("unet-k2-s2", (1, 32, 32, 128), (2, 2, 128, 64), (2, 2), "SAME"),
    Case("dcgan-k4-s2", (8, 8, 8, 256), (4, 4, 256, 128), (2, 2), "SAME"),
    Case("hifigan-k16-s8", (1, 100, 512), (16, 512, 256), (8,), ((11, 11),)),
)

Call = Callable[..., Any]


def calls(case: Case) -> dict[str, tuple[tuple[Any, ...], tuple[Call, Call]]]:
    """What is timed: arguments, and the two competitors, ours first."""
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.standard_normal(shape, "float32")) for shape in (case.input, case.kernel))
    layers = [
        partial(each, strides=case.strides, padding=case.padding) for each in (conv_transpose, lax.conv_transpose)
    ]
    y = jnp.asarray(rng.standard_normal(jax.eval_shape(layers[1], x, kernel).shape, "float32"))

    def both(layer: Call, x: Any, kernel: Any, y: Any) -> Any:
        return jax.vjp(layer, x, kernel)[1](y)

    def one(layer: Call, at: int, x: Any, kernel: Any, y: Any) -> Any:
        return both(layer, x, kernel, y)[at]

    made: dict[str, list[Call]] = {
        "forward": [jax.jit(layer) for layer in layers],
        "gradient": [jax.jit(partial(both, layer)) for layer in layers],
        "of the input": [jax.jit(partial(one, layer, 0)) for layer in layers],
        "of the kernel": [jax.jit(partial(one, layer, 1)) for layer in layers],
    }
    given = {name: (x, kernel) if name == "forward" else (x, kernel, y) for name in made}
    return {name: (given[name], (pair[0], pair[1])) for name, pair in made.items()}


def seconds(call: Call, arguments: tuple[Any, ...]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call(*arguments))
    return time.perf_counter() - start


def agree(pair: tuple[Call, Call], arguments: tuple[Any, ...]) -> None:
    """Both compiled, their values equal within rounding."""
    for mine, stock in zip(*(jax.tree.leaves(call(*arguments)) for call in pair), strict=True):
        np.testing.assert_allclose(mine, stock, rtol=1e-3, atol=1e-3 * float(jnp.abs(stock).max()))


def rounds(pair: tuple[Call, Call], arguments: tuple[Any, ...], limit: float) -> list[tuple[float, float]]:
    """The times of both, asked in turn until the time is used up."""
    order = random.Random(0)  # noqa: S311 - an order, not a secret
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + limit
    while len(times) < LEAST_ROUNDS or time.perf_counter() < end:
        took = {}
        for which in order.sample((0, 1), 2):
            took[which] = seconds(pair[which], arguments)
        times.append((took[0], took[1]))
    return times


def main() -> None:
    """Print every ratio."""
    parser = argparse.ArgumentParser(description="The JAX layer against jax.lax.conv_transpose.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all cases together, compilation left out")
    parser.add_argument("--case", choices=[case.name for case in CASES], help="only this one")
    options = parser.parse_args()
    chosen = [case for case in CASES if options.case in (None, case.name)]
    print(f"jax {jax.__version__} on {jax.devices()[0].platform}")
    print(f"{'case':<16}{'what':<16}{'ours ms':>10}{'lax ms':>10}{'ratio':>8}{'rounds':>8}")
    for case in chosen:
        timed = calls(case)
        for name, (arguments, pair) in timed.items():
            agree(pair, arguments)
            times = rounds(pair, arguments, options.seconds / len(chosen) / len(timed))
            mine, stock = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
            ratio = statistics.median(theirs / ours for ours, theirs in times)
            print(f"{case.name:<16}{name:<16}{mine:>10.2f}{stock:>10.2f}{ratio:>8.2f}{len(times):>8}", flush=True)


if __name__ == "__main__":
    main()
