"""Random calls of ``jax.lax.conv_transpose`` on small integers, and what they are compared with."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = Any
Draw = np.random.Generator
LETTERS = "HWD"


def integers(draw: Draw, *shape: int) -> Array:
    """Small integers, exact in single precision."""
    return jnp.asarray(draw.integers(-4, 5, shape), "float32")


def same(mine: Any, wanted: Any) -> None:
    for ours, theirs in zip(jax.tree.leaves(mine), jax.tree.leaves(wanted), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def pick(draw: Draw, low: int, high: int, count: int) -> tuple[int, ...]:
    return tuple(draw.integers(low, high + 1, count).tolist())


def shuffled(draw: Draw, letters: str) -> str:
    return "".join(draw.permutation(list(letters)).tolist())


def windows(draw: Draw, kernel: tuple[int, ...], spread: tuple[int, ...]) -> dict[str, Any]:
    """Any padding: words, pairs of both readings, of both signs."""
    which = draw.integers(4)
    if which < 2:
        return {"padding": ("SAME", "VALID")[which]}
    if which == 2:
        edges = [d * (k - 1) for k, d in zip(kernel, spread, strict=True)]
        return {"padding": tuple((int(draw.integers(-1, e + 4)), int(draw.integers(-1, e + 4))) for e in edges)}
    pairs = zip(pick(draw, -4, 2, len(kernel)), pick(draw, -4, 2, len(kernel)), strict=True)
    return {"padding": tuple(pairs), "use_consistent_padding": True}


def case(draw: Draw, rank: int) -> tuple[Array, Array, dict[str, Any]]:
    """Input, kernel and arguments of a random call that ``lax`` takes."""
    while True:
        x, kernel, words = unchecked(draw, rank)
        try:
            jax.eval_shape(partial(cut, **words), x, kernel)
            jax.eval_shape(partial(lax.conv_transpose, **words), x, kernel)
        except ValueError:  # more cropped than there is
            continue
        return x, kernel, words


def unchecked(draw: Draw, rank: int) -> tuple[Array, Array, dict[str, Any]]:
    size, kernel = pick(draw, 1, 5 - rank, rank), pick(draw, 1, 6 - rank, rank)
    spread = pick(draw, 1, 3, rank) if draw.integers(2) else (1,) * rank
    words: dict[str, Any] = {"strides": pick(draw, 1, 4, rank), **windows(draw, kernel, spread)}
    words |= {"rhs_dilation": spread, "transpose_kernel": bool(draw.integers(2))}
    orders = [f"N{LETTERS[:rank]}C", f"{LETTERS[:rank]}IO", f"N{LETTERS[:rank]}C"]
    if draw.integers(2):
        orders = [shuffled(draw, each) for each in orders]
        words["dimension_numbers"] = tuple(orders)
    batch, taken, made = pick(draw, 1, 3, 3)
    spatial = dict(zip(LETTERS, size, strict=False))
    taps = dict(zip(LETTERS, kernel, strict=False))
    channels = {"I": made, "O": taken} if words["transpose_kernel"] else {"I": taken, "O": made}
    x = integers(draw, *(({"N": batch, "C": taken} | spatial)[letter] for letter in orders[0]))
    return x, integers(draw, *((channels | taps)[letter] for letter in orders[1])), words


def cut(x: Array, kernel: Array, padding: Any, use_consistent_padding: bool = False, **words: Any) -> Array:
    """``lax``'s layer, pairs cut from its full extent.

    The input's gradient is then one without negative padding, where XLA for CPU reads outside the array (jax 0.10.2).
    """
    if isinstance(padding, str):
        return lax.conv_transpose(x, kernel, padding=padding, **words)
    rank = x.ndim - 2
    full = lax.conv_transpose(x, kernel, padding=((0, 0),) * rank, use_consistent_padding=True, **words)
    spatial = LETTERS[:rank]
    _, rhs, out = words.get("dimension_numbers") or (None, f"{spatial}IO", f"N{spatial}C")
    edges = [(0, 0, 0)] * x.ndim
    letters = [letter for letter in rhs if letter in spatial]
    for letter, spread, (low, high) in zip(letters, words["rhs_dilation"], padding, strict=True):
        edge = spread * (kernel.shape[rhs.index(letter)] - 1)
        margins = (-low, -high) if use_consistent_padding else (low - edge, high - edge)
        edges[out.index(letter)] = (*margins, 0)
    return lax.pad(full, jnp.zeros((), full.dtype), edges)


def everything(layer: Any, x: Array, kernel: Array, y: Array, dx: Array, dk: Array) -> Any:
    """The value, both gradients, and the derivative along a direction."""
    made, back = jax.vjp(layer, x, kernel)
    return made, back(y), jax.jvp(layer, (x, kernel), (dx, dk))[1]
