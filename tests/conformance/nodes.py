"""An ONNX node as our dialect's spec."""

from __future__ import annotations

from typing import Any

from unstride.dialects.onnx import ConvTranspose
from unstride.dialects.spec import Source


def spec(attributes: dict[str, Any], *, bias: bool) -> ConvTranspose:
    """The node with these attributes."""
    return ConvTranspose(Source("X"), Source("W"), Source("B") if bias else None, **attributes)


def attributes(node: Any) -> dict[str, Any]:
    """What a NodeProto says, as Python values."""
    from onnx import helper

    found = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
