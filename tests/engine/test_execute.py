"""The entry: every kind of array is computed or rejected with its reason, never answered wrongly."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride import Reason, UnstrideError
from unstride.engine import execute, memory, reference
from unstride.engine.ends import Ends
from unstride.engine.execute import ENGINES
from unstride.engine.plan import plan
from unstride.geometry import Axis, Layer

from . import rows
from .rows import NAMES, QUICK

Array = NDArray[Any]

LAYER = Layer(
    (Axis(3, 6, 3, 2, 1, 1), Axis(2, 5, 2, 3, 1, -1)), small_channels=4, large_channels=6, groups=2, bias=True
)


def arrays(layer: Layer = LAYER, batch: int = 2) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    weights = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    return (
        rng.integers(-4, 5, (batch, layer.in_channels, *layer.input_size)),
        rng.integers(-4, 5, weights),
        rng.integers(-4, 5, (layer.out_channels,)),
    )


def rejection(*given: Any, layer: Layer = LAYER, **options: Any) -> UnstrideError:
    with pytest.raises(UnstrideError) as caught:
        execute.run(layer, *given, **options)
    return caught.value


def test_the_lectures_question() -> None:
    x, kernel = np.array([[[[2, 1], [3, 2]]]]), np.array([[[[1, 2, 1], [2, 0, 1], [0, 2, 1]]]])
    keras = Layer((Axis(2, 4, 3, 2),) * 2, 1, 1)
    lecture = Layer((Axis(2, 4, 3, 2, 1, 1),) * 2, 1, 1)
    assert execute.run(keras, x, kernel)[0, 0].tolist() == [[2, 4, 3, 2], [4, 0, 4, 0], [3, 10, 7, 6], [6, 0, 7, 0]]
    assert execute.run(lecture, x, kernel)[0, 0].tolist() == [[0, 4, 0, 1], [10, 7, 6, 3], [0, 7, 0, 2], [6, 3, 4, 2]]


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("layer", [LAYER, LAYER.adjoint])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4", "complex64", "complex128"])
def test_floats_keep_their_type(engine: str, layer: Layer, dtype: str) -> None:
    x, weights, bias = (array.astype(dtype) for array in arrays(layer))
    y = rows.run(engine, layer, x, weights, bias)
    assert y.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(y, reference.run(layer, *arrays(layer)))


@pytest.mark.parametrize("engine", NAMES)
def test_complex_numbers_are_multiplied_without_conjugation(engine: str) -> None:
    x, weights, bias = arrays()
    y = rows.run(engine, LAYER, x * (2 + 1j), weights * 1j, bias)
    np.testing.assert_array_equal(y, reference.run(LAYER, x, weights) * (-1 + 2j) + bias[:, None, None])
    grad = np.ones(y.shape)
    np.testing.assert_array_equal(
        rows.weight_gradient(engine, LAYER, x * 1j, grad),
        reference.weight_gradient(LAYER, x, grad.astype(int)) * 1j,
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_are_summed_in_64_bits(dtype: str) -> None:
    x, weights, bias = (abs(array).astype(dtype) * 25 for array in arrays())
    y = execute.run(LAYER, x, weights, bias)
    assert y.dtype == (np.uint64 if dtype.startswith("u") else np.int64)
    assert y.max() > 255
    assert y.tolist() == reference.run(LAYER, *(array.astype(object) for array in (x, weights, bias))).tolist()


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("scale", [1, 2**7, 2**20, 2**27])
def test_integers_are_exact_at_every_magnitude(engine: str, scale: int) -> None:
    """One magnitude for each type that sums are taken in: float32, float64 (twice), int64."""
    x, weights, bias = (array * scale + 1 for array in arrays())
    y = rows.run(engine, LAYER, x, weights, bias)
    assert y.tolist() == reference.run(LAYER, *(array.astype(object) for array in (x, weights, bias))).tolist()


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("bits", [24, 53])
def test_integers_are_exact_just_above_a_significand(engine: str, bits: int) -> None:
    layer = Layer((Axis(1, 1, 1),), 2, 1)
    y = rows.run(engine, layer, np.array([[[2**bits], [1]]]), np.ones((2, 1, 1), np.int64))
    assert y.tolist() == [[[2**bits + 1]]]


def test_a_sum_beyond_64_bits_is_rejected_or_exact() -> None:
    layer = Layer((Axis(1, 1, 1),), 2, 1)
    weights = np.ones((2, 1, 1), np.int64)
    half = np.array([[[2**62], [2**62]]])
    error = rejection(half, weights, layer=layer)
    assert error.reason is Reason.DTYPE
    assert execute.run(layer, half.astype(object), weights).tolist() == [[[2**63]]]
    # the bound exceeds 64 bits, the sum does not
    assert execute.run(layer, half * [[[1], [-1]]], weights).tolist() == [[[0]]]
    assert execute.run(layer, half.astype(np.uint64), weights * [[[1]], [[0]]]).tolist() == [[[2**62]]]


@pytest.mark.parametrize("engine", NAMES)
def test_python_numbers_have_no_limit(engine: str) -> None:
    x, weights, bias = (array.astype(object) for array in arrays())
    y = rows.run(engine, LAYER, x * 10**30, weights * Fraction(1, 3), bias)
    assert y.dtype == object
    assert y.tolist() == reference.run(LAYER, x * 10**30, weights * Fraction(1, 3), bias).tolist()
    bare = rows.run(engine, LAYER, x * 10**30, weights * Fraction(1, 3))
    whole = reference.run(LAYER, *arrays()[:2])
    assert np.count_nonzero(whole) > 0
    assert bare.ravel().tolist() == [Fraction(int(value) * 10**30, 3) for value in whole.ravel()]


@pytest.mark.parametrize("value", ["text", b"bytes", None, True, np.datetime64("2020-01-01")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_number_is_rejected(value: object, place: int) -> None:
    given = list(arrays())
    given[place] = np.full(given[place].shape, value)
    error = rejection(*given)
    assert error.reason is Reason.DTYPE
    assert error.argument == ("x.dtype", "weights.dtype", "bias.dtype")[place]


def test_shapes_are_checked() -> None:
    x, weights, bias = arrays()
    assert rejection(x[0], weights).reason is Reason.RANK
    assert rejection(x[:, :3], weights).reason is Reason.CHANNELS
    assert rejection(x[..., :1], weights).reason is Reason.SIZE
    assert rejection(x, weights.swapaxes(0, 1)).reason is Reason.KERNEL
    assert rejection(x, weights[..., 0]).reason is Reason.KERNEL
    assert rejection(x, weights, bias[:-1]).reason is Reason.CHANNELS
    assert rejection(x, weights, bias[:, None]).reason is Reason.CHANNELS


def test_gradients_check_shapes() -> None:
    x, weights, bias = arrays()
    grad = execute.run(LAYER, x, weights, bias)
    calls: tuple[tuple[Callable[[], Array], Reason], ...] = (
        (lambda: execute.input_gradient(LAYER, grad[:, :, 1:], weights), Reason.SIZE),
        (lambda: execute.weight_gradient(LAYER, x, grad[:, 1:]), Reason.CHANNELS),
        (lambda: execute.weight_gradient(LAYER, x, grad[:1]), Reason.SIZE),
        (lambda: execute.weight_gradient(LAYER, x[0], grad), Reason.RANK),
        (lambda: execute.bias_gradient(LAYER, grad[0]), Reason.RANK),
        (lambda: execute.bias_gradient(LAYER, grad > 0), Reason.DTYPE),
    )
    for call, reason in calls:
        with pytest.raises(UnstrideError) as caught:
            call()
        assert caught.value.reason is reason


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_engine_on_this_machine_takes_an_ordinary_layer(engine: str, dtype: str) -> None:
    row = rows.named(engine)
    assert all(row.supports(layer, np.dtype(dtype)) for layer in (LAYER, LAYER.adjoint))
    first = next(row for row in ENGINES if row.available())
    assert execute.choose(LAYER, np.dtype(dtype)) is first


def test_an_unknown_engine_is_named() -> None:
    error = rejection(*arrays(), engine="abacus")
    assert (error.reason, error.argument, error.value) == (Reason.ARGUMENT, "engine", "abacus")
    assert "jit, blas, reference" in error.rule


def test_too_large_is_refused_before_anything_is_read_or_allocated() -> None:
    size = 10**6
    layer = Layer((Axis(size, size, 1), Axis(size, size, 1)), 1, 1)
    for dtype in (np.int64, np.float32):
        x = np.broadcast_to(np.zeros((), dtype), (1, 1, size, size))
        error = rejection(x, np.ones((1, 1, 1, 1), dtype), layer=layer)
        assert error.reason is Reason.TOO_LARGE
        assert f"{plan(layer, dtype=dtype).bytes:,}" in str(error)


def test_memory_is_compared_with_what_the_system_has(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights, bias = arrays()
    needed = plan(LAYER, batch=2, dtype="int64").bytes
    monkeypatch.setattr(memory, "available_bytes", lambda: needed)
    execute.run(LAYER, x, weights, bias)
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    error = rejection(x, weights, bias)
    assert f"{needed:,}" in str(error)
    assert f"{needed - 1:,}" in str(error)


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("layer", [LAYER, LAYER.adjoint])
def test_any_strides_will_do(engine: str, layer: Layer) -> None:
    x, weights, bias = arrays(layer)
    expected = execute.run(layer, x, weights, bias)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    mirrored = np.ascontiguousarray(x[:, ::-1, ::-1])[:, ::-1, ::-1]
    sparse = np.repeat(x, 2, axis=3)[..., ::2]
    taps_first = np.moveaxis(np.ascontiguousarray(np.moveaxis(weights, (0, 1), (-1, -2))), (-1, -2), (0, 1))
    flipped = np.ascontiguousarray(weights[..., ::-1])[..., ::-1]
    for data in (last, mirrored, sparse, np.asfortranarray(x)):
        for factors in (taps_first, flipped, np.asfortranarray(weights)):
            np.testing.assert_array_equal(rows.run(engine, layer, data, factors, bias[::-1][::-1]), expected)


@pytest.mark.parametrize("engine", NAMES)
def test_zero_strides_and_read_only_arrays_will_do(engine: str) -> None:
    x, weights, bias = (np.broadcast_to(np.asarray(3.0), array.shape) for array in arrays())
    assert not x.flags.writeable
    y = rows.run(engine, LAYER, x, weights, bias)
    full = [np.full(array.shape, 3) for array in (x, weights, bias)]
    np.testing.assert_array_equal(y, reference.run(LAYER, *full))


@pytest.mark.parametrize("engine", NAMES)
def test_inputs_are_left_alone(engine: str) -> None:
    given = [array.astype("float32") for array in arrays()]
    kept = [array.copy() for array in given]
    y = rows.run(engine, LAYER, *given)
    y += 1
    for array, copy in zip(given, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_reaches_exactly_what_its_stamp_reaches(engine: str, value: float) -> None:
    layer = Layer((Axis(4, 9, 3, 2),), 1, 1)
    x = np.ones((1, 1, 4), np.float32)
    x[0, 0, 1] = value
    y = rows.run(engine, layer, x, np.zeros((1, 1, 3), np.float32) + 2)
    assert [not np.isfinite(element) for element in y[0, 0]] == [2 <= large <= 4 for large in range(9)]


@pytest.mark.parametrize("engine", NAMES)
def test_half_precision_overflows_to_infinity(engine: str) -> None:
    layer = Layer((Axis(1, 1, 1),), 1, 1)
    given = np.full((1, 1, 1), 300, np.float16)
    assert rows.run(engine, layer, given, given).tolist() == [[[np.inf]]]


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "int64", "object"])
@pytest.mark.parametrize(
    ("layer", "batch"),
    [
        (LAYER, 0),
        (Layer(LAYER.axes, 0, 6), 2),
        (Layer(LAYER.axes, 4, 0), 2),
        (Layer((Axis(0, 4, 3, 2), LAYER.axes[1]), 4, 6), 2),
        (Layer((LAYER.axes[0], Axis(2, 0, 3, 2)), 4, 6), 2),
        (Layer((Axis(2, 4, 3, 2, 1, 50),), 4, 6), 2),
        (Layer((Axis(2, 9, 3, 2, 1, -50),), 4, 6), 2),
        (Layer((Axis(2, 9, 1, 4),), 3, 2), 2),
        (Layer((Axis(0, 2, 1), Axis(1, 60_000, 1)), 1, 1), 2),
    ],
)
def test_empty_sides_give_the_bias(engine: str, dtype: str, layer: Layer, batch: int) -> None:
    for directed in (layer, layer.adjoint):
        x, weights, bias = (array.astype(dtype) for array in arrays(directed, batch))
        y = rows.run(engine, directed, x, weights, bias)
        np.testing.assert_array_equal(y, reference.run(directed, x, weights, bias))
        gradient = rows.weight_gradient(engine, directed, x, y)
        np.testing.assert_array_equal(gradient, reference.weight_gradient(directed, x, y))
        bare = rows.run(engine, directed, x, weights)
        alone = next(iter(bias), 0)
        assert y.size == 0 or (y - bare)[0, 0].tolist() == np.full(directed.output_size, alone, dtype).tolist()


@pytest.mark.parametrize("engine", NAMES)
def test_four_spatial_axes(engine: str) -> None:
    layer = Layer((Axis(2, 3, 2, 2, 1, 1), Axis(2, 3, 2), Axis(1, 2, 2), Axis(2, 2, 1)), 2, 2)
    x, weights, bias = arrays(layer)
    y = rows.run(engine, layer, x, weights, bias)
    np.testing.assert_array_equal(y, reference.run(layer, x, weights, bias))


@pytest.mark.parametrize("engine", QUICK)
@pytest.mark.parametrize(
    "layer",
    [
        Layer((Axis(9, 20, 3, 2, 1, 1), Axis(40, 82, 4, 2, 1, 1)), 70, 300),
        Layer((Axis(9, 20, 3, 2, 1, 1), Axis(40, 82, 4, 2, 1, 1)), 600, 20, transposed=False),
        Layer((Axis(60, 60, 5, 1, 2, 4), Axis(90, 90, 3, 1, 1, 1)), 64, 64, groups=64, transposed=False),
        Layer((Axis(3000, 3000, 600, 1, 1, 300),), 3, 2),
    ],
)
def test_layers_of_many_tiles(engine: str, layer: Layer) -> None:
    """Sizes above the tile and depth limits, against the products of whole windows in 64-bit integers."""
    x, weights, _ = arrays(layer, batch=3)
    groups, y = layer.groups, np.zeros((3, layer.out_channels, *layer.output_size), np.int64)
    for tap in np.ndindex(*layer.kernel):
        smalls = [axis.smalls(t) for axis, t in zip(layer.axes, tap, strict=True)]
        if not all(smalls):
            continue
        small = tuple(slice(s.start, s.stop) for s in smalls)
        firsts = [
            a.stride * s.start + a.dilation * t - a.before for a, s, t in zip(layer.axes, smalls, tap, strict=True)
        ]
        large = tuple(
            slice(first, first + axis.stride * len(s), axis.stride)
            for axis, first, s in zip(layer.axes, firsts, smalls, strict=True)
        )
        source, target = (small, large) if layer.transposed else (large, small)
        matrix = weights[:, :, *tap].reshape(groups, -1, layer.large_channels // groups).astype(float)
        given = x[:, :, *source].reshape(3, groups, layer.in_channels // groups, -1).astype(float)
        term = np.matmul(matrix.swapaxes(1, 2) if layer.transposed else matrix, given)
        y[:, :, *target] += term.reshape(y[:, :, *target].shape).astype(np.int64)
    np.testing.assert_array_equal(rows.run(engine, layer, x, weights), y)


def test_a_plan_runs_as_its_layer_does() -> None:
    x, weights, bias = arrays()
    made = plan(LAYER, batch=2, dtype="int64", engine="reference")
    np.testing.assert_array_equal(execute.run(made, x, weights, bias), execute.run(LAYER, x, weights, bias))
    with pytest.raises(UnstrideError):
        execute.run(plan(LAYER, engine="abacus"), x, weights)


def test_a_new_engine_is_one_more_row(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights, bias = arrays()
    last = ENGINES[-1]
    seen = []

    def compute(*given: Any) -> Array:
        seen.append(given[0].engine)
        return last.run(*given)

    made = execute.Engine(
        "new", lambda: True, lambda layer, _: layer.transposed, last.pack, compute, last.weight_gradient
    )
    absent = execute.Engine("absent", lambda: False, lambda *_: True, last.pack, compute, last.weight_gradient)
    other = execute.choose(LAYER.adjoint, np.dtype("f4"))
    monkeypatch.setattr(execute, "ENGINES", (absent, made, *ENGINES))
    np.testing.assert_array_equal(
        execute.run(LAYER, x, weights, bias), last.run(plan(LAYER, batch=2, dtype="int64"), x, weights, Ends(bias))
    )
    assert seen == ["new"]
    assert execute.choose(LAYER.adjoint, np.dtype("f4")) is other
    assert execute.choose(LAYER.adjoint, np.dtype("c8")).name == "blas"
    assert rejection(x, weights, engine="absent").reason is Reason.UNSUPPORTED
