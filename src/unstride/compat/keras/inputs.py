"""What stands for data before there is any: ``keras.Input`` and ``keras.layers.InputLayer``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np

from ...errors import Reason, UnstrideError
from ..checks import element_type, mapping
from .names import choose_name

Shape: TypeAlias = tuple[int | None, ...]
"""A shape in which None is a size that is not known yet."""


@dataclass(frozen=True, slots=True)
class KerasTensor:
    """A shape that layers can be called on; no graph is kept, so it says what comes out and nothing more."""

    shape: Shape
    dtype: str
    name: str


def Input(  # noqa: N802 - Keras's name
    shape: Iterable[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    batch_shape: Iterable[int | None] | None = None,
    name: str | None = None,
) -> KerasTensor:
    """``keras.Input``: give ``shape`` without the batch, or ``batch_shape`` with it.

    >>> Input((8, 8, 1024)).shape
    (None, 8, 8, 1024)
    """
    return InputLayer(shape, batch_size, dtype, batch_shape=batch_shape, name=name).output


class InputLayer:
    """``keras.layers.InputLayer``: the first entry of a ``Sequential`` whose input shape is known."""

    def __init__(
        self,
        shape: Iterable[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool = False,
        ragged: bool = False,
        batch_shape: Iterable[int | None] | None = None,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        if any(isinstance(flag, np.ndarray) or flag for flag in (sparse, ragged, optional)):
            rule = "sparse, ragged and optional inputs are no arrays"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="sparse, ragged, optional", value=True)
        if (shape is None) == (batch_shape is None):
            rule = "give one of shape and batch_shape"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="shape", value=shape)
        self.batch_shape = checked(
            (batch_size, *checked(shape, "shape")) if shape is not None else batch_shape, "batch_shape"
        )
        self.dtype = (
            dtype if isinstance(dtype, str) else element_type("float32" if dtype is None else dtype, "dtype").name
        )
        self.name = choose_name(name, InputLayer)

    @property
    def output(self) -> KerasTensor:
        """What layers are called on."""
        return KerasTensor(self.batch_shape, self.dtype, self.name)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The input with that config, which may come from Keras."""
        given = mapping(config, "config")
        try:
            return cls(**given)
        except TypeError as error:
            raise UnstrideError(Reason.ARGUMENT, str(error), argument="config", value=given) from None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras keeps them."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }


def checked(shape: object, name: str) -> Shape:
    """A shape as a tuple of sizes and None; anything else is an UnstrideError."""
    entries = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else None
    if entries is None or any(entry is not None and (type(entry) is not int or entry < 0) for entry in entries):
        rule = "must be a sequence of non-negative integers and None"
        raise UnstrideError(Reason.SIZE, rule, argument=name, value=shape)
    return entries
