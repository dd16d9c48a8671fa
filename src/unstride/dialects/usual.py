"""An input that a layer would take, for whoever has not given one: of its rank, and with its channels."""

from __future__ import annotations

from dataclasses import fields

from ..errors import Reason, UnstrideError
from .spec import Spec, checked_shape

RANKS = (2, 1, 3)
"""in the order that they are tried, where a call leaves its rank open"""
SIZE = 8


def usual_input(spec: Spec) -> tuple[int, ...] | None:
    """A shape that the spec can be read with, in its own data layout: one example, sizes 8; None where none is found.

    >>> from unstride import parse
    >>> usual_input(parse("torch.nn.ConvTranspose1d(512, 256, 16, stride=8)"))
    (1, 512, 8)
    """
    values = [getattr(spec, field.name) for field in fields(spec)]
    counts = dict.fromkeys([1, *(value for value in values if type(value) is int and value > 0)])
    tried = (_taken(spec, rank, channels) for rank in RANKS for channels in counts)
    return next((shape for shape in tried if shape is not None), None)


def input_hint(spec: Spec, option: str) -> str:
    """What to give instead of nothing; ``option`` is written before the shape, ``--input`` or ``input_shape=``."""
    shape = usual_input(spec)
    sizes = f"such as {option}{shape}" if shape else "batch and channels included"
    if option.startswith("--") and shape:
        sizes = f"such as {option} {','.join(map(str, shape))}"
    return f"give it in {spec.call}'s own data layout, {sizes}"


def given_shape(spec: Spec, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The input's shape; UnstrideError with an example where there is none."""
    known = spec.known_input_shape if shape is None else checked_shape(shape, "input_shape")
    if known is None:
        hint = input_hint(spec, "input_shape=")
        raise UnstrideError(Reason.SIZE, "is needed", argument="input_shape", value=None, hint=hint)
    return known


def _taken(spec: Spec, rank: int, channels: int) -> tuple[int, ...] | None:
    dimensions = rank + (2 if spec.batched else 1)
    try:
        layout = spec.data_layout(dimensions)
        if layout.rank != rank:
            return None
        shape = layout.join(1, channels, (SIZE,) * rank)
        weights = spec.weight_layout(rank)
        spec.read(shape, weights.shape_of((3,) * rank, channels, channels) if spec.functional else None)
    except UnstrideError:
        return None
    return shape
