"""ONNX files as network graphs; nothing of a file is run, and external data is read only where that is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import Reason, UnstrideError
from ..network import Graph
from .limits import checked_file
from .onnx_graph import build
from .onnx_tensors import Folder
from .onnx_wire import check_records

PROTOBUF_LIMIT = 2**31 - 1
"""bytes that a protocol buffer can have"""
_DAMAGE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError),
    *(RecursionError, MemoryError, RuntimeError, OSError),
)
"""what parsing raises for files that are not what they say"""


def read(source: str | Path | bytes | Any, *, external_data: bool = False) -> Graph:
    """The model in an ONNX file, its bytes, or a ``ModelProto``, as a graph; weights are read when they are needed.

    External data is read where ``external_data`` says so, from regular files under the model's own folder only; else
    such weights are known by their shapes. Steps that are not understood are ``Opaque``. Raises UnstrideError where
    the file is damaged, too large, or not what it says. Source: onnx.proto, onnx/docs/Operators.md (onnx 1.23).
    """
    onnx = _library()
    folder = Folder()
    if isinstance(source, (str, Path)):
        path = checked_file(source, PROTOBUF_LIMIT)
        folder = Folder(path.parent if external_data else None)
        try:
            source = path.read_bytes()
        except OSError as error:
            rule = f"cannot be read: {error.strerror or error}"
            raise UnstrideError(Reason.FILE, rule, argument="file", value=str(path)) from None
    elif external_data:
        rule = "external data lies beside a model's file"
        hint = "give the path of the file"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="external_data", value=external_data, hint=hint)
    model = _parsed(onnx, source) if isinstance(source, bytes) else source
    if not isinstance(model, onnx.ModelProto):
        rule = "must be a path, the bytes of a file, or an onnx.ModelProto"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="source", value=type(source).__name__)
    try:
        return build(model, folder)
    except UnstrideError:
        raise
    except _DAMAGE as error:
        raise UnstrideError(Reason.FILE, f"is no sound ONNX model: {error}", argument="file") from None


def _parsed(onnx: Any, data: bytes) -> Any:
    if len(data) > PROTOBUF_LIMIT:
        rule = f"has more than the {PROTOBUF_LIMIT} bytes that a protocol buffer can have"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="source", value=len(data))
    check_records(data)
    undecodable = import_module("google.protobuf.message").DecodeError
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (undecodable, *_DAMAGE) as error:
        raise UnstrideError(Reason.FILE, f"is no ONNX model: {error}", argument="file") from None
    return model


def _library() -> Any:  # the library is optional and ships no complete types
    try:
        import onnx
    except ImportError:
        hint = "pip install onnx"
        raise UnstrideError(Reason.FILE, "ONNX files need the onnx library", hint=hint) from None
    return onnx
