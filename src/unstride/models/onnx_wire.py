"""How much an ONNX file would make a parser allocate, counted on its bytes before it is parsed.

A protocol buffer is a sequence of records, each a key and a value; an empty record takes two bytes in the file and tens
of times that in memory. Source: the encoding of protocol buffers, and the field numbers of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import Reason, UnstrideError
from .limits import DEPTH_LIMIT

RECORD_LIMIT = 4_000_000
"""most records in a file, those within records included"""

_MESSAGES: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 8: "opset", 14: "entry", 25: "function"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 14: "other", 15: "sparse", 16: "entry"},
    "node": {5: "attribute", 9: "entry"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "function": {7: "node", 11: "attribute", 12: "value", 14: "entry"},
    "tensor": {13: "entry", 16: "entry"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type", 4: "entry"},
    "type": {1: "typed"},
    "typed": {2: "shape"},
    "shape": {1: "other"},
    "opset": {},
    "entry": {},
    "other": {},
}
"""message -> field number -> the message that the field holds; other fields hold numbers and texts"""


def check_records(data: bytes) -> None:
    """UnstrideError where the file is no sequence of records, nests too deep, or has too many of them."""
    pending: list[tuple[str, int, int, int]] = [("model", 0, len(data), 0)]
    records = 0
    while pending:
        message, start, stop, depth = pending.pop()
        if depth > DEPTH_LIMIT:
            rule = f"nests more than {DEPTH_LIMIT} messages"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=message)
        fields = _MESSAGES[message]
        while start < stop:
            number, begin, end = _record(data, start, stop)
            records += 1
            if records > RECORD_LIMIT:
                rule = f"holds more than {RECORD_LIMIT} records"
                raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=len(data))
            if begin < end and number in fields:
                pending.append((fields[number], begin, end, depth + 1))
            start = end


def _record(data: bytes, at: int, stop: int) -> tuple[int, int, int]:
    """Field number of the record at ``at``, and where its value lies; empty where it is a number."""
    key, at = _varint(data, at, stop)
    kind = key & 7
    if kind == 2:
        length, at = _varint(data, at, stop)
        if length > stop - at:
            raise _damaged("a record runs past the end")
        return key >> 3, at, at + length
    if kind == 0:
        _, end = _varint(data, at, stop)
    elif kind in (1, 5):
        end = at + (8 if kind == 1 else 4)
    else:
        raise _damaged("a record of an unknown kind")
    if end > stop:
        raise _damaged("a record runs past the end")
    return key >> 3, end, end


def _varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise _damaged("a number without an end")


def _damaged(why: str) -> UnstrideError:
    return UnstrideError(Reason.FILE, f"is no ONNX model: {why}", argument="file")
