"""Channels in another order: of the input, of the output, of whole groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import wording
from .comparing import Difference, Kind, matched, unequal

Array = NDArray[Any]
Order = tuple[int, ...]


def orders(a: Array, b: Array, within: float) -> tuple[Order, Order] | None:
    """(inputs, outputs) such that ``b[i, o] = a[inputs[i], outputs[o]]`` for maps ``(in, out, ...)``; None for none.

    An order that moves one side alone is preferred.
    """
    same_in, same_out = tuple(range(a.shape[0])), tuple(range(a.shape[1]))
    outputs = _rows(a.swapaxes(0, 1), b.swapaxes(0, 1), within)
    if outputs is not None:
        return same_in, outputs
    inputs = _rows(a, b, within)
    if inputs is not None:
        return inputs, same_out
    # a row's cells in any order: their fingerprints sorted; the columns follow from the rows
    prints = fingerprints(a), fingerprints(b)
    scale = max(1.0, *(float(np.abs(each).max(initial=0)) for each in prints))
    inputs = matched(np.sort(prints[0], axis=1), np.sort(prints[1], axis=1), scale * (1e-9 if within == 0 else 1e-4))
    if inputs is None:
        return None
    outputs = _rows(a[list(inputs)].swapaxes(0, 1), b.swapaxes(0, 1), within)
    return None if outputs is None else (inputs, outputs)


def _rows(a: Array, b: Array, within: float) -> Order | None:
    return matched(a.reshape(len(a), -1), b.reshape(len(b), -1), within)


def fingerprints(a: Array) -> Array:
    """One number for what joins each input channel to each output channel."""
    cells = a.reshape(*a.shape[:2], -1).astype(np.float64)
    made: Array = cells @ np.random.default_rng(0).integers(1, 1 << 10, cells.shape[-1]).astype(np.float64)
    return made


def groups(a: Array, within: float) -> list[tuple[list[int], list[int]]]:
    """The input and output channels of each group: those that are joined; one entry for each."""
    joined = np.abs(a.reshape(*a.shape[:2], -1)).max(axis=2, initial=0) > within
    found: dict[bytes, tuple[list[int], list[int]]] = {}
    for channel, row in enumerate(joined):
        if row.any():
            found.setdefault(row.tobytes(), ([], np.flatnonzero(row).tolist()))[0].append(channel)
    return list(found.values())


def reordered(a: Array, b: Array, within: float) -> tuple[Difference, ...]:
    """What tells ``b`` from ``a``, if it is the order of channels alone; nothing where it is not."""
    found = orders(a, b, within)
    return () if found is None else order_words(*found, groups(a, within))


def order_words(inputs: Order, outputs: Order, blocks: list[tuple[list[int], list[int]]]) -> tuple[Difference, ...]:
    """Two orders in words."""
    moved_in, moved_out = inputs != tuple(range(len(inputs))), outputs != tuple(range(len(outputs)))
    if moved_in and moved_out:
        order = _blockwise(inputs, [ins for ins, _ in blocks])
        if order is not None and order == _blockwise(outputs, [outs for _, outs in blocks]):
            return (Difference(Kind.GROUPS, f"kernel's groups in another order: {wording.permutation(order)}"),)
    parts = []
    if moved_in:
        parts.append(_one_side(Kind.INPUT_CHANNELS, "input", inputs, [ins for ins, _ in blocks]))
    if moved_out:
        parts.append(_one_side(Kind.OUTPUT_CHANNELS, "output", outputs, [outs for _, outs in blocks]))
    return tuple(parts)


def _one_side(kind: Kind, side: str, order: Order, blocks: list[list[int]]) -> Difference:
    whole = _blockwise(order, blocks)
    if whole is not None and len(blocks) > 1:
        text = f"groups in another order: {wording.permutation(whole)}, the {side} channels of whole groups"
        return Difference(Kind.GROUPS, text)
    count, each = len(blocks), len(order) // max(1, len(blocks))
    interleaved = np.arange(len(order)).reshape(count, each).T.ravel() if count * each == len(order) else np.array(())
    text = f"{side} channels permuted: {wording.permutation(order)}"
    if (
        count > 1
        and each > 1
        and (np.array_equal(order, interleaved) or np.array_equal(np.argsort(order), interleaved))
    ):
        return Difference(Kind.GROUPS, f"{text}, the groups interleaved")
    return Difference(kind, text)


def _blockwise(order: Order, blocks: list[list[int]]) -> Order | None:
    """The order of the blocks, if whole blocks move and keep their inner order; None otherwise."""
    wanted = {tuple(block): number for number, block in enumerate(blocks)}
    found = [wanted.get(tuple(order[channel] for channel in block)) for block in blocks]
    known = tuple(number for number in found if number is not None)
    return known if len(known) == len(blocks) and sum(map(len, blocks)) == len(order) else None


def swapped(a: Array, b: Array, within: float) -> bool:
    """Whether input and output channels are exchanged: ``b[i, o] = a[o, i]``."""
    return a.shape[0] == a.shape[1] and not unequal(a.swapaxes(0, 1), b, within).any()
