"""Keras models, from ``.keras`` files, from configurations with weights beside them, and live, as network graphs.

A file is read as what it is, a zip archive of JSON and HDF5: no class is looked up, no function restored, Keras itself
is not needed. What a file holds besides layers of Keras's own becomes an Opaque step under its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..errors import Reason, UnstrideError
from ..network import Graph
from . import archive, safetensors
from .keras_config import Described, described
from .keras_graph import graph_of
from .keras_weights import Headed, Live, Saved, Shapes, Weights
from .limits import JSON_LIMIT, checked_file, parse_json

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
"""members of a ``.keras`` file"""


def read(path: str | Path, *, weights: bool = True) -> Graph:
    """The network in a ``.keras`` file of Keras 3 or of Keras 2.12 and later.

    ``weights=False`` leaves the numbers out, and their part of the file unopened. Raises UnstrideError where the file
    is damaged, too large, or does not hold the weights that its layers need.
    """
    with archive.opened(path) as members:
        config = parse_json(archive.member(members, CONFIG), f"{path}:{CONFIG}")
        present = set(members.namelist())
        metadata = parse_json(archive.member(members, METADATA), f"{path}:{METADATA}") if METADATA in present else {}
        size = members.getinfo(WEIGHTS).file_size if WEIGHTS in present else 0
    whole, generation = _whole(config, metadata)
    if not weights:
        return graph_of(whole, Shapes(), generation)
    return _with_saved(whole, generation, partial(archive.stream, path, WEIGHTS), str(path), size)


def read_config(path: str | Path, weights: str | Path | None = None, *, known: bool = True) -> Graph:
    """The network of a configuration, as ``model.to_json()`` gives it, and of a file with its weights.

    ``weights`` is a ``.weights.h5`` or a ``.safetensors`` file; without it, or with
    ``known=False``, only shapes are known. Raises as ``read``.
    """
    config = parse_json(checked_file(path, JSON_LIMIT).read_bytes(), str(path))
    whole, generation = _whole(config, config if isinstance(config, dict) else {})
    if weights is None:
        return graph_of(whole, Shapes(), generation)
    file = checked_file(weights)
    if file.suffix == ".safetensors":
        return graph_of(whole, Headed(safetensors.read_header(file)), generation)
    if not known and file.name.endswith(".weights.h5"):
        return graph_of(whole, Shapes(), generation)
    if not file.name.endswith(".weights.h5"):
        rule = "weights are read from a .weights.h5 or a .safetensors file"
        hint = "model.save_weights('model.weights.h5') writes one"
        raise UnstrideError(Reason.FILE, rule, argument="weights", value=str(weights), hint=hint)
    return _with_saved(whole, generation, partial(_opened, file), str(file), file.stat().st_size)


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")


def _with_saved(
    whole: Described, generation: int, opener: Callable[[], AbstractContextManager[IO[bytes]]], name: str, size: int
) -> Graph:
    saved = Saved(opener, name, size)
    graph = graph_of(whole, saved, generation)
    saved.check()
    return graph


def read_live(model: Any) -> Graph:
    """The network of a live Keras model, built as Sequential or from inputs and outputs; weights are copied when used.

    Raises UnstrideError for a model that computes by code of its own, or has not been built.
    """
    package = next(cls.__module__.partition(".")[0] for cls in type(model).__mro__ if _is_keras(cls.__module__))
    serialize = sys.modules[package].saving.serialize_keras_object
    try:
        config = json.loads(json.dumps(serialize(model), default=str))
    except NotImplementedError:
        config = {"class_name": type(model).__name__, "module": type(model).__module__, "config": {}}
    version = str(getattr(sys.modules[package], "__version__", "3"))
    whole, generation = _whole(config, {"keras_version": version})
    weights: Weights = Live(model)
    return graph_of(whole, weights, generation)


def is_live(thing: object) -> bool:
    """Whether the object is a Keras model, of Keras 3 or 2; no framework is imported to ask."""
    return any(cls.__name__ == "Model" and _is_keras(cls.__module__) for cls in type(thing).__mro__)


def is_layer(thing: object) -> bool:
    """Whether the object is a Keras layer or model."""
    return any(cls.__name__ == "Layer" and _is_keras(cls.__module__) for cls in type(thing).__mro__)


def _is_keras(module: str) -> bool:
    return module.partition(".")[0] in ("keras", "tf_keras")


def _whole(config: Any, metadata: Any) -> tuple[Described, int]:
    """The model that a configuration describes, and the generation of the Keras that wrote it."""
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    generation = 2 if isinstance(version, str) and version.startswith("2.") else 3
    return described(config), generation
