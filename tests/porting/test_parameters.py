from __future__ import annotations

import numpy as np
import pytest

from unstride import UnstrideError, parse, port, run
from unstride.dialects.registry import NAMES

SAME = "keras.layers.Conv2DTranspose(4, 3, strides=2, padding='same', use_bias=False)"


def integers(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(0).integers(-4, 5, shape)


@pytest.mark.parametrize("to", NAMES)
def test_every_dialect_says_the_plain_layer_or_composes_it(to: str) -> None:
    found = port(parse(SAME), to=to, input_shape=(1, 8, 8, 2))
    assert found.exact or found.composition is not None
    assert found.text()
    assert found.as_json()["to"] == to


def test_the_printed_rearrangements_carry_the_values() -> None:
    """The NumPy expressions a user copies from the answer give the same numbers in the target."""
    source = parse("keras.layers.Conv2DTranspose(4, 3, strides=2, padding='valid', use_bias=False)")
    found = port(source, to="flax", input_shape=(2, 5, 6, 2))
    assert found.target is not None
    assert found.kernel is not None
    x, kernel = integers(2, 5, 6, 2), integers(3, 3, 4, 2)
    ours = run(source, x, kernel)
    np.testing.assert_array_equal(run(found.target, x, found.kernel.apply(kernel)), ours)
    assert "::-1" in found.kernel.expression("kernel")


def test_a_layout_change_is_printed_for_data_and_kernel() -> None:
    text = (
        port(parse("keras.layers.Conv2DTranspose(4, 3, strides=2)"), to="torch", input_shape=(1, 8, 8, 2))
        .text()
        .splitlines()
    )
    assert text[0] == "torch.nn.ConvTranspose2d(2, 4, 3, stride=2)"
    assert "  kernel = kernel.transpose(3, 2, 0, 1)" in text
    assert "  x = x.transpose(0, 3, 1, 2)" in text


def test_groups_are_split_where_a_dialect_has_none() -> None:
    found = port(parse("torch.nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)"), to="keras", input_shape=(1, 4, 5, 5))
    assert not found.exact
    assert found.composition is not None
    assert found.composition.split == 2
    assert found.kernel is None


def test_the_source_rejects_what_it_rejects() -> None:
    with pytest.raises(UnstrideError) as caught:
        port(parse(SAME), to="torch", input_shape=(1, 8, 8))
    assert caught.value.code == "rank"


def test_every_public_name_is_there() -> None:
    import unstride

    for name in unstride.__all__:
        assert getattr(unstride, name) is not None
    assert set(unstride._HOMES) <= set(unstride.__all__)
    with pytest.raises(AttributeError):
        _ = unstride.nothing
