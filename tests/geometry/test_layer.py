"""The layer: its two directions, and what is rejected."""

from typing import Any

import pytest
from hypothesis import given

from unstride import Reason, UnstrideError
from unstride.geometry import Axis, Layer
from unstride.testing.strategies import layers

AXIS = Axis(2, 5, 3, stride=2)


def test_the_direction_decides_which_side_comes_in() -> None:
    up = Layer((AXIS, Axis(4, 7, 2)), small_channels=6, large_channels=9, groups=3)
    assert (up.input_size, up.output_size, up.in_channels, up.out_channels) == ((2, 4), (5, 7), 6, 9)
    down = up.adjoint
    assert (down.input_size, down.output_size, down.in_channels, down.out_channels) == ((5, 7), (2, 4), 9, 6)
    assert (up.rank, up.kernel) == (2, (3, 2))


@given(layers())
def test_the_adjoint_of_the_adjoint_is_the_layer(layer: Layer) -> None:
    assert layer.adjoint != layer
    assert layer.adjoint.adjoint == layer


def test_the_adjoint_has_no_bias() -> None:
    assert not Layer((AXIS,), 1, 1, bias=True).adjoint.bias


def test_equal_layers_are_one_key() -> None:
    assert len({Layer((AXIS,), 1, 1), Layer((Axis(2, 5, 3, 2),), 1, 1), Layer((AXIS,), 1, 2)}) == 2


@pytest.mark.parametrize(
    ("changed", "reason", "argument"),
    [
        ({"axes": ()}, Reason.RANK, "axes"),
        ({"groups": 0}, Reason.GROUPS, "groups"),
        ({"groups": 2.0}, Reason.GROUPS, "groups"),
        ({"groups": 4}, Reason.GROUPS, "groups"),
        ({"groups": 3, "large_channels": 4}, Reason.GROUPS, "groups"),
        ({"small_channels": -1}, Reason.CHANNELS, "small_channels"),
        ({"large_channels": "8"}, Reason.CHANNELS, "large_channels"),
        ({"axes": (Axis(2, 2**32, 1),) * 2}, Reason.TOO_LARGE, "size"),
        ({"axes": (Axis(2**62, 5, 1),)}, Reason.TOO_LARGE, "size"),
    ],
)
def test_bad_layers_are_rejected_by_name(changed: dict[str, Any], reason: Reason, argument: str) -> None:
    given_arguments: dict[str, Any] = {"axes": (AXIS,), "small_channels": 6, "large_channels": 6, **changed}
    with pytest.raises(UnstrideError) as caught:
        Layer(**given_arguments)
    assert (caught.value.reason, caught.value.argument) == (reason, argument)
