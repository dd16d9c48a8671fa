"""Layouts: there and back changes nothing, and each element lands where its name says."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride import Reason, UnstrideError
from unstride.geometry import Axis, DataLayout, Layer, WeightLayout, canonical
from unstride.testing.strategies import layers

PATTERNS = ("Slk", "Lsk", "kLs", "kSl", "ksL", "klS", "gslk", "glsk", "kgsl", "gksl", "kgls", "skL")


def numbered(shape: tuple[int, ...]) -> NDArray[Any]:
    return np.arange(int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("NC01")] + ["C0", "0C", "1C0", "N210C"])
def test_data_there_and_back(order: str) -> None:
    layout = DataLayout(order)
    spatial = (2, 5, 7)[: layout.rank]
    shape = layout.join(3 if layout.batched else 1, 4, spatial)
    array = numbered(shape)
    moved = layout.to_canonical(shape).apply(array)
    assert moved.shape == (3 if layout.batched else 1, 4, *spatial)
    np.testing.assert_array_equal(layout.from_canonical(moved.shape).apply(moved), array)
    for place in np.ndindex(*moved.shape):
        named = {"N": place[0], "C": place[1]} | {str(axis): index for axis, index in enumerate(place[2:])}
        assert moved[place] == array[tuple(named[token] for token in order)]


def test_names_of_data_layouts() -> None:
    assert DataLayout.named("NHWC") == DataLayout.last(2) == DataLayout("N01C")
    assert DataLayout.named("CDHW") == DataLayout.first(3, batched=False)
    assert DataLayout.named("NWC").name == "NWC"
    assert DataLayout("NC0123").name == "NCabcd"
    assert DataLayout.first(2).to_canonical((2, 3, 4, 5)).trivial
    assert not DataLayout.last(2).to_canonical((2, 3, 4, 5)).trivial


def test_a_wrong_rank_is_rejected() -> None:
    with pytest.raises(UnstrideError) as caught:
        DataLayout.last(2).split((1, 2, 3))
    assert caught.value.reason is Reason.RANK
    with pytest.raises(UnstrideError) as caught:
        WeightLayout.of("Slk", 2).split((1, 2, 3))
    assert caught.value.reason is Reason.KERNEL


@given(layers(), st.sampled_from(PATTERNS), st.booleans(), st.sampled_from(PATTERNS), st.booleans())
def test_weights_there_and_back(layer: Layer, first: str, turned: bool, second: str, flipped: bool) -> None:
    here = WeightLayout.of(first, layer.rank, flipped=turned)
    there = WeightLayout.of(second, layer.rank, flipped=flipped)
    array = numbered(here.shape(layer))
    moved = here.to(there, layer).apply(array)
    assert moved.shape == there.shape(layer)
    np.testing.assert_array_equal(there.to(here, layer).apply(moved), array)
    assert here.to(here, layer).trivial


@given(layers(), st.sampled_from(PATTERNS), st.booleans())
def test_each_weight_lands_where_its_name_says(layer: Layer, pattern: str, flipped: bool) -> None:
    layout = WeightLayout.of(pattern, layer.rank, flipped=flipped)
    array = numbered(layout.shape(layer))
    moved = layout.to(canonical(layer.rank), layer).apply(array)
    small, large = layer.small_channels // layer.groups, layer.large_channels // layer.groups
    for place in np.ndindex(*moved.shape):
        group, s = divmod(place[0], small)
        named = {"g": group, "s": s, "S": place[0], "l": place[1], "L": group * large + place[1]}
        for axis, (tap, taps) in enumerate(zip(place[2:], layer.kernel, strict=True)):
            named[str(axis)] = taps - 1 - tap if flipped else tap
        # with one whole side the group is part of it; a side named by "s" or "l" alone is within its group
        assert moved[place] == array[tuple(named[token] for token in layout.order)]


@given(layers(), st.sampled_from([p for p in PATTERNS if "S" in p or "L" in p]))
def test_weights_tell_the_channels(layer: Layer, pattern: str) -> None:
    layout = WeightLayout.of(pattern, layer.rank)
    expected = layer.kernel, layer.small_channels, layer.large_channels
    assert layout.split(layout.shape(layer), layer.groups) == expected


def test_names_of_weight_layouts() -> None:
    assert WeightLayout.of("kLS", 2).name == "(H, W, large, small)"
    assert WeightLayout.of("Slk", 1, flipped=True).name == "(small, large/groups, W), taps reversed"
    layer = Layer((Axis(2, 4, 3, stride=2),), small_channels=4, large_channels=6, groups=2)
    assert WeightLayout.of("gslk", 1).shape(layer) == (2, 2, 3, 3)
    assert canonical(1).shape(layer) == (4, 3, 3)
