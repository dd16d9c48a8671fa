"""The list is the issue's, its numbers are right, and drawn layers come back with their seed."""

from __future__ import annotations

import json

import pytest

from unstride import UnstrideError
from unstride.bench.cases import CASES, ELEMENTS_LIMIT, PRODUCTS_LIMIT, Case, draw, from_json, select

BY_NAME = {case.name: case for case in CASES}


def test_sizes_double_where_networks_double_them() -> None:
    for name in ("unet-8", "unet-batch", "nnunet-3d", "vnet-3d", "dcgan-8", "hifigan-6400", "image-3to3", "dilated"):
        case = BY_NAME[name]
        assert case.layer.output_size == tuple(2 * size for size in case.size), name
    assert BY_NAME["hifigan-800"].output_shape == (1, 128, 6400)
    assert BY_NAME["istft"].output_shape == (1, 1, 224 * 256)
    assert BY_NAME["stride-1"].layer.output_size == (64, 64)


def test_products_are_counted_exactly() -> None:
    assert BY_NAME["nnunet-2d"].multiply_accumulates == 64 * 64 * 4 * 256 * 128
    # kernel 3, stride 2, padding 1: a row of n gives 3·n − 1 products, one tap of the first element being cropped
    assert BY_NAME["unet-64"].multiply_accumulates == (3 * 64 - 1) ** 2 * 128 * 64
    assert BY_NAME["fcn-bilinear"].multiply_accumulates == (4 * 128 - 2) ** 2 * 21


def test_a_case_survives_json() -> None:
    for case in CASES:
        assert from_json(json.loads(json.dumps(case.as_json()))) == case


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("dcgan-8", ["dcgan-8"]), ("nnunet", ["nnunet-2d", "nnunet-3d"]), ("*-3d", ["nnunet-3d", "vnet-3d"])],
)
def test_selection(pattern: str, names: list[str]) -> None:
    assert [case.name for case in select([pattern])] == names


def test_selection_of_all_and_of_nothing() -> None:
    assert select([]) == CASES
    with pytest.raises(UnstrideError, match="--list"):
        select(["unet-8", "resnet"])


def test_drawn_layers_come_back_and_stay_in_bounds() -> None:
    drawn = draw(60, seed=3)
    assert drawn[:20] == draw(20, seed=3)
    assert drawn != draw(60, seed=4)
    assert {case.rank for case in drawn} == {1, 2, 3}
    assert any(case.groups > 1 for case in drawn)
    assert any(max(case.dilation) > 1 for case in drawn)
    for case in drawn:
        assert _bounded(case), case.shown


def _bounded(case: Case) -> bool:
    numbers = zip(case.size, case.kernel, case.stride, case.dilation, strict=True)
    sizes = all(1 <= n <= 200 and 1 <= k <= 9 and 1 <= s <= 8 and 1 <= d <= 3 for n, k, s, d in numbers)
    channels = all(1 <= c <= 256 and c % case.groups == 0 for c in (case.in_channels, case.out_channels))
    return sizes and channels and case.multiply_accumulates <= PRODUCTS_LIMIT and case.elements <= ELEMENTS_LIMIT
