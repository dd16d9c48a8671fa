from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride import Reason, UnstrideError, checkerboard, from_subpixel, icnr, parse
from unstride.checkerboards.gain import measure_gain
from unstride.engine import execute
from unstride.geometry import Axis, Layer

from .layers import Array, integers

SIZES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=3)


def nearest(x: Array, steps: tuple[int, ...]) -> Array:
    """Nearest-neighbour upsampling of the spatial axes."""
    for place, step in enumerate(steps, start=2):
        x = np.repeat(x, step, axis=place)
    return x


@given(SIZES, st.integers(0, 100), st.sampled_from([np.float32, np.float64]))
def test_all_phases_have_exactly_the_same_gain(sizes: list[tuple[int, int, int]], seed: int, dtype: type) -> None:
    steps = tuple(step for step, _, _ in sizes)
    kernel = tuple(step * whole + min(extra, step - 1) for step, whole, extra in sizes)
    values = icnr((3, 2, *kernel), steps, seed=seed, dtype=dtype)
    layer = Layer(tuple(Axis(4, 4 * s, k, s, before=1) for s, k in zip(steps, kernel, strict=True)), 3, 2)
    gain = measure_gain(layer, values)
    flat = gain.values.reshape(3, 2, -1)
    assert values.dtype == dtype
    assert (flat == flat[:, :, :1]).all()
    assert flat.any()
    assert gain.alternation == 0
    assert set(gain.channels) == {0}


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3), st.integers(0, 100))
def test_it_starts_as_a_convolution_then_nearest_neighbours(sizes: list[tuple[int, int]], seed: int) -> None:
    steps, taps = tuple(step for step, _ in sizes), tuple(tap for _, tap in sizes)
    small = integers(seed, (2, 3, *taps))
    kernel = icnr((2, 3, *(s * t for s, t in sizes)), steps, initialize=lambda *_: small, dtype=int)
    x = integers(seed + 1, (1, 2, *(4,) * len(sizes)))
    up = Layer(tuple(Axis(4, (3 + t) * s, s * t, s) for s, t in sizes), 2, 3)
    flat = Layer(tuple(Axis(4, 3 + t, t) for t in taps), 2, 3)
    assert (execute.run(up, x, kernel) == nearest(execute.run(flat, x, small), steps)).all()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 100))
def test_kernel_equal_to_stride_is_nearest_neighbours_then_a_convolution(steps: list[int], seed: int) -> None:
    rank, small = len(steps), integers(seed, (2, 3, *[1] * len(steps)))
    kernel = icnr((2, 3, *steps), tuple(steps), initialize=lambda *_: small, dtype=int)
    x = integers(seed + 1, (1, 2, *(3,) * rank))
    up = Layer(tuple(Axis(3, 3 * step, step, step) for step in steps), 2, 3)
    one = Layer(tuple(Axis(3 * step, 3 * step, 1) for step in steps), 2, 3)
    assert (execute.run(up, x, kernel) == execute.run(one, nearest(x, tuple(steps)), small)).all()


