"""Where the numbers of a Keras model come from: nowhere, a ``.weights.h5``, a ``.safetensors`` file, the live layers.

Source: keras/src/saving/saving_lib.py (Keras 3.15): a layer's arrays lie at ``layers/<class>_<n>/vars/<i>``, where n
counts the layers of that class within their model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, Protocol

from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..live.arrays import as_numpy
from ..network import Stored
from . import hdf5
from .hdf5 import Opener
from .keras_config import Model
from .limits import EXPANSION_LIMIT, SMALL

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer's arrays are: its path in a weights file, and the names of its models and itself."""

    path: str = ""
    names: tuple[str, ...] = ()

    def within(self, model: Model) -> dict[str, Place]:
        """The places of a model's layers, by their names."""
        used: dict[str, int] = {}
        found = {}
        for layer in model.stored:
            if not layer.layered:
                continue
            kind = snake_case(layer.kind)
            used[kind] = used.get(kind, -1) + 1
            stem = f"{self.path}/layers/{kind}" + (f"_{used[kind]}" if used[kind] else "")
            found[layer.name] = Place(stem.removeprefix("/"), (*self.names, layer.name))
        return found


@cache
def snake_case(name: str) -> str:
    """A class's name as Keras writes it in a path.

    >>> snake_case("Conv2DTranspose"), snake_case("ReLU")
    ('conv2d_transpose', 're_lu')
    """
    plain = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", plain).lower()


class Weights(Protocol):
    """A source of arrays."""

    def stored(self, place: Place, index: int, name: str, shape: tuple[int, ...]) -> Stored:
        """One array of one layer, which must have that shape."""


class Shapes:
    """No numbers: shapes alone."""

    def stored(self, place: Place, index: int, name: str, shape: tuple[int, ...]) -> Stored:
        del place, index, name
        return Stored(shape, "float32")


class Live:
    """The arrays of a live model's layers, copied when they are asked for."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: Callable[[tuple[str, ...]], Mapping[str, Any]] = cache(self._variables)

    def stored(self, place: Place, index: int, name: str, shape: tuple[int, ...]) -> Stored:
        def load() -> Array:
            variable = self._kept(place.names).get(str(index))
            array = as_numpy(getattr(variable, "_value", variable), name)
            if array is None:
                rule = "has not been built: it has no weights yet"
                raise UnstrideError(Reason.ARGUMENT, rule, argument="layer", value="/".join(place.names))
            return array.astype("float32") if array.dtype.name == "bfloat16" else array

        return Stored(shape, "float32", load)

    def _variables(self, names: tuple[str, ...]) -> Mapping[str, Any]:
        """A layer's variables by their numbers, as it would save them."""
        layer = self._model
        for name in names:
            layer = layer.get_layer(name)
        kept: dict[str, Any] = {}
        layer.save_own_variables(kept)
        return kept


class Saved:
    """The arrays of a ``.weights.h5``; ``check`` looks at all that were asked for before any is read."""

    def __init__(self, opener: Opener, name: str, size: int) -> None:
        self._opener, self._name, self._size = opener, name, size
        self._wanted: dict[str, tuple[int, ...]] = {}

    def stored(self, place: Place, index: int, name: str, shape: tuple[int, ...]) -> Stored:
        del name
        path = f"{place.path}/vars/{index}"
        self._wanted[path] = shape

        def load() -> Array:
            with hdf5.opened(self._opener, self._name) as root:
                return hdf5.values(root, _moved(root, path), shape)

        return Stored(shape, "float32", load)

    def check(self) -> None:
        """UnstrideError where an array is missing, is of another shape, or is not plainly stored in the file."""
        if not self._wanted:
            return
        total = sum(prod(shape) for shape in self._wanted.values())
        if total > SMALL + EXPANSION_LIMIT * self._size:
            rule = f"the model needs {total} numbers, its weights are {self._size} bytes"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=self._name)
        with hdf5.opened(self._opener, self._name) as root:
            for path, shape in self._wanted.items():
                hdf5.checked(root, _moved(root, path), shape)


def _moved(root: Any, path: str) -> str:
    """The path; as the first files of this kind (TensorFlow 2.12) have it, where the file is one of them."""
    return path.replace("layers", _FIRST_NAME) if _FIRST_NAME in root and "layers" not in root else path


_FIRST_NAME = "_layer_checkpoint_dependencies"


class Headed:
    """The arrays of a ``.safetensors`` file, named by the layers' names: ``model/layer/kernel``, or with dots."""

    def __init__(self, arrays: Mapping[str, Stored]) -> None:
        self._arrays = arrays

    def stored(self, place: Place, index: int, name: str, shape: tuple[int, ...]) -> Stored:
        del index
        key = "/".join((*place.names, name))
        found = self._arrays.get(key) or self._arrays.get(key.replace("/", "."))
        if found is None:
            raise UnstrideError(Reason.FILE, f"has no array {key}", argument="weights", value=key)
        if found.shape != shape:
            rule = f"{key} has the shape {found.shape}, the model needs {shape}"
            raise UnstrideError(Reason.FILE, rule, argument="weights", value=found.shape)
        return found
