"""The output rows of one image, in tiles: rows that meet the same taps are computed at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ...geometry import Layer
from ..boxes import Strip, by_output, families
from .memory import Table, table
from .records import WORD
from .rows_pieces import Pieces
from .rows_shape import Shape
from .tables import Strides


@dataclass(frozen=True)
class Tiles:
    """The records of tiles' rows, and the runs that they share."""

    records: Table
    runs: Table
    ranges: dict[range, range]
    """for the rows of each piece, their records"""

    @classmethod
    def of(cls, shape: Shape, pieces: Pieces) -> Tiles:
        """The tiles of all pieces."""
        layer, x = shape.layer, pieces.strides
        y = Strides.packed(layer.output_size, shape.item * shape.beside[1])
        at, choice, firsts, runs = _rows(layer, x, y)
        found, ranges, end = [np.empty((0, shape.tile.rows), np.int64)], dict[range, range](), 0
        for rows in dict.fromkeys(piece.rows for piece in pieces.all):
            found.append(rows.start + _together(choice[rows.start : rows.stop], shape.tile.rows))
            ranges[rows] = range(end, end := end + len(found[-1]))
        order = np.concatenate(found)
        records = np.concatenate(
            [firsts[choice[order[:, 0]]], at[order].reshape(len(order), 2 * shape.tile.rows)], axis=1
        )
        return cls(records.reshape(-1), runs, ranges)


def by_row(layer: Layer, x: Strides, y: Strides) -> tuple[Table, Table]:
    """For each output row its runs, their number, bytes before its inputs and before itself; and the runs."""
    at, choice, firsts, runs = _rows(layer, x, y)
    return np.concatenate([firsts[choice], at], axis=1), runs


def _rows(layer: Layer, x: Strides, y: Strides) -> tuple[Table, Table, Table, Table]:
    """For each output row bytes before its inputs and before itself, and which runs it has; where these are; they."""
    strips = [by_output(axis, layer.transposed) for axis in layer.axes[:-1]]
    runs, firsts = _runs(layer, strips, x)
    sizes = layer.output_size[:-1]
    at, choice = np.zeros((*sizes, 2), np.int64), np.zeros(sizes, np.int64)
    for axis, own in enumerate(strips):
        along = [-1 if other == axis else 1 for other in range(len(strips))]
        numbers, starts = (part.reshape(along) for part in _along(sizes[axis], own))
        at[..., 0] += starts * x.axes[axis]
        at[..., 1] += np.arange(sizes[axis]).reshape(along) * y.axes[axis]
        choice = choice * len(own) + numbers
    return at.reshape(-1, 2), choice.reshape(-1), firsts, runs


def _together(choice: Table, rows: int) -> Table:
    """The rows of each tile: so many of the same choice, the last one again where there are no more.

    >>> _together(np.array([0, 1, 0, 1, 0]), 2).tolist()
    [[0, 2], [1, 3], [4, 4]]
    """
    tiles = [np.empty((0, rows), np.int64)]
    for each in np.unique(choice):
        own = np.flatnonzero(choice == each)
        tiles.append(np.append(own, np.repeat(own[-1], -len(own) % rows)).reshape(-1, rows))
    found = np.concatenate(tiles)
    return found[np.argsort(found[:, 0])]


def _along(size: int, strips: tuple[Strip, ...]) -> tuple[Table, Table]:
    """For each output index of an axis: the number of its strip, and the input index at its first tap."""
    numbers, starts = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for number, strip in enumerate(strips):
        own = slice(strip.output.start, strip.output.stop, strip.output.step)
        numbers[own] = number
        if strip.taps:
            starts[own] = strip.first + strip.along * np.arange(len(strip.output))
    return numbers, starts


def _runs(layer: Layer, strips: list[tuple[Strip, ...]], x: Strides) -> tuple[Table, Table]:
    """For each choice of strips its taps, as bytes before the inputs and number; where they begin, and how many."""
    found: list[tuple[int, int]] = []
    firsts: list[tuple[int, int]] = []
    order = [families(axis, layer.transposed) for axis in layer.axes[: len(strips)]]
    for choice in product(*strips):
        begin = len(found)
        taps = [_met(own, each) for own, each in zip(order, choice, strict=True)]
        for index in product(*(range(len(own)) for own in taps)):
            at, number = 0, 0
            for axis, each in enumerate(index):
                at += choice[axis].across * x.axes[axis] * each
                number = number * layer.kernel[axis] + taps[axis][each]
            found.append((at, number))
        firsts.append((2 * begin * WORD, len(found) - begin))
    return table(found), np.array(firsts, np.int64).reshape(-1, 2)


def _met(order: tuple[range, ...], strip: Strip) -> range:
    """The taps of a strip."""
    return order[strip.family][strip.at : strip.at + len(strip.taps)] if strip.taps else range(0)
