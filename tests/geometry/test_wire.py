"""The JSON form: there and back changes nothing, and no bad document becomes a layer."""

import json
from typing import Any

import pytest
from hypothesis import given

from unstride import Reason, UnstrideError
from unstride.geometry import Axis, Layer, from_wire, to_wire
from unstride.testing.strategies import layers

LAYER = Layer((Axis(2, 4, 3, stride=2),), 8, 4, groups=2, bias=True)
REMOVED = object()


def changed(path: tuple[str | int, ...], value: object) -> object:
    """LAYER's document with one entry replaced, added or removed."""
    document: Any = to_wire(LAYER)
    if not path:
        return value
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@given(layers())
def test_there_and_back_through_json(layer: Layer) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(layer)))) == layer


def test_the_document() -> None:
    assert to_wire(LAYER) == {
        "version": 1,
        "small_channels": 8,
        "large_channels": 4,
        "groups": 2,
        "transposed": True,
        "bias": True,
        "axes": [{"small": 2, "large": 4, "kernel": 3, "stride": 2, "dilation": 1, "before": 0, "after": 1}],
    }


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ((), None, Reason.ARGUMENT),
        ((), [], Reason.ARGUMENT),
        ((), "layer", Reason.ARGUMENT),
        (("version",), 2, Reason.ARGUMENT),
        (("version",), REMOVED, Reason.ARGUMENT),
        (("version",), True, Reason.ARGUMENT),
        (("version",), 1.0, Reason.ARGUMENT),
        (("extra",), 1, Reason.ARGUMENT),
        (("bias",), REMOVED, Reason.ARGUMENT),
        (("bias",), 1, Reason.ARGUMENT),
        (("transposed",), "yes", Reason.ARGUMENT),
        (("groups",), 3, Reason.GROUPS),
        (("groups",), True, Reason.GROUPS),
        (("small_channels",), 8.0, Reason.CHANNELS),
        (("axes",), {}, Reason.ARGUMENT),
        (("axes",), [], Reason.RANK),
        (("axes", 0), 3, Reason.ARGUMENT),
        (("axes", 0, "after"), 2, Reason.ARGUMENT),
        (("axes", 0, "after"), REMOVED, Reason.ARGUMENT),
        (("axes", 0, "after"), 1.0, Reason.ARGUMENT),
        (("axes", 0, "after"), True, Reason.ARGUMENT),
        (("axes", 0, "padding"), 1, Reason.ARGUMENT),
        (("axes", 0, "stride"), 0, Reason.STRIDE),
        (("axes", 0, "kernel"), "3", Reason.KERNEL),
        (("axes", 0, "before"), None, Reason.PADDING),
    ],
)
def test_bad_documents_are_rejected(path: tuple[str | int, ...], value: object, reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        from_wire(changed(path, value))
    assert caught.value.reason is reason