@pytest.mark.parametrize(
    ("dialect", "code", "input_shape", "shape"),
    [
        ("torch", "torch.nn.ConvTranspose2d(6, 4, 5, stride=2, groups=2)", (1, 6, 4, 4), (6, 2, 5, 5)),
        ("keras", "keras.layers.Conv2DTranspose(4, 5, strides=(2, 3))", (1, 4, 4, 6), (5, 5, 4, 6)),
        ("tensorflow", "tf.nn.conv1d_transpose(x, w, (1, 9, 4), 2, 'VALID')", (1, 4, 6), (3, 4, 6)),
        ("haiku", "hk.Conv2DTranspose(4, 5, stride=2)", (1, 4, 4, 6), (5, 5, 4, 6)),
        ("mlx", "mlx.nn.ConvTranspose2d(6, 4, 5, stride=2)", (1, 4, 4, 6), (4, 5, 5, 6)),
        ("flax", "nnx.ConvTranspose(6, 4, (5, 5), strides=(2, 2), rngs=rngs)", (1, 4, 4, 6), (5, 5, 6, 4)),
    ],
)
def test_in_the_layout_of_each_dialect(
    dialect: str, code: str, input_shape: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    stride = (2, 3) if "(2, 3)" in code else 2
    kernel = icnr(shape, stride, dialect=dialect, groups=2 if "groups" in code else 1, seed=3)
    found = checkerboard(parse(code), kernel, input_shape=input_shape)
    assert found.gain is not None
    assert found.gain.alternation == 0
    assert found.gain.values.any()


@pytest.mark.parametrize(
    ("dialect", "code", "shape", "input_shape"),
    [
        ("torch", "torch.nn.Conv2d(3, 8, 3, bias=False)", (8, 3, 3, 3), (1, 3, 9, 9)),
        ("torch", "torch.nn.Conv2d(4, 8, 3, bias=False, groups=2)", (8, 2, 3, 3), (1, 4, 9, 9)),
        ("keras", "keras.layers.Conv2D(8, 3, use_bias=False)", (3, 3, 3, 8), (1, 9, 9, 3)),
        ("tensorflow", "tf.nn.conv2d(x, w, 1, 'SAME')", (3, 3, 3, 8), (1, 9, 9, 3)),
    ],
)
def test_before_a_pixel_shuffle(dialect: str, code: str, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
    groups = 2 if "groups" in code else 1
    kernel = icnr(shape, 2, dialect=dialect, subpixel=True, groups=groups, seed=5)
    joined = from_subpixel(parse(code), kernel, stride=2, input_shape=input_shape)
    gain = measure_gain(joined.layer, joined.weights)
    assert gain.alternation == 0
    assert len(np.unique(kernel)) == kernel.size // 4


def test_taps_that_only_some_phases_have_are_zero() -> None:
    kernel = icnr((1, 1, 5), 2, seed=0).ravel()
    assert kernel[0] == kernel[1] != kernel[2] == kernel[3]
    assert kernel[4] == 0
    reversed_taps = icnr((5, 1, 1), 2, dialect="haiku", seed=0).ravel()
    assert reversed_taps[0] == 0 != reversed_taps[1]


def test_integers_may_be_given_but_are_not_drawn() -> None:
    assert icnr((1, 1, 4), 2, initialize=lambda *_: [[[1, 2]]], dtype=int).ravel().tolist() == [1, 1, 2, 2]


def test_a_seed_gives_the_same_kernel() -> None:
    assert (icnr((2, 2, 4, 4), 2, seed=1) == icnr((2, 2, 4, 4), 2, seed=1)).all()
    assert (icnr((2, 2, 4, 4), 2, seed=1) != icnr((2, 2, 4, 4), 2, seed=2)).any()
    assert (icnr((2, 2, 4, 4), 2, seed=np.random.default_rng(1)) == icnr((2, 2, 4, 4), 2, seed=1)).all()


@pytest.mark.parametrize(("groups", "subpixel"), [(1, False), (4, False), (1, True), (4, True)])
def test_the_usual_values_keep_the_strength_of_the_input(groups: int, subpixel: bool) -> None:
    shape = (256, 64 // groups, 3, 3) if subpixel else (64, 64 // groups, 4, 4)
    kernel = icnr(shape, 2, groups=groups, subpixel=subpixel, seed=0)
    inputs = 64 // groups * (9 if subpixel else 4)
    assert np.var(kernel) * inputs == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"shape": (1, 1, 2), "stride": 3}, Reason.KERNEL),
        ({"shape": (1, 1, 2), "stride": 0}, Reason.STRIDE),
        ({"shape": (6, 1, 2), "stride": 4, "subpixel": True}, Reason.CHANNELS),
        ({"shape": (3, 1, 2), "stride": 2, "groups": 2}, Reason.GROUPS),
        ({"shape": (1, 1, 2), "stride": 2, "dialect": "fortran"}, Reason.ARGUMENT),
        ({"shape": (1, 1, 2), "stride": 2, "dialect": "theano"}, Reason.RANK),
        ({"shape": (10**9, 10**9, 4), "stride": 2}, Reason.TOO_LARGE),
        ({"shape": (4, 4), "stride": 2}, Reason.KERNEL),
        ({"shape": (1, 1, 2), "stride": 2, "initialize": lambda *_: np.ones(2)}, Reason.KERNEL),
        ({"shape": (1, 1, 2), "stride": 2, "initialize": lambda shape, _: np.full(shape, "a")}, Reason.DTYPE),
        ({"shape": (1, 1, 2), "stride": 2, "dtype": "letters"}, Reason.DTYPE),
        ({"shape": (1, 1, 2), "stride": 2, "dtype": str}, Reason.DTYPE),
        ({"shape": (1, 1, 2), "stride": 2, "dtype": int}, Reason.DTYPE),
        ({"shape": (1, 1, 2), "stride": 2, "seed": -1}, Reason.ARGUMENT),
        ({"shape": (1, 1, 2), "stride": 2, "seed": "a"}, Reason.ARGUMENT),
    ],
)
def test_what_cannot_be_is_rejected(arguments: dict[str, object], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as raised:
        icnr(**arguments)  # type: ignore[arg-type]  # wrong on purpose
    assert raised.value.reason is reason
